"""Drafts: from the raw words of a language model, in pieces, to sentences without thoughts, markers or mark-up.

Nothing here knows a model or a passage. All of it works while the words arrive, in memory bounded by the caller.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import ModelError

LONGEST = 2000  # characters of a sentence; one that does not end there is given out as it is
# How models begin and end what they think before they answer, in small letters.
THOUGHTS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "<|channel|>analysis": "<|channel|>final<|message|>",
    "<|channel|>commentary": "<|channel|>final<|message|>",
    "<|channel>thought": "<channel|>",
}
_MARKS = (*THOUGHTS, *dict.fromkeys(THOUGHTS.values()))

_CLOSERS = "”’」』）)》〉\"'"
_CIRCLED = "①-⑳㉑-㉟㊱-㊿❶-❿"
_NUMBER = r"\^?\s*\d{1,3}"
_BRACKETED = (
    rf"[\[【［]\s*(?i:来源|來源|段落|passage|source)?\s*{_NUMBER}(?:\s*[-–—~～至,，、;；]\s*{_NUMBER})*\s*"
    r"(?:†[^\]】］]{0,60})?[\]】］]"
)
# A circled number before words numbers them: ①工业名城. After words, it is a marker.
_MARKER = re.compile(rf"\s*(?:{_BRACKETED}|(?<=[^\s{_CIRCLED}])[{_CIRCLED}]+(?=[\s。，、；：！？,.;:!?\[【［]|$))")
_SET_APART = rf"(?:{_BRACKETED}|[{_CIRCLED}](?=[\s{_CIRCLED}\[【［]))"  # markers after the end of a sentence
_NEXT = (
    rf"(?=[^\s。！？!?….{_CLOSERS}\[【［{_CIRCLED}]|[\[【［][^\d\s^来來段PpSs]"
    rf"|[{_CIRCLED}][^\s{_CIRCLED}\[【［])"
)
_AFTER = rf"[{_CLOSERS}]*+(?:\s*{_SET_APART})*+\s*"
_END = re.compile(
    rf"(?<![。！？!?…])[。！？!?…]++{_AFTER}{_NEXT}"
    rf"|\.(?=[{_CLOSERS}]*(?:\s|{_SET_APART})){_AFTER}(?=[A-Z0-9“‘(\u3400-\u9fff])"
    rf"|\n(?:\s*{_SET_APART})*\s*{_NEXT}"
)
_SPACE = re.compile(r"\s+")
_NO_END = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|No|Jr|Sr|Inc|Ltd|Co|e\.g|i\.e|[A-Z])|^\s*\d+)\.$")
_BULLET = re.compile(rf"^\s*(?:[-*•]\s+|#+\s+|>\s*|\d{{1,2}}[.)]\s+|[{_CIRCLED}]\s*)+")
_MARKUP = re.compile(r"\*\*|__|```\w*|`")
_RANGE = re.compile(r"\^?\s*(\d+)(?:\s*[-–—~～至]\s*\^?\s*(\d+))?")


class ThoughtFilter:
    """Leaves out what a model thinks aloud, wherever the pieces of its reply are cut."""

    def __init__(self) -> None:
        """Begin outside of a thought."""
        self._held = ""  # what may be the beginning of a mark
        self._close = ""  # the mark that ends the thought we are in; "" outside
        self._given = False  # whether words were given out

    def feed(self, piece: str) -> str:
        """Return what of the text so far is no thought and was not returned yet.

        Raises:
            ModelError: A thought ends that never began, after words of it were given out.
        """
        text, given = self._held + piece, []
        while True:
            wanted = [self._close] if self._close else list(_MARKS)
            lowered = text.lower()
            found = [(at, -len(mark), mark) for mark in wanted if (at := lowered.find(mark)) >= 0]
            if not found:
                break
            at, _, mark = min(found)
            before, text = text[:at], text[at + len(mark) :]
            if self._close:
                self._close = ""
            elif mark in THOUGHTS:
                given.append(before)
                self._close = THOUGHTS[mark]
            elif self._given or "".join(given).strip():
                raise ModelError(
                    "The model thinks aloud and only says so afterwards (a </think> without its <think>). Switch its "
                    "thinking off, or start its server with the reasoning parser that fits it.",
                    "模型把思考过程写进了回答，事后才标明（有 </think> 而没有 <think>）。请关闭它的思考模式，"
                    "或者在启动服务器时选用合适的推理解析器。",
                )
        kept = _beginning_of_mark(text, wanted)
        self._held = text[len(text) - kept :]
        if not self._close:
            given.append(text[: len(text) - kept])
        return self._give("".join(given))

    def finish(self) -> str:
        """Return what was held back; an unclosed thought is left out."""
        held, self._held = self._held, ""
        return "" if self._close else self._give(held)

    def _give(self, text: str) -> str:
        self._given = self._given or bool(text.strip())
        return text


def _beginning_of_mark(text: str, marks: Sequence[str]) -> int:
    """Return how many characters at the end of `text` may be the beginning of a mark."""
    lowered = text[-max(map(len, marks)) :].lower()
    return max((size for mark in marks for size in range(1, len(mark)) if lowered.endswith(mark[:size])), default=0)


class SentenceSplitter:
    """Gives out each sentence on one line, with the markers after it, once the next one begins."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._text = ""

    def feed(self, piece: str) -> list[str]:
        """Return the sentences that this piece makes complete."""
        # White space is put together at once: the patterns would go back and forth over a long run of it.
        self._text = _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", self._text + piece)
        sentences, start = [], 0
        for end in _END.finditer(self._text):
            first = self._text[start : end.start() + 1]
            if first.endswith(".") and _NO_END.search(first):
                continue
            sentences.append(" ".join(self._text[start : end.end()].split()))
            start = end.end()
        self._text = self._text[start:]
        if len(self._text) > LONGEST:
            sentences += self.finish()
        return [sentence for sentence in sentences if sentence]

    def finish(self) -> list[str]:
        """Return what is left, as the last sentence."""
        left, self._text = " ".join(self._text.split()), ""
        return [left] if left else []


@dataclass(frozen=True)
class Marked:
    """A sentence without its markers."""

    text: str
    numbers: tuple[int, ...]  # what the markers name and there is, each once, in their order
    invented: int  # markers that name what there is not


def read_markers(sentence: str, count: int) -> Marked:
    """Take the markers of passages 1 to `count` out of a sentence, in whatever form a model writes them.

    Known forms: [1] [1,2] [1-3] [^1] 【1】 【1†source】 ［１］ and, after words, ①.
    """
    numbers: list[int] = []
    invented = 0
    for match in _MARKER.finditer(sentence):
        for first, last in _named(match[0]):
            there = range(max(first, 1), min(last, count) + 1)
            numbers += [number for number in there if number not in numbers]
            invented += first < 1 or last > count
    return Marked(_MARKER.sub("", sentence).strip(), tuple(numbers), invented)


def _named(marker: str) -> list[tuple[int, int]]:
    """Return the numbers of a marker as ranges, first and last included."""
    circled = [_circled_number(character) for character in marker.strip()]
    if all(circled):
        return [(number, number) for number in circled]
    found = [(int(first), int(last or first)) for first, last in _RANGE.findall(marker.partition("†")[0])]
    return [(min(pair), max(pair)) for pair in found]


def _circled_number(character: str) -> int:
    """Return the number of a circled digit, 0 of any other character."""
    for first, last, number in (("①", "⑳", 1), ("㉑", "㉟", 21), ("㊱", "㊿", 36), ("❶", "❿", 1)):
        if first <= character <= last:
            return ord(character) - ord(first) + number
    return 0


def without_markup(sentence: str) -> str:
    """Return a sentence without what Markdown puts before and around its words, on one line."""
    return " ".join(_MARKUP.sub("", _BULLET.sub("", sentence)).split())
