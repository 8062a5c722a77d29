"""The command line: `rag ask`, `conversations`, `add`, `list`, `remove`, `passages`, `serve`, `eval`.

Only typer and rich are imported at the top, so that `rag --help` takes a blink. Titles and texts of
documents are not trusted: their control characters never reach the terminal, and rich reads no
markup in them. What goes into a pipe is never wrapped.
"""

import importlib
import importlib.util
import json
import locale
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from rag.errors import NotFoundError, QuestionError, RagError, StoreError
from rag.settings import BUNDLED_EMBEDDER, BUNDLED_READER, EXTRACTIVE, PACKAGE, STORE_FILE, Settings

if TYPE_CHECKING:
    from rag.answers import Answer
    from rag.conversation import Conversation, Turn
    from rag.documents import Document
    from rag.passages import Passage
    from rag.pipeline import Addition, Pipeline

REFUSED, BAD_USAGE = 1, 2  # exit codes; 1 is any failure, too
EVALUATION_NEEDS = ("jinja2", "pydantic", "scipy", "vl_convert")  # asked for before hours are spent
FEW_FILES = 20  # up to here `rag add` says a line for each
NEAREST = 3  # passages shown with a refusal
PASSAGE_SIZE = 120  # characters shown of each
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

cli = typer.Typer(
    name="rag",
    help="Ask questions about articles; every answer cites its exact words.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
talks = typer.Typer(help="List, show or delete kept conversations.", rich_markup_mode=None)
cli.add_typer(talks, name="conversations")
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="FOLDER", help="Store to use. Default: $RAG_STORE, else your own."),
]
EmbedderOption = Annotated[
    str,
    typer.Option(
        "--embedder", metavar="MODEL", help="Embedder of the store: ORG/NAME[@REVISION] of a hub, or a folder."
    ),
]
ReaderOption = Annotated[
    str,
    typer.Option("--reader", metavar="MODEL", help="Extractive reader: ORG/NAME[@REVISION] of a hub, or a folder."),
]
RerankerOption = Annotated[
    str | None,
    typer.Option("--reranker", metavar="MODEL", help="Cross-encoder that orders the hits anew. Default: none."),
]
GeneratorOption = Annotated[
    str,
    typer.Option(
        "--generator",
        metavar="MODEL",
        help="Who writes: extractive, ORG/NAME[@REVISION] of a hub, a folder, or openai:MODEL of a server.",
    ),
]
GeneratorUrlOption = Annotated[
    str | None,
    typer.Option(
        "--generator-url",
        metavar="URL",
        help="OpenAI-compatible server of the generator. Its key: $RAG_GENERATOR_KEY, else $OPENAI_API_KEY.",
    ),
]
GeneratorRevisionOption = Annotated[
    str | None, typer.Option("--generator-revision", metavar="REVISION", help="Revision of a generator of a hub.")
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask no hub: models from folders and the cache only.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
ConversationOption = Annotated[
    str | None,
    typer.Option("--conversation", metavar="ID", help="Ask as the next turn of a kept conversation; new starts one."),
]
ConversationArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a conversation.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a document, or its beginning. See `rag list`.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line on `argv` (without the program's name) and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters shows the rest as \uXXXX
    try:
        cli(args=None if argv is None else list(argv), prog_name="rag")
    except RagError as error:
        _complain(f"Error: {error}")
        return BAD_USAGE if isinstance(error, QuestionError) else 1
    except OSError as error:
        _complain(f"Error: {error}")  # the output cannot be written: a full disk, a closed pipe
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _version(wanted: bool) -> None:
    if wanted:
        from rag import __version__

        _say(f"rag {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


# -- Commands --------------------------------------------------------------------------------------


@cli.command()
def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question; - reads it from standard input.")],
    as_json: JsonOption = False,
    conversation: ConversationOption = None,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    reader: ReaderOption = BUNDLED_READER,
    reranker: RerankerOption = None,
    generator: GeneratorOption = EXTRACTIVE,
    generator_url: GeneratorUrlOption = None,
    generator_revision: GeneratorRevisionOption = None,
    offline: OfflineOption = False,
) -> None:
    """Answer a question with citations. Exit code 1 when the documents do not tell."""
    # Bytes of an argument that are not in the terminal's encoding arrive as lone surrogates.
    asked = _standard_input() if question == "-" else question.encode(errors="surrogateescape").decode(errors="replace")
    settings = Settings(
        embedder=embedder,
        reader=reader,
        reranker=reranker,
        generator=generator,
        generator_url=generator_url,
        generator_revision=generator_revision,
        offline=offline,
    )
    with _opened(store, settings, must_exist=True) as chat:
        if conversation == "new":
            conversation = chat.start_conversation().id
            _complain(f"conversation {conversation}")  # beside the answer, which may be JSON
        answer = chat.ask(asked) if conversation is None else chat.ask(asked, conversation=conversation)
        if as_json:
            _say_json(answer.to_json(indent=2))
        else:
            if answer.query != answer.question:
                _say(f"按此检索：{_line(answer.query)}", "dim")
            _show_answer(answer, chat)
    if answer.verdict == "refused":
        raise typer.Exit(REFUSED)


@talks.callback(invoke_without_command=True)
def list_conversations(
    context: typer.Context,
    as_json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """List the kept conversations: id, last change, number of turns and title. `show` and `delete` take an id."""
    if context.invoked_subcommand is not None:
        return
    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        kept = chat.conversations()
    if as_json:
        rows = [{name: getattr(one, name) for name in ("id", "title", "created", "changed", "length")} for one in kept]
        _say_json(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for one in kept:
        _say("\t".join((one.id, one.changed, str(one.length), _line(one.title))))


@talks.command("show")
def show_conversation(
    conversation_id: ConversationArgument,
    as_json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Show a conversation; citations whose document was changed or removed since are marked."""
    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        kept = chat.conversation(conversation_id)
        if as_json:
            _say_json(json.dumps(_conversation(kept), ensure_ascii=False, indent=2))
            return
        _say(f"{kept.id}  {_line(kept.title)}", "bold")
        for turn in kept.turns:
            _show_turn(turn, chat)


@talks.command("delete")
def delete_conversation(
    conversation_id: ConversationArgument,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Delete a conversation with its turns."""
    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        chat.delete_conversation(conversation_id)
    _say(f"deleted    {conversation_id}")


@cli.command()
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files: .txt, .md, .html.", readable=False)],
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Add files. Changed ones are replaced; a bad one does not stop the others. Exit code 1 if any failed."""
    counts: Counter[str] = Counter()
    lines: list[str] = []
    try:
        with _opened(store, Settings(embedder=embedder, offline=offline)) as chat, _progress(len(paths)) as advance:
            for addition in chat.add_all(paths):
                advance()
                counts[addition.outcome] += 1
                if addition.outcome == "failed":
                    _complain(f"failed     {addition.error}")
                elif len(paths) <= FEW_FILES:
                    lines.append(_addition_line(addition))
    finally:  # also when the disk was full: say what is in the store
        for line in lines:
            _say(line)
        if len(paths) > FEW_FILES:
            _say(", ".join(f"{counts[kind]} {kind}" for kind in ("added", "replaced", "unchanged", "failed")))
    if counts["failed"]:
        raise typer.Exit(1)


@cli.command("list")
def list_documents(
    as_json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """List the documents: id, number of paragraphs, title and file."""
    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        documents = (chat.store.document(document_id) for document_id in chat.store.document_ids())
        if as_json:
            _say_json(json.dumps([_summary(document) for document in documents], ensure_ascii=False, indent=2))
            return
        for document in documents:
            row = (document.id, str(len(document.paragraphs)), _line(document.title), _line(document.source))
            _say("\t".join(row))


@cli.command()
def remove(
    document_id: IdArgument,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Remove a document from the store; its file stays."""
    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        document = chat.remove(document_id)
    _say(f"removed    {document.id}  {_line(document.title)}")


@cli.command()
def passages(
    document_id: IdArgument,
    as_json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Show how a document was mended into paragraphs and articles, and cut into passages."""
    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        document = chat.document(document_id)
        found = chat.passages(document.id)
    if as_json:
        _say_json(json.dumps(_layout(document, found), ensure_ascii=False, indent=2))
    else:
        _show_layout(document, found)


@cli.command()
def thresholds() -> None:
    """Show what each threshold of the confidence means: how much is answered, and how much of that is wrong.

    The shares are of development questions of public reading sets, a third of them without an answer.
    """
    from rag.reader import load_weights

    weights = load_weights()
    _say("threshold  answers of what can be answered  wrong of all answers", "bold")
    for point in weights.curve:
        mark = "  <- in use" if point.threshold == weights.threshold else ""
        _say(f"{point.threshold:9.4f}  {point.answered:31.1%}  {point.wrong:20.1%}{mark}")


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    reader: ReaderOption = BUNDLED_READER,
    reranker: RerankerOption = None,
    generator: GeneratorOption = EXTRACTIVE,
    generator_url: GeneratorUrlOption = None,
    generator_revision: GeneratorRevisionOption = None,
    offline: OfflineOption = False,
) -> None:
    """Open the chat page."""
    settings = Settings(
        embedder=embedder,
        reader=reader,
        reranker=reranker,
        generator=generator,
        generator_url=generator_url,
        generator_revision=generator_revision,
        offline=offline,
    )
    with _opened(store, settings) as chat:
        _page().serve(chat, host, port, announce=lambda url: _say(f"Open {url} in a browser. Ctrl+C ends."))


@cli.command(
    "eval",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def evaluate(context: typer.Context) -> None:
    """Measure answers and citations; arguments go to the harness (rag eval --help)."""
    absent = [name for name in EVALUATION_NEEDS if importlib.util.find_spec(name) is None]
    if absent:
        raise NotFoundError(f"The evaluation needs {', '.join(absent)}. Install it: pip install 'cited-answers[eval]'")
    if str(PACKAGE.parent) not in sys.path:
        sys.path.append(str(PACKAGE.parent))
    try:
        harness = importlib.import_module("eval.cli")
    except ModuleNotFoundError as error:
        if error.name not in ("eval", "eval.cli"):
            raise
        raise NotFoundError("The evaluation is not installed. It comes with the repository: run it there.") from None
    raise typer.Exit(harness.main(context.args))


# -- Parts of commands -----------------------------------------------------------------------------


@contextmanager
def _opened(store: str | None, settings: Settings, must_exist: bool = False) -> "Iterator[Pipeline]":
    """Open the store a command names; `must_exist` refuses to make a new one of one's own."""
    # os.path, since `Path.is_file` raises where a folder above may not be entered.
    if must_exist and store and not os.path.isfile(Path(store).expanduser() / STORE_FILE):  # noqa: PTH113
        raise StoreError(f"There is no store in {store}. `rag add --store {store} FILE` makes one.")
    from rag.pipeline import open as open_store

    chat = open_store(store, settings)
    try:
        yield chat
    finally:
        chat.close()


def _page() -> ModuleType:
    """Return the chat page, app.py beside this package, whatever `app` may mean elsewhere."""
    path = PACKAGE.parent / "app.py"
    spec = importlib.util.spec_from_file_location("rag_app", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise NotFoundError(f"The chat page is not installed: there is no {path}. Install the package again.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise NotFoundError("The chat page needs Gradio. Install it: pip install gradio") from None
    return module


def _standard_input() -> str:
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(locale.getpreferredencoding(False), errors="replace")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal's standard error; yields what moves it one step on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("adding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal or total < 2) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _addition_line(addition: "Addition") -> str:
    document = addition.document
    assert document is not None  # only failures have none
    cut = f" ({len(document.paragraphs)} paragraphs, {addition.passages} passages)" if addition.passages else ""
    return f"{addition.outcome:<9}  {document.id}  {_line(document.title)}{cut}"


def _summary(document: "Document") -> dict[str, Any]:
    names = ("id", "title", "source", "digest", "encoding")
    counts = {"characters": len(document.text), "paragraphs": len(document.paragraphs)}
    return {name: getattr(document, name) for name in names} | counts | {"articles": len(document.articles)}


def _layout(document: "Document", found: "Sequence[Passage]") -> dict[str, Any]:
    def spans(items: Iterable[Any], *names: str) -> list[dict[str, Any]]:
        return [
            {name: getattr(item, name) for name in (*names, "start", "end")}
            | {"line": document.place_in_file(item.start)[0], "text": document.text[item.start : item.end]}
            for item in items
        ]

    articles = [
        {name: getattr(article, name) for name in ("title", "date", "continued", "start", "end")}
        for article in document.articles
    ]
    return {
        "document": _summary(document),
        "articles": articles,
        "paragraphs": spans(document.paragraphs, "number", "kind"),
        "passages": spans(found, "id"),
    }


# -- Output ----------------------------------------------------------------------------------------


def _show_answer(answer: "Answer", chat: "Pipeline") -> None:
    for text, markers in answer.said():
        _say(" ".join([text, *(f"[{marker}]" for marker in markers)]), "bold" if markers else "yellow")
    for contradiction in answer.contradictions:
        both = zip(contradiction.markers, contradiction.values, strict=True)
        _say("说法不一：" + "；".join(f"{value} [{marker}]" for marker, value in both), "yellow")
    if answer.notice:
        _say(answer.notice, "dim")
    for citation in answer.citations:
        place, document = citation.place, citation.document
        _say(f"\n[{citation.marker}] “{citation.quote}”")
        headline = [place.article] if place.article not in ("", document.title) else []
        where = [document.title, *headline, str(place), f"{Path(document.source).name} 第{place.line}行"]
        _say("    " + "，".join(map(_line, where)), "dim")
    if answer.verdict == "refused":
        _show_nearest(answer, chat)


def _show_turn(turn: "Turn", chat: "Pipeline") -> None:
    _say(f"\n{turn.number}. {_line(turn.answer.question)}", "bold")
    if turn.answer.query != turn.answer.question:
        _say(f"按此检索：{_line(turn.answer.query)}", "dim")
    _show_answer(turn.answer, chat)
    for marker in turn.changed:
        what = "出处已删除" if turn.states[marker] == "removed" else "出处已改动"
        _say(f"[{marker}] {what}", "yellow")


def _conversation(kept: "Conversation") -> dict[str, Any]:
    turns = [
        {"number": turn.number, "states": {str(marker): state for marker, state in turn.states.items()}}
        | {"answer": turn.answer.to_dict()}
        for turn in kept.turns
    ]
    names = ("id", "title", "created", "changed", "length")
    return {name: getattr(kept, name) for name in names} | {"turns": turns}


def _show_nearest(answer: "Answer", chat: "Pipeline") -> None:
    missing = [word for word in answer.missing if word not in answer.text]  # the notice may name them
    if missing:
        _say("\n未找到的词：" + "、".join(map(_line, missing)))
    if answer.hits:
        _say("\n最接近的段落：")
    for hit in answer.hits[:NEAREST]:
        document = chat.store.document(hit.passage.document_id)
        title = document.article_at(hit.passage.start).title or document.title
        number = document.paragraph_at(hit.passage.start).number
        text = _line(hit.passage.text)
        _say(f"- {text if len(text) <= PASSAGE_SIZE else text[: PASSAGE_SIZE - 1] + '…'}")
        _say(f"    {_line(title)}，第{number}段", "dim")


def _show_layout(document: "Document", found: "Sequence[Passage]") -> None:
    _say(f"{document.id}  {_line(document.title)}", "bold")
    _say(f"{_line(document.source)} ({document.encoding}, {len(document.text)} characters)")
    _say(f"\nArticles: {len(document.articles)}", "bold")
    for article in document.articles:
        extra = "".join(f"，{_line(value)}" for value in (article.date, article.continued) if value)
        _say(f"[{article.start}:{article.end}] {_line(article.title)}{extra}")
    _say(f"\nParagraphs: {len(document.paragraphs)}", "bold")
    for paragraph in document.paragraphs:
        line = document.place_in_file(paragraph.start)[0]
        _say(f"{paragraph.number}  {paragraph.kind}  [{paragraph.start}:{paragraph.end}]  line {line}", "dim")
        _say(document.text[paragraph.start : paragraph.end])
    _say(f"\nPassages: {len(found)}", "bold")
    for passage in found:
        line = document.place_in_file(passage.start)[0]
        _say(f"{passage.id}  [{passage.start}:{passage.end}]  line {line}", "dim")
        _say(passage.text)


def _say(text: str, style: str = "") -> None:
    """Write text to standard output: styled on a terminal, unchanged into a pipe, never wrapped by us."""
    text = _harmless(text)
    if sys.stdout.isatty():
        Console(highlight=False).print(Text(text, style), soft_wrap=True)
    else:
        sys.stdout.write(text + "\n")


def _say_json(text: str) -> None:
    """Write JSON as it is, or, where the output cannot hold its characters, the same JSON in ASCII."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    sys.stdout.write(text + "\n")


def _complain(text: str) -> None:
    sys.stderr.write(_harmless(text) + "\n")


def _harmless(text: str) -> str:
    """Leave out what a terminal would obey: control characters and marks that turn the writing around."""
    return "".join(c for c in text if c in "\n\t" or (unicodedata.category(c) != "Cc" and c not in _DIRECTION))


def _line(text: str) -> str:
    """Put a text on one line."""
    return " ".join(text.split())
