"""Measure the page in a real browser: its weight, its first paint, and from Enter to the complete answer.

Usage: python -m bench.page [--runs 10]
The browser is the one the tests drive: see `tests/browser/find.py`.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.browser.conftest import ARGUMENTS, DESKTOP, environment
from tests.browser.find import REMEDY, find_browser
from tests.browser.measuring import measure
from tests.serving import serving


def main() -> int:
    """Print a table; fail where there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each, of which the median is told")
    runs: int = parser.parse_args().runs
    path = find_browser()
    if path is None:
        sys.stderr.write(REMEDY + "\n")
        return 1
    from playwright.sync_api import Page, sync_playwright

    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        home = Path(place)
        variables = {name: value for name, value in environment(home).items() if name != "OMP_NUM_THREADS"}
        with serving([sys.executable, "-m", "rag", "serve"], variables, home / "log.txt") as address:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)

            def open_page() -> Page:
                page = browser.new_context(viewport=DESKTOP, locale="zh-CN").new_page()
                page.goto(address)
                return page

            speed = measure(open_page, runs)
            version = browser.version
            browser.close()
    table = Table("measure", "value")
    table.add_row("first visit, kB", f"{speed.weight / 1000:.0f}")
    table.add_row("first visit, requests", str(speed.requests))
    table.add_row("first contentful paint, warm, ms, median", f"{speed.paint:.0f}")
    table.add_row("Enter to complete answer, warm, ms, median", f"{speed.answer:.0f}")
    table.add_row("Enter to complete answer, warm, ms, slowest", f"{speed.slowest:.0f}")
    table.caption = f"Chromium {version}, {os.cpu_count()} processors, {runs} runs, server on the same machine"
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
