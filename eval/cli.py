"""The command line of the evaluation: `rag eval`, `rag eval init`, `rag eval cases`."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval import cases, gate
from eval.corpus import Corpus, open_documents
from eval.cost import costs, fresh_process
from eval.datasets import OUR_QUESTIONS, Dataset, our_documents, read_dataset, unfound_answers, write_jsonl
from eval.public import SETS, load_public
from eval.runner import MANIFEST, Run, check_folder, read_run, run
from eval.summary import BY_KEY, summarise
from eval.systems import REFERENCES, SystemSpec, read_system, references
from eval.tables import gap, headlines, markdown
from rag.errors import InputError, RagError, StoreError
from rag.pipeline import open as open_store
from rag.settings import STORE_FILE, Settings

FAILED, BAD_USAGE = 1, 2  # exit codes
MODELS = ("embedder", "reader", "reranker", "offline")  # options of the default system
# Options that take many values.
SEVERAL = ("--documents", "--distractors", "--system", "--public", "--reference", "--growth")
COST, SUMMARY, TABLE, PAGE = "cost.json", "summary.json", "table.md", "index.html"

cli = typer.Typer(
    name="rag eval",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
StoreOption = Annotated[Path | None, typer.Option("--store", metavar="FOLDER", help="The store to ask.")]
OutputOption = Annotated[Path | None, typer.Option("--output", metavar="PATH", help="Where to write.")]


@dataclass(frozen=True)
class Asking:
    """How to ask; see `eval.runner.run`."""

    output: Path | None
    jobs: int
    fresh: bool
    judge: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line on `argv` (without the program's name) and return the exit code."""
    try:
        cli(args=_spread(sys.argv[1:] if argv is None else argv), prog_name="rag eval")
    except (RagError, OSError) as error:
        _complain(f"Error: {error}")
        return FAILED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@cli.callback()
def evaluate(
    context: typer.Context,
    questions: Annotated[
        Path | None, typer.Option("--questions", metavar="FILE", help="Your questions: .jsonl or .csv. Default: ours.")
    ] = None,
    store: StoreOption = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option("--documents", metavar="PATH", help="Files or folders to ask, instead of a store."),
    ] = None,
    split: Annotated[str, typer.Option(help="dev, test or all. Default: dev of our set, all of yours.")] = "",
    system: Annotated[
        list[Path] | None, typer.Option("--system", metavar="TOML", help="Settings to evaluate; may be given often.")
    ] = None,
    embedder: Annotated[str, typer.Option(help="Embedder of the default system: a hub id or a folder.")] = "bundled",
    reader: Annotated[str, typer.Option(help="Extractive reader of the default system, likewise.")] = "bundled",
    reranker: Annotated[str | None, typer.Option(help="Cross-encoder of the default system. Default: none.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no hub.")] = False,
    reference: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="NAME", help=f"Only these: {', '.join(REFERENCES)}, or none."),
    ] = None,
    growth: Annotated[
        list[int] | None, typer.Option("--growth", min=2, metavar="N", help="Ask a corpus N times as large, too.")
    ] = None,
    distractors: Annotated[
        list[Path] | None,
        typer.Option(
            "--distractors", metavar="PATH", help="Texts to grow it with: files, folders, .jsonl(.gz) with text."
        ),
    ] = None,
    public: Annotated[
        list[str] | None, typer.Option("--public", metavar="SET", help=f"A public set: {', '.join(SETS)}.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Folder of the public data, for --public.")
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option("--compare", metavar="RUN RUN", help="Compare two runs; asks nothing.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Fail (exit 1) on a regression against this.")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", metavar="FILE", help="Keep the scores as a baseline.")
    ] = None,
    judge: Annotated[
        str, typer.Option("--judge", metavar="MODULE:FACTORY", help="A language model's opinion beside the measures.")
    ] = "",
    output: OutputOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that ask at once; times are then not measured.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again what was asked already.")] = False,
) -> None:
    """Ask questions with known answers, and say with intervals how well they are answered.

    Without options: our own questions about our own texts (their development split). Exit code 1 when the gate fails
    (--baseline), a citation is not exact, or something cannot be read; 2 for wrong usage.
    """
    if context.invoked_subcommand:
        return
    _refuse_contradictions(context)
    if compare:
        raise typer.Exit(_compare(compare, output))
    settings = Settings(embedder=embedder, reader=reader, reranker=reranker, offline=offline)
    asking = Asking(output, jobs, fresh, judge)
    if public:
        raise typer.Exit(_evaluate_public(public, data, system, settings, reference, asking))
    if questions and not store and not documents:
        raise InputError("Say what to ask: --store FOLDER, or --documents with files or a folder.")
    if (store or documents) and not questions:
        raise InputError("Say what to ask them: --questions FILE. `rag eval init` writes a table to fill in.")
    dataset = read_dataset(questions or OUR_QUESTIONS).of_split(split or ("all" if questions else "dev"))
    if dataset.skipped:
        _say(f"Rows without a question, left out: {dataset.skipped}")
    if dataset.ignored:
        _say(f"Columns that are no field, ignored: {', '.join(dataset.ignored)}")
    known = gate.read_baseline(baseline) if baseline else None
    if write_baseline:
        gate.check_path(write_baseline)  # before hours are spent
    specs = _specs(system, settings, reference)
    specs += [replace(specs[0], name=f"{specs[0].name} ×{factor}", growth=factor) for factor in growth or ()]
    texts = open_documents(store, documents or our_documents(), settings, _say, questions)
    unfound = unfound_answers(dataset, texts)
    if unfound:
        _say(f"No answer of these stands in the documents, so that no quote can be right: {', '.join(unfound)}")
    with Corpus(texts, store, distractors or ()) as corpus:
        finished = _run(dataset, corpus, specs, asking)
        fresh_costs = _measure_fresh(dataset, corpus, specs[0]) if jobs == 1 else {}
    passed = _report(finished, costs(finished) if jobs == 1 else {}, fresh_costs)
    rows = finished.rows[specs[0].name]
    if known is not None:
        passed &= _pass_gate(gate.check(rows, len(dataset.questions), known))
    if not passed:
        raise typer.Exit(FAILED)
    if write_baseline:  # only of what may pass
        gate.write_baseline(write_baseline, rows)
        _say(f"The baseline is in {write_baseline}.")


def _evaluate_public(
    names: Sequence[str],
    data: Path | None,
    system: Sequence[Path] | None,
    settings: Settings,
    reference: Sequence[str] | None,
    asking: Asking,
) -> int:
    """Evaluate on public sets, each in a run of its own; return the exit code."""
    if data is None:
        raise InputError("Name the folder of the public data with --data.")
    passed = True
    for name in names:
        found = load_public(name, data)
        beside = ("bm25", "dense") if reference is None else reference
        specs = _specs(system, replace(settings, passage_size=found.passage_size), beside)
        output = asking.output / name if asking.output and len(names) > 1 else asking.output
        with Corpus(found.documents) as corpus:
            finished = _run(found.dataset, corpus, specs, replace(asking, output=output))
        passed &= _report(finished, {})
    return 0 if passed else FAILED


def _refuse_contradictions(context: typer.Context) -> None:
    """Refuse options that another one makes meaningless, rather than to ignore them."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    for option, allowed in (
        ("compare", {"compare", "output"}),
        ("public", {*MODELS, "public", "data", "system", "reference", "judge", "output", "jobs", "fresh"}),
    ):
        idle = sorted(given - allowed)
        if option in given and idle:
            raise typer.BadParameter(f"--{option} does not go with --{idle[0].replace('_', '-')}.")
    if {"store", "documents"} <= given:
        raise typer.BadParameter("--store does not go with --documents: add them to the store, or name them alone.")
    if ("growth" in given) != ("distractors" in given):
        raise typer.BadParameter("--growth and --distractors go together: how large, and with what text.")


def _pass_gate(verdict: gate.Verdict) -> bool:
    _say(f"Gate {'passed' if verdict.passed else 'FAILED'}.")
    for line in verdict.reasons or verdict.notes:
        _say(f"  {line}")
    return verdict.passed


@cli.command()
def init(
    store: StoreOption = None,
    documents: Annotated[
        list[Path] | None, typer.Option("--documents", metavar="PATH", help="Files or folders, instead of a store.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where to write it.")] = Path(
        "questions.csv"
    ),
) -> None:
    """Write a table of questions to fill in, with a sentence of your documents in each row."""
    with _documents_of(store, documents) as texts:
        rows = cases.template(texts)
    cases.write_template(output, rows)
    where = f"--store {store}" if store else "--documents " + " ".join(map(str, documents or [Path("FOLDER")]))
    _say(f"{output}: {len(rows)} rows to fill in (question, and answers in the document's own words). Then:")
    _say(f"  rag eval --questions {output} {where}")


@cli.command("cases")
def feedback_cases(
    store: StoreOption = None,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where to write them.")] = Path(
        "cases.jsonl"
    ),
) -> None:
    """Make evaluation cases of the feedback that users gave on the page."""
    if output.exists():
        raise InputError(f"{output} exists already. It is left as it is; name another --output.")
    if store and not (store / STORE_FILE).is_file():
        raise StoreError(f"There is no store in {store}. Name the one that the page was opened with.")
    chat = open_store(store)
    try:
        made, left_out = cases.from_feedback(chat.feedback(), chat.documents())
    finally:
        chat.close()
    told = f" Feedback that says too little to make one: {left_out}." if left_out else ""
    if made:
        write_jsonl(output, made)
    _say(f"Cases{f' in {output}' if made else ''}: {len(made)}.{told}")


def _spread(argv: Sequence[str]) -> list[str]:
    """Repeat an option before each of several values, as a shell leaves them of `--documents texts/*.txt`."""
    spread: list[str] = []
    option, values = "", 0
    for argument in argv:
        if argument.startswith("-"):
            option, values = argument, 0
        elif option in SEVERAL:
            spread += [option] if values else []
            values += 1
        spread.append(argument)
    return spread


@contextmanager
def _documents_of(store: Path | None, documents: Sequence[Path] | None) -> Iterator[list[Any]]:
    if store or documents:
        yield open_documents(store, documents or (), Settings())
        return
    chat = open_store()
    try:
        yield chat.documents()
    finally:
        chat.close()


def _specs(files: Sequence[Path] | None, settings: Settings, named: Sequence[str] | None) -> list[SystemSpec]:
    """Return the systems of files, or the default one, and the references beside them."""
    own = [read_system(path) for path in files or ()] or [SystemSpec("default", settings)]
    if settings.passage_size != Settings.passage_size:  # a public set's passages are cut as its figures are
        own = [replace(spec, settings=replace(spec.settings, passage_size=settings.passage_size)) for spec in own]
    beside = references(own[0].settings)
    if named is None:
        return own + beside
    unknown = set(named) - {*REFERENCES, "none"}
    if unknown:
        raise InputError(f"No reference system {sorted(unknown)[0]!r}. There are: {', '.join(REFERENCES)}, none.")
    return own + [spec for spec in beside if spec.name in named]


def _run(dataset: Dataset, corpus: Corpus, specs: Sequence[SystemSpec], asking: Asking) -> Run:
    """Ask, with a bar for each system on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {spec.name: bar.add_task(spec.name, total=len(dataset.questions)) for spec in specs}

        def progress(system: str, done: int, total: int) -> None:
            bar.update(tasks[system], completed=done, total=total)

        how: dict[str, Any] = {"jobs": asking.jobs, "fresh": asking.fresh, "judge": asking.judge}
        try:
            return run(dataset, corpus, specs, asking.output, progress=progress, **how)
        except KeyboardInterrupt:
            _complain("Interrupted. The same command goes on where it stopped.")
            raise typer.Exit(FAILED) from None


def _measure_fresh(dataset: Dataset, corpus: Corpus, spec: SystemSpec) -> dict[str, Any]:
    questions = [question.question for question in dataset.questions]
    return {spec.name: fresh_process(spec, corpus.build(spec).folder, questions)}


def _report(finished: Run, cost: dict[str, Any], fresh_costs: dict[str, Any] | None = None) -> bool:
    """Write everything a run says, and print its headlines. Return False where something failed that never may."""
    summary = summarise(finished)
    for system, more in (fresh_costs or {}).items():
        cost[system] |= more
    _write(finished.folder, finished, summary, cost)
    own = [system for system in summary["systems"] if not system["reference"]]
    failures = [(system["name"], kind, ids) for system in own for kind, ids in system["failures"].items() if ids]
    for name, kind, ids in failures:
        _complain(f"{name}, {kind}: {', '.join(ids)}")
    return not failures


def _write(folder: Path, finished: Run, summary: dict[str, Any], cost: dict[str, Any]) -> None:
    from eval.report import write_report

    folder.mkdir(parents=True, exist_ok=True)
    for name, record in ((SUMMARY, summary), (COST, cost)):
        (folder / name).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / TABLE).write_text(markdown(summary, cost), encoding="utf-8")
    write_report(folder / PAGE, finished, summary, cost)
    Console().print(headlines(summary))
    _say(f"Report: {folder / PAGE}")


def _compare(folders: tuple[Path, Path], output: Path | None) -> int:
    """Compare the first systems of two runs of the same questions."""
    runs = [read_run(folder) for folder in folders]
    digests = {found.manifest["dataset"]["digest"] for found in runs}
    if len(digests) > 1:
        raise InputError("The two runs are of other questions, so that their figures cannot be compared.")
    merged = _merged(runs)
    summary = summarise(merged)
    if output:
        check_folder(output)
        _write(output, merged, summary, {})
        (output / MANIFEST).write_text(json.dumps(merged.manifest, ensure_ascii=False, indent=2), encoding="utf-8")
    else:
        Console().print(headlines(summary))
    for one in summary["differences"]:
        counts = f"{one['wins']} won, {one['ties']} tied, {one['losses']} lost"
        what = f"{BY_KEY[one['measure']].label}, {one['first']} less {one['second']}"
        _say(f"{what}: {gap(one)}, p = {one['p_adjusted']:.4f}; {counts}")
    return 0


def _merged(runs: Sequence[Run]) -> Run:
    """Return a run of the first system of each run, named apart."""
    rows, times, systems, built = {}, {}, [], {}
    for number, found in enumerate(runs, start=1):
        system = found.manifest["systems"][0]
        old = system["name"]
        name = old if old not in rows else f"{old} ({number})"
        rows[name] = [replace(row, system=name) for row in found.rows[old]]
        times[name] = found.milliseconds[old]
        built[name] = found.manifest["built"][old]
        systems.append(system | {"name": name, "reference": ""})
    manifest = runs[0].manifest | {"systems": systems, "built": built}
    for name in ("program", "machine", "versions"):  # told of both, where they differ
        both = [found.manifest[name] for found in runs]
        manifest[name] = {
            key: value if value == both[1].get(key) else f"{value} / {both[1].get(key)}"
            for key, value in both[0].items()
        }
    return Run(runs[0].folder, manifest, rows, times)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
