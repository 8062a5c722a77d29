"""The command line: `rag ask`, `conversations`, `add`, `list`, `remove`, `reindex`, `passages`, `serve` and others.

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
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text

from rag.errors import InputError, Language, NotFoundError, QuestionError, RagError, StoreError
from rag.settings import BUNDLED_EMBEDDER, BUNDLED_READER, EXTRACTIVE, PACKAGE, STORE_FILE, Settings

if TYPE_CHECKING:
    from rag.answers import Answer
    from rag.conversation import Conversation, Turn
    from rag.documents import Document
    from rag.passages import Passage
    from rag.pipeline import Addition, Pipeline
    from rag.settings import Plain

REFUSED, BAD_USAGE = 1, 2  # exit codes; 1 is any failure, too
EVALUATION_NEEDS = ("jinja2", "pydantic", "scipy", "vl_convert")  # asked for before hours are spent
IDS_SHOWN = {"document": " `rag list` shows the ids.", "conversation": " `rag conversations` shows the ids."}
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
talks = typer.Typer(help="List, show, export or delete kept conversations.", rich_markup_mode=None)
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
ExportKind = Literal["markdown", "html", "json", "bibliography"]
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
        hint = IDS_SHOWN.get(error.of, "") if isinstance(error, NotFoundError) else ""
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", ()))  # where the store is, what to type
        _complain(f"Error: {error}{hint}{notes}")
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
    """List the kept conversations: id, last change, number of turns, title. The commands take an id."""
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


@talks.command("export")
def export_conversation(
    conversation_id: ConversationArgument,
    kind: Annotated[ExportKind, typer.Option("--format", help="What is written.")] = "markdown",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to; a folder takes the title for a name. Default: here."),
    ] = None,
    language: Annotated[Language, typer.Option("--language", help="Of headlines and places.")] = "zh",
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Write a conversation as Markdown, HTML, W3C Web Annotations (json) or references by GB/T 7714 (bibliography)."""
    from rag import export

    with _opened(store, Settings(embedder=embedder, offline=offline), must_exist=True) as chat:
        kept = chat.conversation(conversation_id)
    text = export.WRITERS[kind](kept, language)
    if output is None:
        _say_json(text.removesuffix("\n")) if kind == "json" else _say(text.removesuffix("\n"))
        return
    if output.is_dir():
        output /= export.file_name(kept, export.SUFFIXES[kind], language)
    try:
        with output.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{output} exists already. It is left as it is; name another --output.") from None
    _complain(f"written    {output}")


@cli.command()
def add(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files (.txt, .md, .html, .docx, .pdf, .epub, .csv), folders with all in them, or web addresses.",
        ),
    ],
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Add files, folders and web pages. Changed ones are replaced; a bad one does not stop the others.

    Exit code 1 if any failed.
    """
    counts: Counter[str] = Counter()
    lines: list[str] = []

    def fail(why: str) -> None:
        counts["failed"] += 1
        _complain(f"failed     {why}")

    wanted = list(_wanted(paths, fail))
    try:
        with _opened(store, Settings(embedder=embedder, offline=offline)) as chat, _progress("adding") as show:
            for done, addition in enumerate(chat.add_all(_read(wanted, fail)), 1):
                show(done, len(wanted))
                if addition.outcome == "failed":
                    fail(addition.error)
                    continue
                counts[addition.outcome] += 1
                if len(wanted) <= FEW_FILES:
                    lines.append(_addition_line(addition))
    finally:  # also when the disk was full: say what is in the store
        for line in lines:
            _say(line)
        if len(wanted) > FEW_FILES:
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


@cli.command("reindex")
def index_anew(
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    offline: OfflineOption = False,
) -> None:
    """Cut and embed all documents anew, for another embedder. Until the end, the store stays as it was."""
    from rag.pipeline import reindex

    with _progress("indexing") as show:
        chat = reindex(store, Settings(embedder=embedder, offline=offline), show)
    try:
        listed = chat.listed()
    finally:
        chat.close()
    counts = f"documents: {len(listed)}, passages: {sum(one.passages for one in listed)}"
    _say(f"indexed    {counts}, embedder: {_line(chat.embedder.name)}")


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
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; another than this machine's needs accounts.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    auth_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Accounts, a line NAME:HASH each; `rag password` writes them."),
    ] = None,
    admin: Annotated[
        list[str], typer.Option(metavar="NAME", help="User who may change settings; may be given several times.")
    ] = [],  # noqa: B006 # typer copies it
    read_only: Annotated[bool, typer.Option("--read-only", help="Nobody changes documents or settings.")] = False,
    allowed_host: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="Name that the server is reached by; may be given several times."),
    ] = [],  # noqa: B006
    rate: Annotated[
        int | None,
        typer.Option(metavar="N", help="Questions a minute and client. 0: any number. Default: 120; alone 1200."),
    ] = None,
    public_without_password: Annotated[
        bool,
        typer.Option("--public-without-password", help="Serve any address without accounts: all may read and ask."),
    ] = False,
    store: StoreOption = None,
    embedder: EmbedderOption = BUNDLED_EMBEDDER,
    reader: ReaderOption = BUNDLED_READER,
    reranker: RerankerOption = None,
    generator: GeneratorOption = EXTRACTIVE,
    generator_url: GeneratorUrlOption = None,
    generator_revision: GeneratorRevisionOption = None,
    offline: OfflineOption = False,
) -> None:
    """Open the page. What was chosen on its page of settings stands where no option says otherwise."""
    from rag.page.accounts import Accounts
    from rag.page.serving import Serving

    # Before anything heavy is loaded, so that what is not safe is refused at once.
    serving = Serving(
        host=host,
        port=port,
        auth_file=auth_file,
        admins=tuple(admin),
        read_only=read_only,
        allowed_hosts=tuple(allowed_host),
        rate=rate,
        public_without_password=public_without_password,
    )
    serving.check(Accounts(auth_file).names if auth_file else ())
    serving.check_address()
    if not serving.on_loopback:
        _complain("Over HTTP passwords and questions can be read on the way. Put a server with HTTPS before this one.")
    from rag.page.server import serve as start
    from rag.pipeline import open as open_store

    given: dict[str, str | None] = {
        "embedder": embedder,
        "reader": reader,
        "reranker": reranker,
        "generator": generator,
        "generator_url": generator_url,
        "generator_revision": generator_revision,
    }
    said = {name: value for name, value in given.items() if _is_given(context, name)}
    settings = _kept(store, said, Settings(offline=offline))
    # Not held here: where the settings are changed, another one takes its place and this one's memory is wanted.
    start(open_store(store, settings), serving, announce=lambda url: _say(f"Open {url} in a browser. Ctrl+C ends."))


@cli.command()
def password(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")],
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Accounts of `rag serve --auth-file`: the line is put in there, not shown."),
    ] = None,
) -> None:
    """Make the line of an account, for `rag serve --auth-file`. Asks for the password twice, or reads a line of it."""
    from rag.page.accounts import account_line, keep_account

    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        asked = sys.stdin.readline().rstrip("\r\n")
    line = account_line(name, asked)
    if file is None:
        _say(line)
    else:
        _say(f"{'changed' if keep_account(file, line) else 'added':<9}  {line.partition(':')[0]}")


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


def _wanted(paths: Sequence[str], fail: Callable[[str], None]) -> "Iterator[Path | str]":
    """Yield the files that paths name, folders with all in them, and the web addresses as they are."""
    from rag.documents import files_in
    from rag.errors import DocumentError
    from rag.fetching import is_address

    for path in paths:
        if is_address(path):
            yield path
        elif os.path.isdir(path):  # noqa: PTH112 # as in `_opened`
            try:
                yield from files_in(Path(path))
            except DocumentError as error:
                fail(str(error))
        else:
            yield Path(path)


def _read(wanted: "Sequence[Path | str]", fail: Callable[[str], None]) -> "Iterator[Path | Document]":
    """Yield files as they are, and what web addresses lead to; one that fails is told, and the others go on."""
    from rag.errors import DocumentError
    from rag.fetching import fetch

    for one in wanted:
        if isinstance(one, Path):
            yield one
            continue
        try:
            yield fetch(one, allow_private=True)  # whoever types a command may ask what they like
        except DocumentError as error:
            fail(str(error))


@contextmanager
def _opened(store: str | None, settings: Settings, must_exist: bool = False) -> "Iterator[Pipeline]":
    """Open the store a command names; `must_exist` refuses to make a new one of one's own."""
    # os.path, since `Path.is_file` raises where a folder above may not be entered.
    if must_exist and store and not os.path.isfile(Path(store).expanduser() / STORE_FILE):  # noqa: PTH113
        raise StoreError(f"There is no store in {store}. `rag add --store {store} FILE` makes one.")
    from rag.pipeline import open as open_store

    if settings.embedder == BUNDLED_EMBEDDER:  # none is named, so the one that was chosen on the page for this store
        chosen = _chosen_on_page(store)
        settings = settings.changed({name: chosen[name] for name in ("embedder", "revision") if name in chosen})
    chat = open_store(store, settings)
    try:
        yield chat
    finally:
        chat.close()


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _kept(store: str | None, said: "dict[str, str | None]", settings: Settings) -> Settings:
    """Return settings with what was chosen on the page, and what the command says, which counts more."""
    from rag.page.choices import NAMING

    kept = _chosen_on_page(store)
    for part, names in NAMING.items():
        if part in said:  # another model: neither its revision nor its address is that of the one chosen before
            kept = {name: value for name, value in kept.items() if name not in names}
    settings = settings.changed(kept)
    if kept:
        _complain("chosen on the page: " + ", ".join(f"{name} {value}" for name, value in kept.items()))
    return settings.changed(said)


def _chosen_on_page(store: str | None) -> "dict[str, Plain]":
    from rag.settings import default_store_folder
    from rag.store import kept_settings

    return kept_settings(Path(store).expanduser() if store else default_store_folder())


def _standard_input() -> str:
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(locale.getpreferredencoding(False), errors="replace")


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal's standard error; yields what is told how many of how many are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _addition_line(addition: "Addition") -> str:
    document = addition.document
    assert document is not None  # only failures have none
    cut = f" ({len(document.paragraphs)} paragraphs, {addition.passages} passages)" if addition.passages else ""
    silent = ", ".join(map(str, document.silent_pages)) if addition.passages else ""
    told = f"; no text on page {silent}: a scan?" if silent else ""
    return f"{addition.outcome:<9}  {document.id}  {_line(document.title)}{cut}{told}"


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
        file = Path(document.source).name + (f" 第{place.line}行" if document.has_lines else "")
        where = [document.title, *headline, str(place), file]
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
    if answer.shown_missing:
        _say("\n未找到的词：" + "、".join(map(_line, answer.shown_missing)))
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
