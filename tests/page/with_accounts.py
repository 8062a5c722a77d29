"""Serve the article to an account, for programs that sign in. Run as a program, with a folder and `--port`."""

import argparse
from pathlib import Path

from rag.page.accounts import account_line, keep_account
from rag.page.server import serve
from rag.page.serving import Serving
from rag.pipeline import Pipeline
from rag.settings import ARTICLE, Settings

CREDENTIALS = "王梅:correct horse"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    accounts = chosen.folder / "accounts"
    keep_account(accounts, account_line(*CREDENTIALS.split(":")))
    chat = Pipeline(chosen.folder / "store", Settings())
    chat.add(ARTICLE)
    serve(chat, Serving(port=chosen.port, auth_file=accounts))


if __name__ == "__main__":
    main()
