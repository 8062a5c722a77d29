"""Polarity: whether a sentence negates what its source says, or turns a rise into a fall, or the other way round.

Rules: what stands behind a negation, and what stands beside a word of direction, is compared. A negation that is
expressed by another word than those listed here is not seen.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from rag.alignment import ENDS, Block, Inside, Problem, Text, shown, weights_of
from rag.lexical import stem

# 不断 and the like are no negation, and may be left out.
CUE = re.compile(
    r"(?P<han>(?P<cue>并非|没有|没能|无法|无需|毫无|从未|尚未|并未|绝不|决不|不(?![断仅但过久管论只光止折时])|没(?!收)|未(?![来必央])"
    r"|无(?!论|线|人机|锡)|非(?![常洲法凡典正])|勿|莫(?!斯科|桑)|否认|拒绝|禁止)(?:能|会|可以|可|再|得|将|要|曾|有|被|是|必|该|应|愿|想|肯|敢)*)"
    r"|(?P<latin>\b(?:not|never|no(?!\.? ?\d)|without|cannot|nor|neither|unable|refus\w+|den(?:y|ies|ied)|fail\w*)\b"
    r"|n['’]t\b)"
)
CUE_END = re.compile(r"(?:并非|没有|无法|从未|尚未|并未|不|没|未)$")
_SKIPPED = frozenset(
    "be been being is are was were have has had do does did to the a an any yet really ever longer will would can "
    "could that this their his her its of in on at for it".split()
)
OPPOSITES = tuple(
    (frozenset(one.split("/")), frozenset(other.split("/")))
    for one, _, other in (
        pair.partition("|")
        for pair in (
            "上升/上涨/增长/增加/提高/提升/攀升/增至/升至/升高/飙升/扩大/走高/回升/增多/上调|下降/下跌/减少/降低/下滑/降至/跌至/下调/缩小/缩减/走低/回落/减至/削减",
            "同比|环比",
            "上半年|下半年",
            "去年|今年/明年",
            "昨天/昨日|今天/今日/明天/明日",
            "上周|本周/下周",
            "上月/上个月|本月/下月/下个月",
            "yesterday|today/tomorrow",
            "超过/超出/高于/多于/大于|低于/少于/不足/不到/未到/小于",
            "以上|以下",
            "之前/以前|之后/以后",
            "最大/最多/最高|最小/最少/最低",
            "支持/赞成/同意/承认/允许/批准/接受|反对/拒绝/否认/禁止/否决/驳回",
            "加快/加速|放慢/减缓/放缓",
            "扩张/放宽/放松|收缩/收紧",
            "进口|出口",
            "开始/启动|结束/停止",
            "领先|落后",
            "盈利|亏损",
            "加强/增强|削弱/减弱",
            "恶化|改善/好转",
            "胜/战胜/击败/获胜|负/败给/输给/落败/失利",
            "加入|退出",
            "开放/开门/重新开放|关闭/闭馆/关门",
            "rise/rose/risen/increase/grow/grew/growth/up/gain/climb/surge/higher|fall/fell/fallen/decrease/decline/shrink/shrank/down/drop/lower",
            "more/above/over/most|less/fewer/below/under/least",
            "before|after",
            "first|last",
            "support/accept/allow/approve/confirm|oppose/reject/ban/deny",
            "win/won/beat|lose/lost",
            "open|close",
            "start/begin/began|end/finish/stop",
            "largest/biggest/highest|smallest/lowest",
        )
    )
)  # fmt: skip


def _negated(text: Text) -> tuple[set[str], set[str]]:
    """Return what is negated and what is said plainly: pairs of Chinese characters, and stems, behind cues and not."""
    behind: set[int] = set()  # places of the folded text right behind a cue
    cues: list[tuple[int, int]] = []
    for found in CUE.finditer(text.folded):
        cues.append(found.span())
        behind |= {found.end("cue") if found["cue"] else found.end(), found.end()}
    negated: set[str] = set()
    plain: set[str] = set()
    starts = text.token_starts
    marked: set[int] = set()
    for at in behind:
        number = bisect_left(starts, at)
        gap = text.folded[at : text.tokens[number].start] if number < len(text.tokens) else "，"
        if any(sign in ENDS or sign in "，,：:" for sign in gap):
            continue
        while number < len(text.tokens) - 1 and not text.tokens[number].han and text.tokens[number].text in _SKIPPED:
            number += 1
        marked.add(number)
    inside = Inside(cues, range(len(text.folded) + 1))
    for number, token in enumerate(text.tokens):
        word = _pair(text, number)
        if not word:
            continue
        if number in marked:
            negated.add(word)
        elif not inside(token.start):
            plain.add(word)
    return negated, plain


def _pair(text: Text, number: int) -> str:
    token = text.tokens[number]
    if not token.han:
        return "" if token.text in _SKIPPED or len(token.text) < 3 else token.text
    following = text.tokens[number + 1] if number + 1 < len(text.tokens) else None
    return token.text + (following.text if following and following.han and following.start == token.end else "")


def flipped(said: Text, given: Text) -> Iterator[Problem]:
    """Yield what the sentence negates and the source says, and the other way round."""
    negated, plain = _negated(said)
    source_negated, source_plain = _negated(given)
    for word in sorted(negated & source_plain - source_negated):
        yield Problem("negation", word, word)
    for word in sorted((plain - negated) & source_negated - source_plain):
        yield Problem("negation", word, word)


def lost_cues(said: Text, given: Text, blocks: Sequence[Block]) -> Iterator[Problem]:
    """Yield where words are taken from behind a negation of the source without it, or put behind one."""
    mine, theirs = _Cues(said), _Cues(given)
    weights = weights_of(said)
    for block in blocks:
        if not any(weights[block.here : block.here + block.size]):
            continue
        here, there = mine.before(block.here), theirs.before(block.there)
        if bool(here) == bool(there) or _stands_elsewhere(said, given, block, bool(here), theirs):
            continue
        end = min(block.here + block.size, block.here + 4)
        words = shown(said, said.tokens[block.here].start, said.tokens[end - 1].end)
        yield Problem("negation", here + words, there + words)


def _stands_elsewhere(said: Text, given: Text, block: Block, negated: bool, cues: "_Cues") -> bool:
    """Say whether the beginning of a block stands at another place of the source too, negated or not as wanted."""
    wanted = [token.text for token in said.tokens[block.here : block.here + min(block.size, 4)]]
    for place in given.pairs.get((wanted[0], wanted[1]), ()):
        there = [token.text for token in given.tokens[place : place + len(wanted)]]
        if there == wanted and bool(cues.before(place)) == negated:
            return True
    return False


class _Cues:
    """Says which tokens of a text stand right behind a negation, or in it."""

    def __init__(self, text: Text) -> None:
        self._text = text
        spans = [found.span() for found in CUE.finditer(text.folded)]
        self._starts, self._ends = [start for start, _ in spans], [end for _, end in spans]

    def before(self, at: int) -> str:
        """Return the words of the negation before a token; "" where there is none."""
        start = self._text.tokens[at].start
        found = bisect_left(self._starts, start) - 1
        if found < 0:
            return ""
        end = self._ends[found]
        skipped = self._text.folded[min(end, start) : start].split()
        if end < start and (len(skipped) > 3 or any(word not in _SKIPPED for word in skipped)):
            return ""
        return self._text.folded[self._starts[found] : end]


def direction_words(text: Text) -> Iterator[tuple[str, int, int]]:
    """Yield each direction word with its place in the folded text."""
    for found in _DIRECTION.finditer(text.folded):
        word = found.group()
        yield (stem(word) if word.isascii() else word), found.start(), found.end()


_ALL_WORDS = sorted({word for pair in OPPOSITES for side in pair for word in side}, key=len, reverse=True)
_DIRECTION = re.compile(
    "|".join(word for word in _ALL_WORDS if not word.isascii())
    + r"|\b(?:" + "|".join(word for word in _ALL_WORDS if word.isascii()) + r")(?:s|d|ed|es|ing)?\b"
)  # fmt: skip
SIDE_OF = {
    (stem(word) if word.isascii() else word): (number, side)
    for number, pair in enumerate(OPPOSITES)
    for side, words in enumerate(pair)
    for word in words
}


def _beside(text: Text, start: int, end: int) -> set[str]:
    """Return what stands beside a direction word: two tokens before and behind, and the number that follows."""
    starts = text.token_starts
    first, last = bisect_left(starts, start), bisect_left(starts, end)
    before, behind = text.tokens[max(0, first - 2) : first], text.tokens[last : last + 2]
    found = {"<" + "".join(token.text for token in before), ">" + "".join(token.text for token in behind)}
    return {one for one in found if len(one) > 1}


def turned(said: Text, given: Text) -> Iterator[Problem]:
    """Yield direction words where the source has the opposite."""
    mine = list(direction_words(said))
    if not mine:
        return
    theirs = [
        (word, SIDE_OF[word], _beside(given, start, end))
        for word, start, end in direction_words(given)
        if word in SIDE_OF
    ]
    for word, start, end in mine:
        if word not in SIDE_OF:
            continue
        number, side = SIDE_OF[word]
        same = [beside for _, where, beside in theirs if where == (number, side)]
        opposite = [(other, beside) for other, where, beside in theirs if where == (number, 1 - side)]
        here = _beside(said, start, end)
        near = [other for other, beside in opposite if here & beside]
        if opposite and (not same or (near and not any(here & beside for beside in same))):
            yield Problem("direction", shown(said, start, end), (near or [opposite[0][0]])[0])
        elif not same and not given.has(word) and _is_change(number):
            yield Problem("direction", shown(said, start, end))


def _is_change(number: int) -> bool:
    return "上升" in OPPOSITES[number][0]
