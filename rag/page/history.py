"""History: earlier turns as a program tells them, in plain words, made into what a follow-up is completed from.

A program need not send back whole answers: a question and what was said to it are enough to know what is spoken of.
They are data. Nothing is answered again.
"""

import html
import re
from collections.abc import Sequence

from rag import small_talk
from rag.answers import UNFINISHED_PART, UNTOLD_PART, Answer, Sentence, Verdict
from rag.antecedents import MAX_ANSWER, MAX_TURNS
from rag.drafts import read_markers
from rag.followups import complete
from rag.question import analyse
from rag.reader import refusal

MAX_HINTS = 999  # markers that are taken out of an earlier answer
MAX_QUESTION = 2000  # characters of an earlier question that are looked at
MAX_TOLD = 5000  # characters of what was said to it
_NOTHING = (*UNTOLD_PART.values(), *UNFINISHED_PART.values())  # ends of lines that tell nothing of what was asked
_ESCAPED = re.compile(r"\\([\\`*_\[\]#|~$.+)-])")


def read_of(turns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what is read of earlier turns."""
    return [(question[:MAX_QUESTION], told[:MAX_TOLD]) for question, told in turns[-MAX_TURNS:]]


def history_of(turns: Sequence[tuple[str, str]]) -> tuple[Answer, ...]:
    """Return earlier turns as answers, without hits and citations: the history of the next question.

    Args:
        turns: Questions with what was said to each, oldest first; the last `MAX_TURNS` count. Markers, and what
            follows the first empty line, as our lists of quotes, are passed over.
    """
    answers: list[Answer] = []
    for question, told in read_of(turns):
        asked = complete(analyse(question), answers)
        lines = [line for line in map(_plain, told.strip().partition("\n\n")[0].splitlines()) if line]
        lines = [line for line in lines if not line.endswith(_NOTHING)]
        text = "\n".join(lines)[: 2 * MAX_ANSWER]
        verdict: Verdict = "answered"
        if small_talk.reply(question) is not None:
            verdict = "chat"
        elif not text or text.startswith(refusal(asked, ())):
            verdict = "refused"
        answers.append(
            Answer(
                question=question,
                query=asked.query,
                text=text,
                verdict=verdict,
                sentences=tuple(Sentence(line, ()) for line in lines) if verdict == "answered" else (),
                citations=(),
                hits=(),
                confidence=1.0,
                missing=(),
                checks=(),
                timings={},
                models={},
            )
        )
    return tuple(answers)


def _plain(line: str) -> str:
    """Return a line of an answer without markers, and as it was before `rag.answers.escape_markdown`."""
    return read_markers(html.unescape(_ESCAPED.sub(r"\1", line)), MAX_HINTS).text
