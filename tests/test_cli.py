"""The command line over a pipeline made by hand: what it prints, and how it ends."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rag.answers import Answer
from rag.cli import main
from rag.documents import document_from_text
from rag.settings import STORE_FILE
from tests.handmade import HOSTILE, MOON, HandmadePipeline, answer_quoting

TIDES = answer_quoting(MOON, ["潮汐由月球的引力造成", "每天两次"], "潮汐是怎么来的")
EVIL = answer_quoting(HOSTILE, ["甲说：</p><script>window.hacked = 1</script>"], "甲说什么")


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> HandmadePipeline:
    chat = HandmadePipeline([TIDES, EVIL])
    monkeypatch.setattr("rag.pipeline.open", lambda *_: chat)
    return chat


class Output(io.TextIOWrapper):
    """A standard output of some encoding, on a terminal or not."""

    def __init__(self, encoding: str = "utf-8", terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def said(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from rag.cli import main; main(['--help']); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"numpy", "faiss", "tantivy", "torch", "gradio", "tokenizers", "opencc", "sqlite3", "rag.pipeline"}
    assert heavy.isdisjoint(ended.stdout.split())
    for command in ("ask", "add", "list", "remove", "passages", "serve", "eval"):
        assert f"  {command} " in ended.stdout


def test_ask_prints_the_answer_and_each_citation(chat: HandmadePipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "潮汐是怎么来的"]) == 0
    assert capsys.readouterr().out == (
        "潮汐由月球的引力造成 [1]\n每天两次 [2]\n"
        "\n[1] “潮汐由月球的引力造成”\n    月球与潮汐，第3段，moon.txt 第5行\n"
        "\n[2] “每天两次”\n    月球与潮汐，第3段，moon.txt 第5行\n"
    )
    assert chat.closed


def test_an_id_that_is_not_there_says_how_ids_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    article = tmp_path / "a.txt"
    article.write_text("潮汐由月亮引起。", encoding="utf-8")
    store = ["--store", str(tmp_path / "store")]
    assert main(["add", str(article), *store]) == 0
    for command, hint in (
        (["remove", "nothing"], "`rag list` shows the ids."),
        (["conversations", "show", "nothing"], "`rag conversations` shows the ids."),
    ):
        assert main([*command, *store]) == 1
        said = capsys.readouterr().err
        assert hint in said
        assert str(tmp_path) not in said


def test_a_damaged_store_is_told_with_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / STORE_FILE).write_bytes(b"no database" * 1000)
    assert main(["list", "--store", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert f"The store is in {tmp_path}." in " ".join(said.split())


@pytest.mark.usefixtures("chat")
def test_refusal_ends_with_1_and_shows_what_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "火星多大"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("文章没有说。\n")
    assert "未找到的词：火星" in out
    assert "- 月球绕地球一周约需二十七天。\n    月球与潮汐，第2段" in out


@pytest.mark.usefixtures("chat")
def test_json_is_the_answer_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--json", "潮汐是怎么来的"]) == 0
    out = capsys.readouterr().out
    assert out == TIDES.to_json(indent=2) + "\n"
    assert Answer.from_json(out) == TIDES


@pytest.mark.usefixtures("chat")
def test_an_ascii_terminal_gets_escapes_and_the_same_json(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, as_json = Output("ascii"), Output("ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    assert main(["ask", "潮汐是怎么来的"]) == 0
    monkeypatch.setattr(sys, "stdout", as_json)
    assert main(["ask", "潮汐是怎么来的", "--json"]) == 0
    assert plain.said().startswith("\\u6f6e\\u6c50")
    assert Answer.from_json(as_json.said()) == TIDES


@pytest.mark.usefixtures("chat")
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_document_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    output = Output(terminal=terminal)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    bad = answer_quoting(MOON, ["每天两次"], "\x1b]0;owned\x07[red]\u202e\x9b31m\r")
    monkeypatch.setattr("rag.pipeline.open", lambda *_: HandmadePipeline([EVIL, bad]))
    assert main(["ask", "甲说什么"]) == 0
    assert main(["passages", HOSTILE.id]) == 0
    assert main(["ask", "\x1b]0;owned\x07[red]\u202e"]) == 1
    said = output.said()
    assert not set("\x1b\x07\x9b\u202e\r") & set(said)
    assert "`${7*7}` {{7*7}} [bold]" in said
    assert "“甲说：</p><script>window.hacked = 1</script>”" in said


@pytest.mark.usefixtures("chat")
def test_question_comes_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeff潮汐是怎么来的".encode())))
    assert main(["ask", "-"]) == 0
    assert "[2]" in capsys.readouterr().out


@pytest.mark.usefixtures("chat")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["ask", " "], 2, "The question is empty."),
        (["ask"], 2, "QUESTION"),
        (["ask", "--no-such"], 2, "--no-such"),
        (["serve", "--port", "0"], 2, "--port"),
        (["remove", "nobody"], 1, "nobody"),
        (["list", "--store", "/no/such/folder"], 1, "There is no store in /no/such/folder."),
    ],
)
def test_errors_are_one_message_and_an_exit_code(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    output = capsys.readouterr()
    assert told in output.err
    assert "Traceback" not in output.err
    assert output.out == ""


@pytest.mark.usefixtures("chat")
def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = tmp_path / "good.txt"
    good.write_text("太阳\n\n太阳是一颗恒星，离地球约一亿五千万公里。\n", encoding="utf-8")
    missing = tmp_path / "missing.txt"
    (tmp_path / "empty").mkdir()
    assert main(["add", str(missing), str(tmp_path / "empty"), "http://", str(good)]) == 1
    output = capsys.readouterr()
    assert output.out.startswith("added ")
    assert output.out.count("\n") == 1
    assert [line.split()[0] for line in output.err.splitlines()] == ["failed"] * 3
    assert str(missing) in output.err


@pytest.mark.usefixtures("chat")
def test_a_folder_gives_all_its_files_but_hidden_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.txt", "a.md", "deep/c.txt", ".hidden/d.txt", ".e.txt", "~$f.docx", "g.exe"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"文件{name[0]}\n\n这里讲的是太阳。\n", encoding="utf-8")
    assert main(["add", str(tmp_path)]) == 0
    said = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    assert said == ["文件a", "文件b", "文件d"]


def test_a_web_address_is_fetched(
    chat: HandmadePipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = document_from_text("网页\n\n这里讲的是太阳。", source="https://example.org/a")
    monkeypatch.setattr("rag.fetching.fetch", lambda address, allow_private: page if address.endswith("/a") else None)
    assert main(["add", "https://example.org/a"]) == 0
    assert chat.store.known[page.id] is page
    assert capsys.readouterr().out == f"added      {page.id}  网页 (2 paragraphs, 1 passages)\n"


@pytest.mark.usefixtures("chat")
def test_many_files_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(25)]
    for path in paths:
        path.write_text(f"标题{path.stem}\n\n这是第{path.stem}篇文章，讲太阳。\n", encoding="utf-8")
    assert main(["add", *map(str, paths), str(paths[0])]) == 0
    assert capsys.readouterr().out == "25 added, 0 replaced, 1 unchanged, 0 failed\n"


@pytest.mark.usefixtures("chat")
def test_list_gives_a_line_or_a_record_for_each_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{MOON.id}\t3\t月球与潮汐\t/texts/moon.txt"
    assert main(["list", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["id"] for record in records] == [MOON.id, HOSTILE.id]
    assert records[0]["paragraphs"] == 3


@pytest.mark.usefixtures("chat")
def test_passages_shows_paragraphs_articles_and_spans(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["passages", MOON.id]) == 0
    out = capsys.readouterr().out
    assert "1  headline  [0:5]  line 1\n月球与潮汐\n" in out
    assert main(["passages", MOON.id, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    for part in (*record["paragraphs"], *record["passages"]):
        assert MOON.text[part["start"] : part["end"]] == part["text"]
    assert [part["line"] for part in record["paragraphs"]] == [1, 3, 5]


def test_remove_takes_the_document_out(chat: HandmadePipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", MOON.id]) == 0
    assert capsys.readouterr().out == f"removed    {MOON.id}  月球与潮汐\n"
    assert chat.store.document_ids() == [HOSTILE.id]


def test_eval_passes_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = ModuleType("eval.cli")
    seen: list[list[str]] = []

    def run(argv: list[str]) -> int:
        seen.append(argv)
        return 1

    harness.main = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "eval.cli", harness)
    assert main(["eval", "--store", "x", "--help", "set"]) == 1
    assert seen == [["--store", "x", "--help", "set"]]


def test_eval_says_where_it_comes_from_when_it_is_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> ModuleType:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("importlib.import_module", absent)
    assert main(["eval"]) == 1
    assert "comes with the repository" in capsys.readouterr().err


def test_eval_says_what_to_install_before_it_asks_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rag.cli.EVALUATION_NEEDS", ("json", "no_such_library"))
    assert main(["eval"]) == 1
    assert "needs no_such_library. Install it: pip install 'cited-answers[eval]'" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from rag import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rag {__version__}\n"


def test_thresholds_says_what_each_one_means_and_marks_the_one_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["thresholds"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert "wrong of all answers" in heading
    assert sum("in use" in row for row in rows) == 1
    answered = [float(row.split()[1].rstrip("%")) for row in rows]
    assert answered == sorted(answered, reverse=True)
    assert answered[0] == 100.0
