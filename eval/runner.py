"""Runner: asks every question of every system and keeps a row of each. A run that was killed goes on.

A run is a folder. `rows.jsonl` and `summary.json` hold nothing that differs between two runs of the
same input; times and the machine stand in files of their own (`times.jsonl`, `cost.json`, `manifest.json`).
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

from eval.corpus import Built, Corpus
from eval.datasets import Dataset, Question, documents_of, locate
from eval.judge import judge, load_generator
from eval.scoring import DEPTH, Row, score
from eval.systems import Places, SystemSpec, make_system
from rag import __version__
from rag.answers import Answer
from rag.bundled_reader import FOLDER
from rag.errors import InputError
from rag.pipeline import Pipeline
from rag.reader import WEIGHTS
from rag.settings import PACKAGE

MANIFEST, ROWS, TIMES = "manifest.json", "rows.jsonl", "times.jsonl"
LIBRARIES = ("faiss-cpu", "numpy", "scipy", "sentence-transformers", "tantivy", "tokenizers", "torch", "transformers")
Progress = Callable[[str, int, int], None]  # system, questions done, of how many


@dataclass(frozen=True)
class Asked:
    """A row and how long its answer took: milliseconds for each stage, and for the whole."""

    row: Row
    milliseconds: dict[str, float]


class Asker:
    """One system over its store, ready to be asked."""

    def __init__(
        self, spec: SystemSpec, folder: Path, places: Mapping[str, Places], documents: Mapping[str, str], judge: str
    ) -> None:
        """Open the store, and load the judge that is named, if any."""
        self._judge = load_generator(judge) if judge else None
        self._name = spec.name
        self._chat = Pipeline(folder, spec.settings)
        self._system = make_system(spec, self._chat)
        self._places = places
        self._documents = documents
        self._passages_of = lru_cache(maxsize=1024)(self._chat.store.passages_of)

    def ask(self, question: Question) -> Asked:
        """Ask a question after those of its conversation, and score the answer."""
        places = self._places[question.id]
        history: list[Answer] = []
        for earlier in question.history:
            history.append(self._system.ask(earlier, (), history))
        start = perf_counter()
        answer = self._system.ask(question.question, places, history)
        total = (perf_counter() - start) * 1000
        ranked = self._system.rank(answer, places, DEPTH)
        document = self._documents[question.id]
        row = score(self._name, question, document, places, answer, ranked, self._passages_of)
        if self._judge and question.answers:
            refused = answer.verdict == "refused"
            said = 0.0 if refused else judge(self._judge, question.question, question.answers, answer.text)
            row = replace(row, scores={**row.scores, "judged": said})
        return Asked(row, {**answer.timings, "total": round(total, 3)})

    def close(self) -> None:
        """Close the store."""
        self._chat.close()


@dataclass(frozen=True)
class Run:
    """A finished run: what was asked and what came of it, by system."""

    folder: Path
    manifest: dict[str, Any]
    rows: dict[str, list[Row]]
    milliseconds: dict[str, list[dict[str, float]]]


def run(
    dataset: Dataset,
    corpus: Corpus,
    specs: Sequence[SystemSpec],
    output: Path | None = None,
    *,
    jobs: int = 1,
    fresh: bool = False,
    progress: Progress = lambda *_: None,
    judge: str = "",
) -> Run:
    """Ask every system every question, keep what is there already, and return all rows.

    Args:
        dataset: The questions.
        corpus: The documents.
        specs: The systems; no two of one name.
        output: Where to write. Default: a folder in `rag-eval/` named after what is evaluated, so that the same
            input goes on in the same folder.
        jobs: Processes that ask at once. With more than one the times say nothing.
        fresh: Ask again what has been asked already.
        progress: Told how far it has come.
        judge: Names a generator whose opinion is kept beside the measures; see `eval.judge`.

    Raises:
        InputError: The evidence is not in the documents, two systems have one name, or `output` holds another run.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise InputError(f"Two systems have the same name: {', '.join(sorted(names))}. Give each its own `name`.")
    places = locate(dataset, corpus.documents)
    documents = documents_of(dataset, corpus.documents, places)
    built = {spec.name: corpus.build(spec) for spec in specs}
    manifest = _manifest(dataset, corpus, specs, built, judge)
    folder = output or Path("rag-eval") / f"{dataset.name}-{manifest['fingerprint'][:8]}"
    _begin(folder, manifest, fresh)
    done = _read_rows(folder)
    _end_lines(folder)
    with (folder / ROWS).open("a", encoding="utf-8") as rows, (folder / TIMES).open("a", encoding="utf-8") as times:
        for spec in specs:
            left = [question for question in dataset.questions if (spec.name, question.id) not in done]
            finished = len(dataset.questions) - len(left)
            progress(spec.name, finished, len(dataset.questions))
            for asked in _ask_all((spec, built[spec.name].folder, places, documents, judge), left, jobs):
                # The times first: a row stands only where its times do.
                _append(times, {"system": spec.name, "id": asked.row.id, "jobs": jobs} | asked.milliseconds)
                _append(rows, asked.row.to_dict())
                finished += 1
                progress(spec.name, finished, len(dataset.questions))
    _in_order(folder, names, [question.id for question in dataset.questions])
    manifest["complete"] = True
    _write_json(folder / MANIFEST, manifest)
    return read_run(folder)


def read_run(folder: Path) -> Run:
    """Read a run.

    Raises:
        InputError: The folder holds none, or one that was not finished.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no run of `rag eval`: {error}.") from error
    if not manifest.get("complete"):
        raise InputError(f"The run in {folder} was not finished. Give the command that began it again: it goes on.")
    done = _read_rows(folder)
    names = [system["name"] for system in manifest["systems"]]
    rows = {name: [row for (system, _), (row, _) in done.items() if system == name] for name in names}
    times = {name: [time for (system, _), (_, time) in done.items() if system == name] for name in names}
    short = [name for name in names if len(rows[name]) != manifest["dataset"]["questions"]]
    if short:
        raise InputError(f"The run in {folder} lacks rows of {', '.join(short)}. Run it anew with --fresh.")
    return Run(folder, manifest, rows, times)


Given = tuple[SystemSpec, Path, Mapping[str, Places], Mapping[str, str], str]  # what an `Asker` is made of


def _ask_all(given: Given, questions: Sequence[Question], jobs: int) -> Iterator[Asked]:
    if not questions:
        return
    if jobs == 1:
        asker = Asker(*given)
        # What is loaded by the first question is no part of a warm answer; cost.py measures it in a fresh process.
        asker.ask(questions[0])
        yield from map(asker.ask, questions)
        asker.close()
        return
    # Results come in the order of the questions, whoever is faster. "spawn": threads of the libraries do not survive
    # a fork.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, given) as pool:
        yield from pool.map(_ask_in_worker, questions, chunksize=4)


_worker: list[Asker] = []  # of this process


def _start_worker(*given: Any) -> None:
    _worker.append(Asker(*given))


def _ask_in_worker(question: Question) -> Asked:
    return _worker[-1].ask(question)


# -- Files -----------------------------------------------------------------------------------------


def check_folder(folder: Path) -> None:
    """Refuse to write a run, or a comparison, into a folder that holds anything else.

    Raises:
        InputError: It does.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file()):
        raise InputError(f"{folder} holds something that is no run of `rag eval`. Nothing was changed. Name another.")


def _begin(folder: Path, manifest: dict[str, Any], fresh: bool) -> None:
    check_folder(folder)
    path = folder / MANIFEST
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = json.loads(path.read_text(encoding="utf-8")).get("fingerprint") if path.is_file() else None
        if known and known != manifest["fingerprint"] and not fresh:
            raise InputError(
                f"{folder} holds another run (of other questions, documents, systems or another version). Nothing "
                "was changed. Name another --output, or give --fresh to replace it."
            )
        if fresh:
            for name in (ROWS, TIMES):
                (folder / name).unlink(missing_ok=True)
        _write_json(path, manifest)
    except (OSError, ValueError) as error:
        raise InputError(f"The run cannot be written to {folder}: {error}.") from error


def _read_rows(folder: Path) -> dict[tuple[str, str], tuple[Row, dict[str, float]]]:
    """Return the rows that are whole, by system and question; a line that a killed process left half is dropped."""
    times = {(line.pop("system"), line.pop("id")): line for line in _whole_lines(folder / TIMES)}
    try:
        rows = [Row.from_dict(line) for line in _whole_lines(folder / ROWS)]
    except (LookupError, TypeError) as error:
        raise InputError(f"The rows in {folder} are of another version ({error}). Run it anew with --fresh.") from error
    return {(row.system, row.id): (row, times[row.system, row.id]) for row in rows if (row.system, row.id) in times}


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def _end_lines(folder: Path) -> None:
    """End a line that a killed process left half, so that the next one stands alone."""
    for path in (folder / ROWS, folder / TIMES):
        if path.is_file() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")


def _in_order(folder: Path, systems: Sequence[str], ids: Sequence[str]) -> None:
    """Write the rows in the order of systems and questions, whichever run each came from."""
    done = _read_rows(folder)
    keys = [(system, id_) for system in systems for id_ in ids]
    for name, lines in (
        (ROWS, [done[key][0].to_dict() for key in keys]),
        (TIMES, [{"system": key[0], "id": key[1]} | done[key][1] for key in keys]),
    ):
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text("".join(_line(line) for line in lines), encoding="utf-8")
        unfinished.replace(folder / name)


def _append(file: Any, record: dict[str, Any]) -> None:
    file.write(_line(record))
    file.flush()  # what has been asked is kept, whatever happens next


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _write_json(path: Path, record: dict[str, Any]) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


# -- Manifest --------------------------------------------------------------------------------------


def _manifest(
    dataset: Dataset, corpus: Corpus, specs: Sequence[SystemSpec], built: dict[str, Built], judge: str
) -> dict[str, Any]:
    """Return what a run depends on, and where and when it was made."""
    inputs: dict[str, Any] = {
        "dataset": {
            "name": dataset.name,
            "questions": len(dataset.questions),
            "answerable": sum(question.answerable for question in dataset.questions),
            "skipped": dataset.skipped,
            "digest": dataset.digest,
        },
        "documents": {
            "count": len(corpus.documents),
            "distractors": corpus.digest_of_distractors(),
            "digest": _digest("".join(sorted(document.digest for document in corpus.documents)).encode()),
        },
        "systems": [
            {
                "name": spec.name,
                "reference": spec.reference,
                "growth": spec.growth,
                "settings": asdict(spec.settings),
                "documents": built[spec.name].documents,
                "passages": built[spec.name].passages,
            }
            for spec in specs
        ],
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
        "models": {"reader": _digest_of_reader(), "embedders": _embedders(specs, built), "judge": judge},
        "program": {"version": __version__, "digest": _digest_of_program()},
    }
    fingerprint = _digest(json.dumps(inputs, sort_keys=True, ensure_ascii=False).encode())
    return inputs | {
        "program": inputs["program"] | {"commit": _commit()},
        "fingerprint": fingerprint,
        "complete": False,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "memory": _memory(),
        },
        "built": {name: asdict(one) | {"folder": ""} for name, one in built.items()},
    }


def _digest_of_reader() -> str:
    return _digest(WEIGHTS.read_bytes() + (FOLDER / "model.safetensors").read_bytes())


def _embedders(specs: Sequence[SystemSpec], built: dict[str, Built]) -> dict[str, str]:
    found = {}
    for spec in specs:
        if spec.settings.embedder not in found:
            chat = Pipeline(built[spec.name].folder, spec.settings)
            found[spec.settings.embedder] = chat.embedder.fingerprint
            chat.close()
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@lru_cache
def _digest_of_program() -> str:
    """Return a digest of the code that answers and scores: a change of it makes another run."""
    here = Path(__file__).parent
    names = ("corpus", "datasets", "judge", "normalisation", "runner", "scoring", "systems")
    scoring = [here / f"{name}.py" for name in names]
    files = sorted((*PACKAGE.glob("*.py"), *PACKAGE.glob("data/*.gz"), *scoring, *here.glob("measures/*.py")))
    return _digest(b"".join(file.read_bytes() for file in files))


@lru_cache
def _commit() -> str:
    """Return the commit of the checkout the program runs from, with + where it was changed; "" without one."""
    try:
        git = ["git", "-C", str(PACKAGE.parent)]
        if subprocess.run([*git, "ls-files", "--error-unmatch", "rag"], capture_output=True, check=False).returncode:  # noqa: S603
            return ""
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout  # noqa: S603
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.strip() + ("+" if changed.strip() else "")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _memory() -> int | None:
    """Return the machine's memory in bytes, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
