"""Composition: puts answers together: sentences with their citations, numbered in order, and several facts in one.

Knows neither how sentences are found nor whether they hold: see reader.py, generator.py and verification.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from rag.answers import (
    UNFINISHED_PART,
    UNTOLD,
    UNTOLD_PART,
    Answer,
    Check,
    Contradiction,
    Part,
    Sentence,
    Verdict,
    not_cited,
)
from rag.citations import Citation, Quote, cite
from rag.comparison import Comparison
from rag.documents import Document
from rag.errors import Language
from rag.folding import is_han
from rag.quantities import Quantity, quantities, units_agree
from rag.retriever import Hit

_ENDS = "?？!！.。;；,， \t\n"  # of a question
Sourced = tuple[str, tuple[Quote, ...]]  # a sentence, and the words it stands on


def number(sourced: Sequence[Sourced], document_of: Callable[[str], Document]) -> tuple[list[Sentence], list[Citation]]:
    """Return the sentences with their markers and the citations, numbered from 1 in the order of reading.

    Words that are cited twice have one number.
    """
    citations: dict[tuple[str, int, int], Citation] = {}
    sentences = []
    for text, quotes in sourced:
        markers = []
        for quote in quotes:
            key = (quote.passage.document_id, quote.start, quote.end)
            if key not in citations:
                document = document_of(quote.passage.document_id)
                citations[key] = cite(len(citations) + 1, document, quote.passage, quote.start, quote.end)
            markers.append(citations[key].marker)
        sentences.append(Sentence(text, tuple(dict.fromkeys(markers))))
    return sentences, list(citations.values())


def verbatim(citation: Citation) -> Check:
    """Check that a quote is the document's very words."""
    passed = citation.document.text[citation.start : citation.end] == citation.quote
    return Check("verbatim", passed, f"[{citation.marker}]")


def join(question: str, answers: Sequence[Answer]) -> Answer:
    """Join the answers to the several facts that a question asks for.

    Args:
        question: As it was asked.
        answers: One for each fact, in order; at least one.
    """
    citations: dict[tuple[str, int, int], Citation] = {}
    sentences: list[Sentence] = []
    contradictions: list[Contradiction] = []
    for part, answer in enumerate(answers):
        new: dict[int, int] = {}
        for one in answer.citations:
            key = (one.document.id, one.start, one.end)
            citations.setdefault(key, replace(one, marker=len(citations) + 1))
            new[one.marker] = citations[key].marker
        sentences += [
            replace(one, markers=tuple(dict.fromkeys(new[marker] for marker in one.markers)), part=part)
            for one in answer.sentences
        ]
        contradictions += [
            replace(one, markers=(new[one.markers[0]], new[one.markers[1]])) for one in answer.contradictions
        ]
    told = [answer for answer in answers if answer.verdict in ("answered", "partial")]
    whole = all(answer.verdict == "answered" for answer in answers)
    verdict: Verdict = "answered" if whole else "partial" if told else "refused"
    withheld = [one for answer in answers for one in answer.withheld]
    nearly = [replace(one, part=part) for part, answer in enumerate(answers) for one in answer.nearly]
    return replace(
        answers[0],
        question=question,
        query=" ".join(answer.query for answer in answers),
        text="\n".join(dict.fromkeys(map(_told, answers))),
        verdict=verdict,
        sentences=tuple(sentences),
        citations=tuple(citations.values()),
        hits=_merge(answers),
        confidence=min(answer.confidence for answer in told or answers),
        missing=tuple(dict.fromkeys(word for answer in answers for word in answer.missing)),
        checks=tuple(verbatim(citation) for citation in citations.values())
        + tuple(check for answer in answers for check in answer.checks if check.name != "verbatim"),
        timings={stage: sum(answer.timings.get(stage, 0.0) for answer in answers) for stage in answers[0].timings},
        parts=tuple(Part(answer.query, answer.verdict, _told(answer), answer.confidence) for answer in answers),
        contradictions=tuple(contradictions),
        notice=" ".join(dict.fromkeys(answer.notice for answer in answers if answer.notice)),
        withheld=tuple(replace(one, marker=at) for at, one in enumerate(withheld, start=1)),
        nearly=not_cited(nearly, [*citations.values(), *withheld]),
        stopped=any(answer.stopped for answer in answers),
    )


def _told(answer: Answer) -> str:
    """Return what is said of one fact among several; one that is refused is named, since the next line is another's."""
    question = answer.question.strip().rstrip(_ENDS)
    if answer.verdict != "refused" or not (answer.stopped or answer.text.startswith(tuple(UNTOLD.values()))):
        return answer.text
    language: Language = "zh" if any(map(is_han, question)) else "en"
    return question + (UNFINISHED_PART if answer.stopped else UNTOLD_PART)[language]


def with_comparison(answer: Answer, comparison: Comparison) -> Answer:
    """Return the answer to a comparison with a sentence that says which side is it, where the quotes give two values.

    Nothing is said where a side is untold, or where not each gives one value of the same kind and unit.
    """
    if not comparison.sign or [part.verdict for part in answer.parts] != ["answered", "answered"]:
        return answer
    of_sides = [[one for one in answer.sentences if one.part == part] for part in (0, 1)]
    found = [_only_value(" ".join(one.text for one in sentences), comparison.in_time) for sentences in of_sides]
    if None in found:
        return answer
    (first, first_text), (second, second_text) = (value for value in found if value)
    one, other = _size(first), _size(second)
    if one is None or other is None or not units_agree(first, second) or one == other or len(one) != len(other):
        return answer
    winner = comparison.sides[0 if (one > other) == (comparison.sign > 0) else 1]
    left, right = comparison.sides
    if any(map(is_han, answer.question)):
        said = f"{left}：{first_text}；{right}：{second_text}。{winner}更{comparison.adjective}。"
    else:
        said = f"{left}: {first_text}; {right}: {second_text}. {winner} is {comparison.adjective}."
    markers = tuple(dict.fromkeys(marker for sentences in of_sides for one in sentences for marker in one.markers))
    sentence = Sentence(said, markers, part=1)
    return replace(answer, sentences=(*answer.sentences, sentence), text=f"{answer.text}\n{said}")


def _only_value(text: str, in_time: bool) -> tuple[Quantity, str] | None:
    """Return the one value that a text gives, as a value and as written; None where it gives none or several."""
    kinds = ("date", "year") if in_time else ("number", "money", "percentage")
    found = [one for one in quantities(text) if one.kind in kinds and not one.loose]
    return (found[0], text[found[0].start : found[0].end]) if len(found) == 1 else None


def _size(value: Quantity) -> tuple[Fraction, ...] | None:
    """Return a value as numbers that compare as it does: year, month and day of a date; None where it has none."""
    parts = value.value.split("-") if value.kind == "date" else [value.value]
    try:
        return tuple(Fraction(part) for part in parts if part)
    except ValueError:
        return None


def _merge(answers: Sequence[Answer]) -> tuple[Hit, ...]:
    """Return the hits of all answers, each passage once, in the order of its best score."""
    best: dict[str, Hit] = {}
    for hit in (hit for answer in answers for hit in answer.hits):
        if hit.passage.id not in best or hit.score > best[hit.passage.id].score:
            best[hit.passage.id] = hit
    ordered = sorted(best.values(), key=lambda hit: -hit.score)
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(ordered, start=1))
