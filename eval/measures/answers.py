"""Measures of an answer's words against the gold answers.

A gold answer is a string, or a list of strings which must all be said. Every measure takes the best of
the alternatives. `*_normalised` callers pass texts through eval.normalisation first.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from eval.normalisation import holds, normalise, tokens
from rag.folding import is_han

Gold = str | Sequence[str]

# The punctuation that CMRC2018's evaluation leaves out.
_CMRC_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_WORD = re.compile(r"\d[\d.,]*\d|\w+|[^\w\s]")
# Between items; not inside numbers (3.5, 30,000), nor in words such as 共和国 and 和谐.
_SEPARATOR = re.compile(
    r"[、，；;。！？!?\n]|(?<!\d)[,.]|[,.](?!\d)|以及|\band\b"
    r"|(?<=[\u4e00-\u9fff”’」』》）])(?<!共)(?<!缓)(?<!温)(?<!总)(?<!参)(?<!给)(?<!涉)(?<!以)[和与及](?![平谐解睦约蔼时其格])"
)


def best(measure: Callable[[str, str], float], answer: str, golds: Sequence[Gold]) -> float:
    """Return the best value of a measure over the gold answers; the parts of a list are joined."""
    return max((measure(answer, flat(gold)) for gold in golds), default=0.0)


def flat(gold: Gold) -> str:
    """Return a gold answer as one string."""
    if isinstance(gold, str):
        return gold
    return ("、" if any(map(is_han, "".join(gold))) else ", ").join(gold)


# -- Chinese ---------------------------------------------------------------------------------------


def cmrc_segments(text: str) -> list[str]:
    """Return Chinese characters one by one and other words whole, lower case, without punctuation.

    CMRC2018's script cuts words with NLTK; here a word is a run of letters or digits, which differs only at
    English contractions.
    """
    segments: list[str] = []
    run = ""
    for character in text.lower().strip():
        if character in _CMRC_PUNCTUATION:
            continue  # a run goes on behind it, as in the script: 2008-2010 is one segment
        if is_han(character):
            segments += [*_WORD.findall(run), character]
            run = ""
        else:
            run += character
    return segments + _WORD.findall(run)


def cmrc_exact(answer: str, gold: str) -> float:
    """Return 1 where both are equal but for case and punctuation.

    Source: Cui et al., "A Span-Extraction Dataset for Chinese Machine Reading Comprehension", EMNLP 2019;
        `calc_em_score` of its evaluation script.
    """
    return float(_without_punctuation(answer) == _without_punctuation(gold))


def cmrc_f1(answer: str, gold: str) -> float:
    """Return the F1 of the longest run of segments that both have in common.

    Source: as `cmrc_exact`; `calc_f1_score`. The run is contiguous ("longest common substring").
    """
    said, wanted = cmrc_segments(answer), cmrc_segments(gold)
    common = _longest_common_run(said, wanted)
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def character_f1(answer: str, gold: str) -> float:
    """Return the F1 of the bags of characters, punctuation and white space left out.

    Source: the F1 of SQuAD (Rajpurkar et al., EMNLP 2016) over characters, as common for Chinese.
    """
    return _bag_f1(
        [character for character in answer.lower() if character.isalnum()],
        [character for character in gold.lower() if character.isalnum()],
    )


# -- English ---------------------------------------------------------------------------------------


def squad_exact(answer: str, gold: str) -> float:
    """Return 1 where both are equal but for case, punctuation, articles and white space. Source: `squad_f1`."""
    return float(_squad_words(answer) == _squad_words(gold))


def squad_f1(answer: str, gold: str) -> float:
    """Return the F1 of the bags of words.

    Source: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", EMNLP 2016;
        its evaluation script, version 1.1.
    """
    return _bag_f1(_squad_words(answer), _squad_words(gold))


# -- Either language -------------------------------------------------------------------------------


def exact(answer: str, gold: str) -> float:
    """Return `cmrc_exact` where the answer or the gold has Chinese characters, else `squad_exact`."""
    return (cmrc_exact if any(map(is_han, answer + gold)) else squad_exact)(answer, gold)


def f1(answer: str, gold: str) -> float:
    """Return `cmrc_f1` where the answer or the gold has Chinese characters, else `squad_f1`."""
    return (cmrc_f1 if any(map(is_han, answer + gold)) else squad_f1)(answer, gold)


def normalised(measure: Callable[[str, str], float]) -> Callable[[str, str], float]:
    """Return a measure that compares texts after normalisation."""
    return lambda answer, gold: measure(normalise(answer), normalise(gold))


def contains(answer: str, golds: Sequence[Gold]) -> float:
    """Return 1 where an answer holds a gold answer to the letter; of a list, every part."""
    return float(any(all(part in answer for part in parts(gold)) for gold in golds))


def is_right(answer: str, golds: Sequence[Gold]) -> bool:
    """Say whether an answer holds a gold answer after normalisation; of a list, every part."""
    return any(all(holds(answer, part) for part in parts(gold)) for gold in golds)


def parts(gold: Gold) -> Sequence[str]:
    """Return what must all be said for a gold answer."""
    return [gold] if isinstance(gold, str) else gold


def list_scores(answer: str, golds: Sequence[Gold]) -> tuple[float, float]:
    """Return the precision and recall of the items of an answer, for the gold list they fit best.

    The items of an answer are cut at commas, 、, semicolons, full stops and "and". An item is right where
    it holds a gold item or stands in one. Recall counts the gold items that the whole answer holds.
    """
    items = [item for item in _SEPARATOR.split(answer) if tokens(item)]
    scores = []
    for gold in golds:
        wanted = parts(gold)
        found = sum(holds(answer, part) for part in wanted)
        fitting = sum(any(holds(item, part) or holds(part, item) for part in wanted) for item in items)
        scores.append((fitting / len(items) if items else 0.0, found / len(wanted) if wanted else 0.0))
    return max(scores, key=lambda score: (score[1], score[0]), default=(0.0, 0.0))


def _without_punctuation(text: str) -> str:
    return "".join(character for character in text.lower().strip() if character not in _CMRC_PUNCTUATION)


def _longest_common_run(one: Sequence[str], other: Sequence[str]) -> int:
    longest = 0
    before = [0] * (len(other) + 1)
    for segment in one:
        now = [0] * (len(other) + 1)
        for at, against in enumerate(other, 1):
            if segment == against:
                now[at] = before[at - 1] + 1
                longest = max(longest, now[at])
        before = now
    return longest


def _squad_words(text: str) -> list[str]:
    text = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def _bag_f1(said: Iterable[str], wanted: Iterable[str]) -> float:
    one, other = Counter(said), Counter(wanted)
    common = sum((one & other).values())
    if not one.total() or not other.total():
        return float(one == other)
    precision, recall = common / one.total(), common / other.total()
    return 2 * precision * recall / (precision + recall) if common else 0.0
