"""Datasets: questions with gold answers and evidence, from JSON lines or CSV. The schema is in data/README.md."""

import csv
import difflib
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from eval.measures.answers import Gold, is_right, parts
from eval.normalisation import tokens
from rag.decoding import decode
from rag.documents import Document
from rag.errors import InputError
from rag.folding import fold, is_han
from rag.settings import ARTICLE, Settings

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
        if len(value) > Settings.max_question:
            raise ValueError(f"it has {len(value)} characters; at most {Settings.max_question} can be asked")
        return value

    @field_validator("history")
    @classmethod
    def _all_ask(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._asks(value) for value in values)

    @model_validator(mode="after")
    def _is_consistent(self) -> "Question":
        said = [part for gold in (*self.answers, *self.evidence) for part in parts(gold)]
        if any(not part.strip() for part in said) or () in (*self.answers, *self.evidence):
            raise ValueError("an answer or a piece of evidence is empty")
        wordless = [part for gold in self.answers for part in parts(gold) if not tokens(part)]
        if wordless:
            raise ValueError(
                f"the answer {wordless[0]!r} has neither letters nor digits, so that no answer can hold it"
            )
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
    ignored: tuple[str, ...] = ()  # columns that are no field

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
        return Dataset(f"{self.name}-{split}", chosen, self.skipped, self.ignored)


def read_dataset(path: Path) -> Dataset:
    """Read questions from a .jsonl or .csv file.

    Raises:
        InputError: The file cannot be read, or rows are wrong; the message names rows and fields.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"The questions in {path} cannot be read: {error.strerror or error}.") from error
    if data.startswith(b"PK"):
        raise InputError(f"{path} is a workbook. Save it from the spreadsheet as CSV (UTF-8).")
    if not data.strip():
        raise InputError(f"{path} is empty. `rag eval init` writes a template.")
    text, _ = decode(data, str(path))
    ignored: list[str] = []
    raw = _csv_rows(text, path, ignored) if path.suffix.lower() == ".csv" else _json_rows(text, path)
    blank = 0
    problems: list[str] = []
    questions: list[Question] = []
    for count, (number, row) in enumerate(raw, start=1):
        if "question" in row and not str(row["question"] or "").strip():
            blank += 1
            continue
        try:
            questions.append(_question(count, row))
        except ValidationError as error:
            problems += [f"row {number}, {_told(detail)}" for detail in error.errors()]
        except InputError as error:
            problems.append(f"row {number}, {error}")
    problems += _inconsistencies(questions)
    if problems:
        raise InputError(_list_problems(path, problems))
    if not questions:
        raise InputError(f"{path} holds no question. `rag eval init` writes a template.")
    return Dataset(path.stem, tuple(questions), blank, tuple(ignored))


def _question(count: int, row: Mapping[str, Any]) -> Question:
    values = {key: _characters(value) for key, value in row.items() if value not in (None, "", [], ())}
    values.setdefault("id", f"q{count}")
    if isinstance(values["id"], int):
        values["id"] = str(values["id"])
    if "answerable" not in values:
        if not values.get("answers") and not values.get("evidence"):
            raise InputError(
                "field 'answerable': it has neither answers nor evidence. Give some, or say no (false) where the text "
                "does not tell, or yes (true) where only refusing is to be measured."
            )
        values["answerable"] = True
    question = Question.model_validate(values)
    return question if question.language else question.model_copy(update={"language": language_of(question.question)})


def _characters(value: Any) -> Any:
    """Return a value whose texts hold no half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return [_characters(part) for part in value] if isinstance(value, list) else value


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
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, row {number}: not JSON ({error}). Write one object a line.") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, row {number}: not a JSON object. Write one object a line.")
        yield number, row


def _csv_rows(text: str, path: Path, ignored: list[str]) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yield the rows of a table, numbered as a spreadsheet shows them: the header is row 1."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)  # spreadsheets of some countries write semicolons
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a readable CSV file: {error}. Save it again from the spreadsheet.") from error
    header = [_HEADERS.get(name.strip(), name.strip().lower()) for name in table[0]] if table else []
    if "question" not in header:
        there = ", ".join(name for name in table[0] if name)[:200]
        raise InputError(
            f"{path}, row 1: there is no column 'question' (问题), but: {there}. The first row names the columns: "
            f"{', '.join(Question.model_fields)}; or {', '.join(_HEADERS)}."
        )
    for name in header:
        if name and name not in Question.model_fields:
            meant = difflib.get_close_matches(name, (*Question.model_fields, *_HEADERS), 1, 0.7)
            if meant:  # a slip that would lose what was written
                raise InputError(f"{path}, row 1: there is no field {name!r}. Did you mean {meant[0]!r}?")
            ignored.append(name)
    for number, cells in enumerate(table[1:], start=2):
        if len(cells) > len(header) and any(cells[len(header) :]):
            raise InputError(f"{path}, row {number}: {len(cells)} cells for {len(header)} columns. Quote commas.")
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name in Question.model_fields}
        if any(row.values()):
            yield number, {name: _cell(name, cell) for name, cell in row.items() if cell or name == "question"}


def _cell(name: str, cell: str) -> Any:
    """Return the value of a cell. `|` separates alternatives; `&&` what is needed together."""
    if name in ("answers", "evidence", "history", "forbidden", "document") and cell.startswith(("[[", '["')):
        try:
            return json.loads(cell)
        except ValueError:
            pass  # an answer may well begin like that
    if name == "answerable":
        lower = cell.lower()
        return True if lower in _TRUE else False if lower in _FALSE else f"{cell}, which is neither yes nor no (是/否)"
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
    if detail["type"] == "bool_parsing":
        reason = f"it says {detail['input']}"
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
    copies: dict[str, list[Document]] = {}  # to cite a document of the same text is as good
    for document in documents:
        copies.setdefault(document.text, []).append(document)
    problems: list[str] = []
    found: dict[str, tuple[tuple[Span, ...], ...]] = {}
    for question in dataset.questions:
        wrong = [name for name in question.document if len(named.get(name, ())) != 1]
        if wrong:
            problems.append(f"question {question.id}, field 'document': {_no_document(wrong[0], named, documents)}")
            continue
        of_question = [copy for name in question.document for copy in copies[named[name][0].text]] or documents
        places = [_spans(parts(place), of_question) for place in question.evidence]
        for place, spans in zip(question.evidence, places, strict=True):
            if not spans:
                problems.append(f"question {question.id}, field 'evidence': {flat_quote(place)} stands in no document")
        found[question.id] = tuple(places) if question.evidence else _answer_places(question.answers, of_question)
    if problems:
        raise InputError(_list_problems(dataset.name, problems))
    return found


def unfound_answers(dataset: Dataset, documents: Sequence[Document]) -> list[str]:
    """Return the ids of questions none of whose answers stands in its documents: slips, or answers in other words."""
    named = _names(documents)
    found = []
    for question in dataset.questions:
        texts = [document.text for document in ([named[name][0] for name in question.document] or documents)]
        whole = "\n".join(texts)
        if question.answers and not is_right(whole, question.answers):
            found.append(question.id)
    return found


def documents_of(dataset: Dataset, documents: Sequence[Document], places: Mapping[str, Any]) -> dict[str, str]:
    """Return for each question's id the name of the document it is about, one name for one document; "" for none."""
    named = _names(documents)
    shown = shown_names(documents)
    found = {}
    for question in dataset.questions:
        located = [span[0] for place in places[question.id] for span in place]
        ids = [named[name][0].id for name in question.document] or located
        found[question.id] = shown[ids[0]] if ids else ""
    return found


def shown_names(documents: Iterable[Document]) -> dict[str, str]:
    """Return by id the shortest of file name, its end of the path, and id that no other document has."""
    ends = {document.id: _ends(document)[:3] for document in documents}
    counts = Counter(end for of_document in ends.values() for end in of_document)
    return {id_: next((end for end in of_document if counts[end] == 1), id_) for id_, of_document in ends.items()}


def _ends(document: Document) -> list[str]:
    """Return the ends of a document's path, the shortest first: c.txt, b/c.txt, a/b/c.txt."""
    parts = [part for part in Path(document.source).parts if part != "/"]
    return ["/".join(parts[at:]) for at in range(len(parts) - 1, -1, -1)]


def _names(documents: Sequence[Document]) -> dict[str, list[Document]]:
    """Return the documents of each name: ids and files first, so that a title never hides another's file."""
    names: dict[str, list[Document]] = {}
    for of_document in (_ids_and_files, lambda document: [document.title, Path(document.source).stem]):
        known = set(names)
        for document in documents:
            for name in dict.fromkeys(of_document(document)):
                if name not in known:
                    names.setdefault(name, []).append(document)
    return names


def _ids_and_files(document: Document) -> list[str]:
    return [document.id, document.source, *_ends(document)]


def _no_document(name: str, named: Mapping[str, Sequence[Document]], documents: Sequence[Document]) -> str:
    shown = shown_names(documents)
    if name in named:
        several = ", ".join(shown[document.id] for document in named[name][:MAX_PROBLEMS])
        return f"{name!r} may be each of: {several}"
    there = ", ".join(sorted(shown.values())[:MAX_PROBLEMS])
    return f"no {name!r}; there are: {there}"


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
