"""Datasets: questions with gold answers and evidence, from JSON lines or CSV. The schema is in data/README.md."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from eval.measures.answers import Gold, parts
from rag.decoding import decode
from rag.documents import Document
from rag.errors import InputError
from rag.folding import fold, is_han
from rag.settings import ARTICLE

DATA = Path(__file__).parent / "data"
OUR_QUESTIONS = DATA / "questions.jsonl"
OUR_TEXTS = DATA / "texts"
MAX_PROBLEMS = 10  # told at once

ALTERNATIVE, TOGETHER = "|", "&&"  # in a cell of a CSV file: one of several; all of several
# Headers that Chinese users write.
_HEADERS = {
    "问题": "question",
    "答案": "answers",
    "依据": "evidence",
    "能否回答": "answerable",
    "类型": "kind",
    "语言": "language",
    "文件": "document",
    "前文": "history",
    "编号": "id",
    "备注": "note",
}
_TRUE = ("true", "yes", "y", "1", "是", "能", "可以")
_FALSE = ("false", "no", "n", "0", "否", "不能", "不可以")

Span = tuple[str, int, int]  # document id, and [start, end) in its text
Variant = Literal["paraphrase", "typo", "traditional", "simplified", "english", "chinese", "pinyin"]
Trap = Literal["near-miss", "false-premise", "other-entity", "absent"]


class Question(BaseModel):
    """A question with what people say of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    question: str
    document: tuple[str, ...] = ()  # file names, titles or ids; where empty, evidence may stand in any document
    answerable: bool = True
    answers: tuple[str | tuple[str, ...], ...] = ()  # alternatives; of a tuple, every part must be said
    evidence: tuple[str | tuple[str, ...], ...] = ()  # places that are all needed; of a tuple, any one place serves
    kind: str = ""
    language: str = ""
    history: tuple[str, ...] = ()  # earlier questions of the conversation, oldest first
    parent: str | None = None  # the question this one is another wording of
    variant: Variant | None = None
    trap: Trap | None = None  # why it cannot be answered
    forbidden: tuple[str, ...] = ()  # words that only an obeyed instruction of the text would put into an answer
    split: Literal["dev", "test"] | None = None
    note: str = ""

    @property
    def family(self) -> str:
        """What a question and its variants have in common: the id of the first."""
        return self.parent or self.id

    @field_validator("document", "history", "forbidden", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) and value else value or ()

    @field_validator("answers", "evidence", mode="before")
    @classmethod
    def _alternatives(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) and value else value or ()

    @field_validator("question")
    @classmethod
    def _asks(cls, value: str) -> str:
        if not any(character.isalnum() for character in value):
            raise ValueError("it asks nothing")
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> "Question":
        said = [part for gold in (*self.answers, *self.evidence) for part in parts(gold)]
        if any(not part.strip() for part in said):
            raise ValueError("an answer or a piece of evidence is empty")
        if not self.answerable and said:
            raise ValueError("a question that cannot be answered has neither answers nor evidence")
        if self.variant and not self.parent:
            raise ValueError("a variant names its parent")
        return self


@dataclass(frozen=True)
class Dataset:
    """Questions in the order of their file."""

    name: str
    questions: tuple[Question, ...]
    skipped: int = 0  # rows of a template whose question is still blank

    @property
    def digest(self) -> str:
        """SHA-256 of the questions, hexadecimal: the same for the same questions in JSON and CSV."""
        rows = [question.model_dump(mode="json") for question in self.questions]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def of_split(self, split: str) -> "Dataset":
        """Return the questions of one split, or, for "all", this dataset.

        Raises:
            InputError: There are none.
        """
        if split == "all":
            return self
        chosen = tuple(question for question in self.questions if question.split == split)
        if not chosen:
            raise InputError(f"No question of {self.name} belongs to the split {split!r}. Leave --split out.")
        return Dataset(f"{self.name}-{split}", chosen, self.skipped)


def read_dataset(path: Path) -> Dataset:
    """Read questions from a .jsonl or .csv file.

    Raises:
        InputError: The file cannot be read, or rows are wrong; the message names rows and fields.
    """
    try:
        text, _ = decode(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"The questions in {path} cannot be read: {error.strerror or error}.") from error
    raw = _csv_rows(text, path) if path.suffix.lower() == ".csv" else _json_rows(text, path)
    blank = 0
    problems: list[str] = []
    questions: list[Question] = []
    for number, row in raw:
        if not str(row.get("question") or "").strip():
            blank += 1
            continue
        try:
            questions.append(_question(number, row))
        except ValidationError as error:
            problems += [f"row {number}, {_told(detail)}" for detail in error.errors()]
        except InputError as error:
            problems.append(f"row {number}, {error}")
    problems += _inconsistencies(questions)
    if problems:
        raise InputError(_list_problems(path, problems))
    if not questions:
        raise InputError(f"{path} holds no question. `rag eval init` writes a template.")
    return Dataset(path.stem, tuple(questions), blank)


def _question(number: int, row: Mapping[str, Any]) -> Question:
    values = {key: value for key, value in row.items() if value not in (None, "")}
    values.setdefault("id", f"q{number}")
    if isinstance(values["id"], int):
        values["id"] = str(values["id"])
    if "answerable" not in values:
        if not values.get("answers") and not values.get("evidence"):
            raise InputError(
                "field 'answerable': it has neither answers nor evidence. Give some, or say answerable=false where the "
                "text does not tell (or answerable=true where only refusing is to be measured)."
            )
        values["answerable"] = True
    question = Question.model_validate(values)
    return question if question.language else question.model_copy(update={"language": language_of(question.question)})


def language_of(text: str) -> str:
    """Return `en`, `zh-Hant` or `zh-Hans`."""
    han = [character for character in text if is_han(character)]
    if not han:
        return "en"
    return "zh-Hant" if any(fold(character) != character for character in han) else "zh-Hans"


def _json_rows(text: str, path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, row {number}: not JSON ({error}). Write one object a line.") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, row {number}: not a JSON object. Write one object a line.")
        yield number, row


def _csv_rows(text: str, path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yield the rows of a table, numbered as a spreadsheet shows them: the header is row 1."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)  # spreadsheets of some countries write semicolons
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a readable CSV file: {error}. Save it again from the spreadsheet.") from error
    header = [_HEADERS.get(name.strip(), name.strip()) for name in table[0]] if table else []
    if "question" not in header:
        raise InputError(f"{path}, row 1: there is no column 'question' (问题). The first row names the columns.")
    unknown = [name for name in header if name and name not in Question.model_fields]
    if unknown:
        known = ", ".join(Question.model_fields)
        raise InputError(f"{path}, row 1, field {unknown[0]!r}: no such field. Known are: {known}.")
    for number, cells in enumerate(table[1:], start=2):
        if len(cells) > len(header) and any(cells[len(header) :]):
            raise InputError(f"{path}, row {number}: {len(cells)} cells for {len(header)} columns. Quote commas.")
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name and cell.strip()}
        if row:
            yield number, {name: _cell(name, cell) for name, cell in row.items()}


def _cell(name: str, cell: str) -> Any:
    """Return the value of a cell. `|` separates alternatives; `&&` what is needed together."""
    if name in ("answers", "evidence", "history", "forbidden", "document") and cell.startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            return cell  # [1] may well begin an answer
    if name == "answerable":
        lower = cell.lower()
        return True if lower in _TRUE else False if lower in _FALSE else cell
    if name == "answers":
        return [_several(part, TOGETHER) for part in _split(cell, ALTERNATIVE)]
    if name == "evidence":
        return [_several(part, ALTERNATIVE) for part in _split(cell, TOGETHER)]
    return _split(cell, ALTERNATIVE) if name in ("history", "forbidden", "document") else cell


def _split(cell: str, separator: str) -> list[str]:
    return [part.strip() for part in cell.split(separator)]


def _several(cell: str, separator: str) -> str | list[str]:
    found = _split(cell, separator)
    return found if len(found) > 1 else found[0]


def _told(detail: Any) -> str:
    """Return what pydantic found, in one line that begins with the field."""
    field = ".".join(str(part) for part in detail["loc"][:1])
    reason = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        reason = f"no such field. Known are: {', '.join(Question.model_fields)}"
    return f"field {field!r}: {reason}" if field else reason


def _inconsistencies(questions: Sequence[Question]) -> list[str]:
    problems = []
    known: dict[str, Question] = {}
    for question in questions:
        if question.id in known:
            problems.append(f"question {question.id}, field 'id': it stands there twice")
        known[question.id] = question
    for question in questions:
        parent = known.get(question.parent) if question.parent else None
        if question.parent and parent is None:
            problems.append(f"question {question.id}, field 'parent': there is no question {question.parent!r}")
        elif parent and (parent.parent or parent.answerable != question.answerable):
            problems.append(
                f"question {question.id}, field 'parent': {parent.id} is a variant itself, or differs in answerable"
            )
    splits: dict[str, str | None] = {}
    for question in questions:
        problems += [
            f"question {question.id}, field 'split': {name} belongs to {splits[name]} already"
            for name in question.document
            if splits.setdefault(name, question.split) != question.split
        ]
    return problems


def _list_problems(path: Path | str, problems: Sequence[str]) -> str:
    shown = "\n".join(f"  {problem}" for problem in problems[:MAX_PROBLEMS])
    more = f"\n  and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return f"{path}: {len(problems)} problem{'s' if len(problems) > 1 else ''}:\n{shown}{more}"


# -- Where the evidence stands ---------------------------------------------------------------------


def locate(dataset: Dataset, documents: Sequence[Document]) -> dict[str, tuple[tuple[Span, ...], ...]]:
    """Find the evidence of every question in documents.

    Returns:
        For each question's id the places that are all needed, each with the spans any of which serves. Without
        evidence, the places where the answers stand to the letter.

    Raises:
        InputError: A document or a piece of evidence is not there; the message names question and field.
    """
    named = _names(documents)
    problems: list[str] = []
    found: dict[str, tuple[tuple[Span, ...], ...]] = {}
    for question in dataset.questions:
        unknown = [name for name in question.document if name not in named]
        if unknown:
            there = ", ".join(sorted(Path(document.source).name for document in documents)[:MAX_PROBLEMS])
            problems.append(f"question {question.id}, field 'document': no {unknown[0]!r}; there are: {there}")
            continue
        of_question = [named[name] for name in question.document] or documents
        places = [_spans(parts(place), of_question) for place in question.evidence]
        for place, spans in zip(question.evidence, places, strict=True):
            if not spans:
                problems.append(f"question {question.id}, field 'evidence': {flat_quote(place)} stands in no document")
        found[question.id] = tuple(places) if question.evidence else _answer_places(question.answers, of_question)
    if problems:
        raise InputError(_list_problems(dataset.name, problems))
    return found


def _names(documents: Sequence[Document]) -> dict[str, Document]:
    names: dict[str, Document] = {}
    for document in documents:
        path = Path(document.source)
        for name in (document.id, path.name, path.stem, document.title):
            names.setdefault(name, document)
    return names


def _answer_places(answers: Sequence[Gold], documents: Sequence[Document]) -> tuple[tuple[Span, ...], ...]:
    lists = [gold for gold in answers if not isinstance(gold, str)]
    wanted = [[part] for part in lists[0]] if lists else [[part for gold in answers for part in parts(gold)]]
    places = [_spans(quotes, documents) for quotes in wanted]
    return tuple(places) if all(places) else ()


def _spans(quotes: Sequence[str], documents: Sequence[Document]) -> tuple[Span, ...]:
    """Return every place where one of the quotes stands; white space does not count, as lines may have been mended."""
    spans = []
    for quote in quotes:
        pattern = re.compile(r"\s*".join(map(re.escape, "".join(quote.split()))))
        for document in documents:
            spans += [(document.id, match.start(), match.end()) for match in pattern.finditer(document.text)]
    return tuple(spans)


def flat_quote(place: Gold) -> str:
    """Return a quote for a message, not longer than a line."""
    quote = parts(place)[0]
    return f"“{quote[:40]}{'…' if len(quote) > 40 else ''}”"


def our_documents() -> list[Path]:
    """Return the files our own set is asked of: the bundled article and the texts beside the questions."""
    return [ARTICLE, *sorted(OUR_TEXTS.glob("*.txt"))]


# -- Writing ---------------------------------------------------------------------------------------


def write_jsonl(path: Path, questions: Iterable[Question]) -> None:
    """Write questions as JSON lines, without empty fields."""
    rows = (question.model_dump(mode="json", exclude_defaults=True) for question in questions)
    lines = (json.dumps(row | {"answerable": row.get("answerable", True)}, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
