"""Find the browser the tests drive. `python -m tests.browser.find` says what will become of them."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REMEDY = (
    "No Chromium was found, or no Playwright to drive it. Install it (Debian: apt install chromium; "
    "elsewhere: playwright install chromium), or set CHROMIUM to its path."
)


def find_browser() -> str | None:
    """Return the path of $CHROMIUM, a Chromium of the system, or Playwright's own; None without any or Playwright."""
    if find_spec("playwright") is None:
        return None
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def is_required() -> bool:
    """Say whether the tests must fail, not be left out, where there is no browser."""
    return os.environ.get("REQUIRE_BROWSER", "0") not in ("", "0")


def main() -> int:
    """Say which browser was found; fail where one is required and there is none."""
    path = find_browser()
    told = f"Browser tests: {path}" if path else f"Browser tests are left out. {REMEDY}"
    sys.stderr.write(told + "\n")
    return int(path is None and is_required())


if __name__ == "__main__":
    sys.exit(main())
