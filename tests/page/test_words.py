"""Words: both languages say everything, and everything that is said is asked for somewhere."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import nodes

from rag.page import talk, words
from rag.page.render import THEMES, environment
from rag.page.words import LANGUAGES, WORDS, say

PAGE = Path(words.__file__).parent
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in sorted((PAGE / "templates").glob("*.html"))}
PROGRAMS = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.py"))}
# Names of formats, units and standards are the same in both languages.
SAME = ("UTC", "JavaScript", "MB", "Markdown", "HTML", "JSON", "GB", "T")
HAN = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")


def placeholders(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


# -- What is asked for: keys, with a * for what is only known when a page is made ---------------------


def calls_of_templates():
    """Yield the template, the keys and the names of the values of each `t("…")`."""
    for name, text in TEMPLATES.items():
        tree = environment().parse(text)
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                yield name, list(_keys(call.args[0], tree)), {one.key for one in call.kwargs}


def _keys(node: nodes.Expr | None, tree: nodes.Template) -> Iterator[str]:
    if isinstance(node, nodes.Const):
        yield node.value
    elif isinstance(node, nodes.Concat):
        yield "".join(one.value if isinstance(one, nodes.Const) else "*" for one in node.nodes)
    elif isinstance(node, nodes.CondExpr):
        yield from chain(_keys(node.expr1, tree), _keys(node.expr2, tree))
    elif isinstance(node, nodes.Name):
        yield from _of_loops(node.name, tree)
    else:
        raise AssertionError(f"a test cannot tell which key that is: {node}")


def _of_loops(name: str, tree: nodes.Template) -> Iterator[str]:
    """Yield what a variable stands for in the loops over lists that are written out."""
    for loop in tree.find_all(nodes.For):
        if isinstance(loop.target, nodes.Tuple) and isinstance(loop.iter, nodes.Tuple):
            names = [one.name if isinstance(one, nodes.Name) else "" for one in loop.target.items]
            rows = [row.items for row in loop.iter.items if isinstance(row, nodes.Tuple) and name in names]
            held = [items[names.index(name)] for items in rows]
            yield from (one.value for one in held if isinstance(one, nodes.Const))


def calls_of_programs():
    """Yield the module and the keys of each `say(language, "…")`."""
    for name, text in PROGRAMS.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                yield name, list(_said(node.args[1]))


def _said(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(one.value) if isinstance(one, ast.Constant) else "*" for one in node.values)
    elif isinstance(node, ast.IfExp):
        yield from chain(_said(node.body), _said(node.orelse))
    else:
        raise AssertionError(f"a test cannot tell which key that is: {ast.dump(node)}")


IN_TEMPLATES = list(calls_of_templates())
ASKED = sorted(
    {(key, where) for where, keys, _ in IN_TEMPLATES for key in keys}
    | {(key, where) for where, keys in calls_of_programs() for key in keys}
)


def test_keys_are_found_in_templates_and_programs() -> None:
    assert ("as mended", "reader.html") in ASKED  # of a loop
    assert ("source *", "turn.html") in ASKED  # put together
    assert ("welcome documents", "welcome.html") in ASKED  # one of two
    assert ("model *", "talk.py") in ASKED
    assert ("program failed", "asking.py") in ASKED


@pytest.mark.parametrize(("key", "where"), ASKED, ids=[f"{where}: {key}" for key, where in ASKED])
def test_what_a_page_asks_for_is_there(key: str, where: str) -> None:
    assert [known for known in WORDS if fnmatchcase(known, key)], f"{where} asks for {key!r}"


def test_every_word_is_asked_for_somewhere() -> None:
    assert [known for known in WORDS if not any(fnmatchcase(known, key) for key, _ in ASKED)] == []


@pytest.mark.parametrize(
    ("key", "ends"),
    [
        ("theme *", THEMES),
        ("source *", ("changed", "moved", "removed")),
        ("outcome *", ("added", "replaced", "unchanged", "failed")),
        ("arm *", ("dense", "lexical", "reranker")),
        ("model *", talk.MODELS),
        ("part * explained", ("generator", "embedder", "reranker")),
    ],
)
def test_keys_that_are_put_together_are_all_there(key: str, ends: tuple[str, ...]) -> None:
    assert {key.replace("*", end) for end in ends} <= set(WORDS)


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_fill_in_the_same(key: str) -> None:
    chinese, english = WORDS[key]
    assert chinese.strip()
    assert english.strip()
    assert placeholders(chinese) == placeholders(english)


@pytest.mark.parametrize("key", WORDS)
def test_each_language_speaks_only_itself(key: str) -> None:
    chinese, english = WORDS[key]
    assert not HAN.search(english)
    bare = re.sub(r"{\w+}", "", chinese)
    assert [word for word in re.findall("[A-Za-z]+", bare) if word not in SAME] == []
    assert not re.search(r"[,;!?]|\.(?!\w)", bare), "marks of another script"


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_hold_no_words_of_their_own(name: str) -> None:
    bare = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", TEMPLATES[name], flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", " ", bare)
    assert not HAN.search(bare), "Chinese"
    assert [word for word in re.findall("[A-Za-z]+", shown) if word not in SAME] == []
    # What is not a key but shown stands in a branch for one language.
    for words_ in re.findall(r'"([^"]*)"', TEMPLATES[name]):
        if HAN.search(words_):
            assert f'"{words_}" if language == "zh" else' in TEMPLATES[name]


@pytest.mark.parametrize(
    ("where", "key", "given"), [(where, key, given) for where, keys, given in IN_TEMPLATES for key in keys]
)
def test_templates_fill_in_what_a_word_leaves_open(where: str, key: str, given: set[str]) -> None:
    for known in WORDS:
        if fnmatchcase(known, key):
            assert given == placeholders(WORDS[known][0]), f"{where} asks for {key!r}"


def test_it_says_things_in_the_language_asked_for() -> None:
    assert say("zh", "paragraph", number=3) == "第3段"
    assert say("en", "paragraph", number=3) == "paragraph 3"


def test_what_is_filled_in_is_not_read_again() -> None:
    assert say("en", "remove it", title="{title} {0}") == "Remove “{title} {0}”"


def test_a_word_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("en", "no such word")


def test_languages_are_named_in_themselves() -> None:
    assert dict(LANGUAGES) == {"zh": "中文", "en": "English"}
