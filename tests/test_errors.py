"""Every error that a user of the page can meet is said in Chinese, too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import errors
from rag.chat import OutputLimitError
from rag.errors import InputError, RagError

ROOT = Path(__file__).parents[1] / "rag"
TREE = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RagError)}
TREE.add(OutputLimitError.__name__)
# What is said to whoever starts the program, and to programs.
ENGLISH_ONLY = ("cli.py", "page/accounts.py", "page/api.py", "page/server.py", "page/serving.py", "page/waiting.py")
MODULES = sorted(set(ROOT.rglob("*.py")) - {ROOT / name for name in ENGLISH_ONLY})


def made(path: Path) -> Iterator[ast.Call]:
    """Yield each place of a module that makes an error of the tree."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TREE:
            yield node


def texts(node: ast.expr) -> str:
    return "".join(
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_error_is_said_in_both_languages(path: Path) -> None:
    for call in made(path):
        where = f"{path.name}:{call.lineno}"
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            continue  # a pair of both
        assert len(call.args) == 2, f"{where} says nothing in Chinese"
        english, chinese = map(texts, call.args)
        if isinstance(call.args[1], ast.Constant | ast.JoinedStr | ast.BinOp):
            assert re.search("[\u3000-\u9fff\uff00-\uffef]", chinese), f"{where} is not Chinese: {chinese}"
        assert not re.search("[\u3000-\u9fff\uff00-\uffef]", english.partition("for instance")[0]), (
            f"{where} is no English"
        )


def test_the_walk_finds_the_errors_there_are() -> None:
    assert sum(1 for path in MODULES for _ in made(path)) > 80


def test_an_error_is_said_in_the_language_that_was_asked_for() -> None:
    error = InputError("No moon.", "没有月亮。")
    assert (str(error), error.said("en"), error.said("zh")) == ("No moon.", "No moon.", "没有月亮。")
    assert InputError("No moon.").said("zh") == "No moon."
