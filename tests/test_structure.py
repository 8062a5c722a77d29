"""The promises of the layout: what imports what, and how long it takes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rag

ROOT = Path(__file__).parents[1]
ORDER = """
    errors settings hub spans folding boundaries decoding lines layout extracts archives markup word epub
    csv_text pdf mending articles front_matter documents fetching passages lexicon quantities enumeration
    question mentions recall translation embedder index lexical closeness fusion database store reranker
    span_model encoding bundled_reader reader_model retriever kinds small_talk parts comparison matching
    evidence pieces citations instructions absence answers explanation composition alignment polarity support
    crosslingual verification summary contradictions feedback antecedents followups_english followups
    conversation export reader chat drafts claims prompts local_chat server_chat generator pipeline cli __main__
""".split()
PAGE_ORDER = """
    words marking reading render waiting service accounts serving refusals guard requests choices trial change talk
    asking history rooms library preferences api completions server
""".split()
EVAL_ORDER = """
    normalisation measures measures.retrieval measures.answers measures.citations measures.refusal datasets
    statistics planted systems corpus scoring judge runner summary gate cases fresh cost public tables charts
    printing facts report cli simulate build_texts fresh_news __main__
""".split()
HEAVY = (
    "torch", "transformers", "sentence_transformers", "faiss", "tantivy", "gradio", "numpy", "opencc", "pypinyin",
    "openai",
)  # fmt: skip


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split(".")[0] in ("rag", "app", "eval", "training")
        ):
            if node.module in ("rag", "rag.page", "eval", "eval.measures"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("path", sorted((ROOT / "rag").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_only_from_modules_before_it(path):
    if path.stem == "__init__":
        return
    assert path.stem in ORDER, f"say in ORDER where {path.name} stands"
    before = ORDER[: ORDER.index(path.stem)]
    for module in imported(path):
        package, _, name = module.partition(".")
        if path.stem == "cli" and (package in ("app", "eval") or name.startswith("page.")):
            continue  # the command line starts them, and imports them only then
        assert package == "rag"
        assert name in before or name == "__version__", f"{path.name} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "rag/page").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_of_the_page_imports_only_from_modules_before_it(path):
    if path.stem == "__init__":
        assert list(imported(path)) == []
        return
    assert path.stem in PAGE_ORDER, f"say in PAGE_ORDER where {path.name} stands"
    before = PAGE_ORDER[: PAGE_ORDER.index(path.stem)]
    for module in imported(path):
        package, _, name = module.partition(".")
        assert package == "rag"
        if name.startswith("page."):
            assert name.removeprefix("page.") in before, f"{path.name} imports {module}"
        else:
            assert name != "cli", f"{path.name} imports {module}"


def test_only_the_server_and_what_programs_ask_need_gradio():
    needing = set()
    for path in (ROOT / "rag").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "gradio" for name in names):
                needing.add(path.relative_to(ROOT / "rag").as_posix())
    assert needing == {"page/api.py", "page/server.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "rag").glob("*.py")), ids=lambda path: path.stem)
def test_only_the_command_line_knows_the_page(path):
    known = [module for module in imported(path) if module.startswith("rag.page")]
    assert path.stem == "cli" or known == []


@pytest.mark.parametrize("path", sorted((ROOT / "eval").rglob("*.py")), ids=lambda path: path.stem)
def test_a_module_of_the_evaluation_imports_only_from_modules_before_it(path):
    name = ".".join(path.relative_to(ROOT / "eval").with_suffix("").parts).removesuffix(".__init__")
    if name == "__init__":
        return
    assert name in EVAL_ORDER, f"say in EVAL_ORDER where {path.name} stands"
    before = EVAL_ORDER[: EVAL_ORDER.index(name)]
    for module in imported(path):
        package, _, inside = module.partition(".")
        assert package != "training"
        assert package != "eval" or not inside or inside in before, f"{path.name} imports {module}"


def test_every_public_name_is_there():
    for name in rag.__all__:
        assert getattr(rag, name) is not None
    assert set(rag.__all__) <= set(dir(rag))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rag.nothing


def test_importing_the_package_loads_nothing_heavy():
    program = f"import sys, rag; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_answering_from_the_bundled_model_needs_no_torch():
    program = (
        "import sys, rag; chat = rag.open(); assert chat.ask('柳州的四大定位是什么').verdict == 'answered';"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers', 'gradio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
