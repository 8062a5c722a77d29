"""Cases: templates to fill in, and evaluation cases made of what users said on the page."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from eval.datasets import ALTERNATIVE, TOGETHER, Question, language_of, shown_names
from rag.answers import Answer
from rag.documents import Document
from rag.errors import InputError
from rag.feedback import Feedback
from rag.passages import sentence_spans

COLUMNS = ("question", "answers", "evidence", "answerable", "kind", "document", "note")
ROWS_PER_DOCUMENT = 3  # of a template, to be asked of a sentence each
LONGEST_EVIDENCE = 160  # characters
_FORMULA = tuple("=+-@\t")  # what begins with these, a spreadsheet runs


def template(documents: Sequence[Document], per_document: int = ROWS_PER_DOCUMENT) -> list[dict[str, str]]:
    """Return rows to fill in: for each document sentences that tell something, and one question it does not answer."""
    rows = []
    shown = shown_names(documents)
    for document in documents:
        name = shown[document.id]
        name = document.id if name.startswith(_FORMULA) else name
        rows += [
            _row(evidence=evidence, answerable="yes", document=name, note="ask what this sentence tells")
            for evidence in _telling_sentences(document, per_document)
        ]
        rows.append(_row(answerable="no", document=name, note="ask what one might expect, but it does not tell"))
    return rows


def _row(evidence: str = "", **cells: str) -> dict[str, str]:
    if ALTERNATIVE in evidence or TOGETHER in evidence:  # the reader would take it for several
        evidence = json.dumps([evidence], ensure_ascii=False)
    return dict.fromkeys(COLUMNS, "") | cells | {"evidence": evidence}


def _telling_sentences(document: Document, count: int) -> list[str]:
    """Return sentences spread over a document, such as hold a number or a name where there are any."""
    found = []
    for paragraph in document.paragraphs:
        if paragraph.kind in ("headline", "table", "code"):
            continue
        text = document.text[paragraph.start : paragraph.end]
        found += [text[start:end].strip() for start, end in sentence_spans(text)]
    found = [sentence for sentence in found if not sentence.startswith(_FORMULA)]
    short = [sentence for sentence in found if 10 <= len(sentence) <= LONGEST_EVIDENCE]
    telling = [sentence for sentence in short if any(map(str.isdigit, sentence))]
    chosen = telling if len(telling) >= count else short or found
    step = max(1, len(chosen) // count)
    return chosen[::step][:count]


def write_template(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Write a template as CSV that spreadsheets open as UTF-8.

    Raises:
        InputError: The file exists already, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    except FileExistsError:
        raise InputError(f"{path} exists already. It is left as it is; name another --output.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def from_feedback(feedback: Sequence[Feedback], documents: Sequence[Document]) -> tuple[list[Question], int]:
    """Return evaluation cases, and how many pieces of feedback say too little to make one.

    The last word on a question counts. What was found right becomes gold; a correction becomes the gold answer,
    and evidence where it stands in a document to the letter; a refusal found wrong becomes a question that should be
    answered. An answer found wrong without a word makes no case, nor does what is said of a part of one: what is right
    or untold there says nothing of the rest. Only a correction of all that an answer says is gold.
    """
    telling = [given for given in feedback if _tells_of_all(given)]
    last = {(given.answer.question, _history(given)): given for given in telling}
    known = {document.id: document for document in documents}
    cases = [_case(given, known) for given in last.values()]
    made = [case for case in cases if case is not None]
    return made, len(feedback) - len(telling) + len(cases) - len(made)


def _tells_of_all(given: Feedback) -> bool:
    if given.marker is None and given.sentence is None:
        return True
    return bool(given.correction) and len(given.answer.said()) == 1


def _case(given: Feedback, known: dict[str, Document]) -> Question | None:
    answer = given.answer
    refused = answer.verdict == "refused"
    cited = [citation for citation in answer.citations if citation.document.id in known]
    answers: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    shown = shown_names(known.values())
    names = [shown[citation.document.id] for citation in cited]
    answerable = not given.unanswerable
    if given.good and not refused:
        answers, evidence = (answer.text,), tuple(citation.quote for citation in cited)
    elif given.good:
        answerable = False
    elif given.correction:
        answers = (given.correction,)
        place = _place_of(given.correction, answer, known)
        if place:
            names, evidence = [shown[place[0].id]], (place[1],)
    elif answerable and not refused:
        return None
    return Question(
        id=f"feedback-{given.id}",
        question=answer.question,
        document=tuple(dict.fromkeys(names)),
        answerable=answerable,
        answers=answers,
        evidence=evidence,
        kind="follow-up" if _history(given) else "",
        language=language_of(answer.question),
        history=_history(given),
        note=f"from feedback, {given.added}",
    )


def _history(given: Feedback) -> tuple[str, ...]:
    """Return the questions before, where the answer was searched for with them; else the question stands alone."""
    return given.history if given.answer.query.strip() != given.answer.question.strip() else ()


def _place_of(words: str, answer: Answer, known: dict[str, Document]) -> tuple[Document, str] | None:
    """Return the document, among those of the answer first, that holds words to the letter, and the words."""
    near = [citation.document.id for citation in answer.citations] + [hit.passage.document_id for hit in answer.hits]
    for document_id in dict.fromkeys((*near, *known)):
        document = known.get(document_id)
        if document and words in document.text:
            return document, words
    return None
