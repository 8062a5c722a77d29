"""The chat page: `python app.py` or `rag serve`. Both take the same options; the page itself is in rag/page."""

import sys


def main() -> int:
    """Serve the page; takes the options of `rag serve`."""
    from rag.cli import main as run

    return run(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
