"""Make the README's pictures of the page anew: an answer with its source open, and a refusal.

Usage: python -m tests.browser.screenshots [FOLDER]
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from tests.browser.conftest import (
    ARGUMENTS,
    DESKTOP,
    POSITIONS,
    UNANSWERED,
    answered,
    ask,
    environment,
    wait_for_citation,
)
from tests.browser.find import REMEDY, find_browser
from tests.serving import serving

DOCS = Path(__file__).parents[2] / "docs"
COLOURS = 128  # a page of text needs no more, and the files are a third as large


def main() -> int:
    """Write the pictures; fail where there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS, help="where to write them")
    folder: Path = parser.parse_args().folder
    path = find_browser()
    if path is None:
        sys.stderr.write(REMEDY + "\n")
        return 1
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        home = Path(place)
        command = [sys.executable, "-m", "rag", "serve"]
        with serving(command, environment(home), home / "log.txt") as address:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            page = browser.new_page(viewport=DESKTOP, locale="zh-CN")
            page.goto(address)
            turn = ask(page, POSITIONS)
            turn.locator(".answer .marker").first.click()
            wait_for_citation(page, 1)
            page.mouse.move(0, 0)
            _write(folder / "answer.png", page.screenshot(animations="disabled"))
            page.goto(address)
            page.fill("#question", UNANSWERED)
            page.keyboard.press("Enter")
            answered(page, 1).locator(".nearest a").first.click()
            wait_for_citation(page, 0)
            page.mouse.move(0, 0)
            _write(folder / "refusal.png", page.screenshot(animations="disabled"))
            browser.close()
    return 0


def _write(path: Path, picture: bytes) -> None:
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stderr.write(f"written    {path} ({path.stat().st_size // 1000} kB)\n")


if __name__ == "__main__":
    sys.exit(main())
