"""Cases for the calibration of the reader: questions asked of hits, with what the span model proposes there.

Each question of a public set is asked of the pool of all texts, of its own text alone, in other words, and where it
has no answer. What takes long is done here, once: search and the span model. The features that are learnt from
are computed by training/calibrate_reader.py, again whenever they change.
"""

import pickle
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rag.documents import document_from_text
from rag.evidence import Setting
from rag.pieces import PROPOSED
from rag.pipeline import Pipeline
from rag.question import analyse
from rag.retriever import Hit
from rag.settings import Settings
from rag.span_model import Candidate
from training.embedder_data import find_file, read_json_rows
from training.reader_cloze import ClozeMaker
from training.reader_data import is_held_out, read_training_rows
from training.variants import Variants, read_synonyms

Record = dict[str, Any]

TRAIN = {  # file: questions taken at most, of the held-out contexts
    "train_cmrc2018": 1000,
    "train_cmrc2018_trial": 100,
    "train_crud_news": 100,
    "train_chronoqa": 200,
    "train_dureader_robust": 120,
    "train_en_squad": 80,
    "train_en_qed": 100,
    "train_noans_cmrc2018": 100,
    "train_noans_crud": 100,
    "cloze": 500,
}
CLAUSES = {  # the same, of the other contexts: clauses are scored without the reader, which may know them by heart
    "train_cmrc2018": 1800,
    "train_crud_news": 800,
    "train_chronoqa": 500,
    "train_dureader_robust": 500,
    "train_en_squad": 400,
    "train_en_qed": 300,
}
DEV = {
    "dev_cmrc2018_half": 100,
    "dev_crud_news": 100,
    "dev_drcd": 100,
    "dev_dureader_robust": 100,
    "dev_xquad_zh_en_half": 100,
    "dev_noans_cmrc2018": 60,
    "dev_noans_crud": 60,
}
POOL_HITS, OWN_HITS = 5, 8
LONGEST_ARTICLE = 1500  # characters of an article that questions are made from
# The same question of all texts, of its own text, and there with a synonym, a typing error, or in English words.
ANSWERABLE = ("pool", "own", "synonym", "typo", "english")
# Asked of the nearest other texts, of a text given for it that does not answer, with one word of another question,
# for another kind of thing, in English so.
UNANSWERABLE = ("elsewhere", "given", "exchanged", "other kind", "english exchanged")


@dataclass(frozen=True)
class RawCase:
    """One question against one set of hits, with what the span model proposes of them."""

    source: str
    kind: str  # of ANSWERABLE or of UNANSWERABLE
    question: str
    hits: tuple[Hit, ...]
    candidates: tuple[Candidate, ...]
    settings: tuple[Setting, ...]  # of each hit
    own: str  # the id of the document that answers
    golds: tuple[tuple[int, int], ...]  # in that document; none where it does not answer

    @property
    def answerable(self) -> bool:
        """Whether the hits may hold an answer."""
        return self.kind in ANSWERABLE


class NoSpans:
    """A span model that proposes nothing."""

    name = "none"

    def candidates(self, question: str, texts: Sequence[str], count: int = 5) -> list[Candidate]:
        """Return nothing."""
        return []


def gather(data: Path, scale: float, seed: int, settings: Settings, keep: Path | None) -> tuple[list[RawCase], ...]:
    """Return the cases of CLAUSES, TRAIN and DEV.

    Args:
        data: Folder of the public data.
        scale: Share of the questions to take.
        seed: Of every choice.
        settings: Name the models.
        keep: A file to keep the cases in, or to take them from where it is there.
    """
    if keep and keep.exists():
        kept: tuple[list[RawCase], ...] = pickle.loads(keep.read_bytes())  # noqa: S301 - a file this program wrote
        return kept
    found = tuple(
        _gather_files(files, with_spans, data, scale, seed, settings)
        for files, with_spans in ((CLAUSES, False), (TRAIN, True), (DEV, True))
    )
    if keep:
        keep.write_bytes(pickle.dumps(found))
    return found


def _gather_files(
    files: dict[str, int], with_spans: bool, data: Path, scale: float, seed: int, settings: Settings
) -> list[RawCase]:
    jobs = [(name, int(count * scale), with_spans) for name, count in files.items()]
    with ProcessPoolExecutor() as pool:
        parts = pool.map(_gather_file, jobs, repeat(data), repeat(seed), repeat(settings))
        return [case for part in parts for case in part]


def _gather_file(job: tuple[str, int, bool], data: Path, seed: int, settings: Settings) -> list[RawCase]:
    name, count, with_spans = job
    rows = load_cloze(data, count, seed) if name == "cloze" else load(data, name, count, seed, held_out=with_spans)
    return list(cases(rows, name, with_spans, seed, data, settings))


def load(data: Path, name: str, count: int, seed: int, held_out: bool) -> list[Record]:
    """Return up to `count` rows of a file; of a file to train on, held-out ones or the others.

    Rows have literal answers, or none where the file is one of questions without answer.
    """
    rows = [
        row
        for row in read_json_rows(find_file(data, f"qa/{name}.jsonl.gz"))
        if ("noans" in name or (row["answers"] and row["answer_starts"][0] >= 0))
        and (name.startswith("dev_") or is_held_out(row["context"]) == held_out)
    ]
    random.Random(seed).shuffle(rows)
    return rows[:count]


def load_cloze(data: Path, count: int, seed: int) -> list[Record]:
    """Return `count` questions made from held-out news articles, one of each."""
    chooser = random.Random(seed)
    maker = ClozeMaker(read_synonyms(data / "lexicon" / "wordnet_zh_synonyms.tsv.gz"), chooser)
    articles = [text for text in read_training_rows(data, LONGEST_ARTICLE).news if is_held_out(text)]
    chooser.shuffle(articles)
    made = (
        {
            "question": one.question,
            "context": text,
            "answers": [text[one.start : one.end]],
            "answer_starts": [one.start],
        }
        for text in articles
        for one in maker.of(text, 1)
    )
    return list(islice(made, count))


def cases(
    rows: Sequence[Record], source: str, with_spans: bool, seed: int, data: Path, settings: Settings
) -> Iterator[RawCase]:
    """Ask each question of the pool of all texts, of its own text alone, and where it has no answer."""
    chooser = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), settings)
        if not with_spans:
            chat.spans = NoSpans()
        ids: dict[str, str] = {}
        for row in rows:
            if row["context"] not in ids:
                document = document_from_text(row["context"], title=row.get("title") or "", source=f"text-{len(ids)}")
                chat.add_document(document)
                ids[row["context"]] = document.id
        variants = Variants([row for row in rows if row["answers"]], data, chooser)
        for row in tqdm(rows, desc=source):
            own = ids[row["context"]]
            hits = chat.search(row["question"], 60)
            own_hits = _own(hits, own)
            if not row["answers"]:
                asked = [("given", row["question"], own_hits)]
            else:
                others = _ranked(hit for hit in hits if hit.passage.document_id != own)
                made = variants.of(row["question"], row["context"], row["answers"][0])
                asked = [
                    ("pool", row["question"], hits[:POOL_HITS]),
                    ("elsewhere", row["question"], others[:POOL_HITS]),
                    ("own", row["question"], own_hits),
                    *((*variant, own_hits) for variant in made),
                ]
            for kind, question, chosen in asked:
                if chosen:
                    yield _case(chat, row, own, source, kind, question, tuple(chosen))
        chat.close()


def _own(hits: Sequence[Hit], document_id: str) -> list[Hit]:
    """Return the hits in one document alone, as if it were the whole store."""
    return _ranked(hit for hit in hits if hit.passage.document_id == document_id)[:OWN_HITS]


def _ranked(hits: Iterable[Hit]) -> list[Hit]:
    return [Hit(hit.passage, rank, hit.score, hit.arms) for rank, hit in enumerate(hits, start=1)]


def _case(
    chat: Pipeline, row: Record, own: str, source: str, kind: str, question: str, hits: tuple[Hit, ...]
) -> RawCase:
    query = analyse(question).query
    candidates = chat.spans.candidates(query, [hit.passage.text for hit in hits], PROPOSED)
    golds: tuple[tuple[int, int], ...] = ()
    if kind in ANSWERABLE:
        text = chat.store.document(own).text
        pairs = zip(row["answers"], row["answer_starts"], strict=True)
        golds = tuple(gold for answer, start in pairs if (gold := _find(text, answer, start)))
    settings = tuple(chat.setting_of(hit.passage) for hit in hits)
    return RawCase(source, kind, question, hits, tuple(candidates), settings, own, golds)


def _find(text: str, answer: str, near: int) -> tuple[int, int] | None:
    """Return the span of the answer in the mended text that is nearest to its place in the source."""
    answer = answer.strip().rstrip("。，,.；;")
    places = [at for at in range(len(text)) if text.startswith(answer, at)] if answer else []
    if not places:
        return None
    start = min(places, key=lambda at: abs(at - near))
    return start, start + len(answer)
