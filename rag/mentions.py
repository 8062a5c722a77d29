"""Mentions: the persons, places, organisations and things that a text names, found by rules.

The lexicon knows few names, and cuts the others into single characters. Here neighbouring nouns and unknown
characters are put together again, and the last word of what comes out says what it is: 公司, 会议, 湖. Good enough to
find what 它 stands for; no model, and no claim to find every name.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from rag.folding import fold, is_han
from rag.lexicon import Word, load_lexicon, words_of
from rag.question import ASKING, STOPWORDS

MentionKind = Literal["person", "place", "organisation", "event", "work", "date", "name", "thing"]
MAX_MENTION = 40  # characters; what is longer is a clause, not a name
MAX_TEXT = 600  # characters of a text that are looked at

SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石"
    "廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施洪樊葛伍梅贝蓝农岑习褚卫华俞柳岳殷"
)
# Single characters that never belong to a name that the lexicon lacks.
_BREAKS = frozenset(word for word in STOPWORDS if len(word) == 1) | frozenset(
    "有是在开办建造买卖写唱演说看想问答产获夺赢输打踢跑住走当任谁哪几多何怎吗呢吧呀啊么什都只才请称成立又与或名家届次场座款辆台些只支人岁钱年月日天号"
)
# Verbs that stand before a noun as part of a name: 扩大会议, 累计产销量.
_ATTRIBUTIVE = frozenset(
    """
    扩大 累计 创新 示范 综合 联合 合作 研究 实验 发展 投资 生产 制造
    服务 管理 建设 规划 试验 开放 通用 教育 运营 展览 博览 交流 旅游
    选举 培训 设计 流浪 座谈 代表 表彰 动员 发布 启动 占地 注册 出口
    进口 销售 平均 振兴 主要 主导 体验 监督 应急 救援 保护
    """.split()
)
_MEASURING = ("全长", "总长", "全程", "总计", "共计", "合计")  # 全长多少: how much of what stands before
# Of the verbs, the ones that may also begin a name.
_LEADING = frozenset(
    "扩大 累计 综合 联合 合作 通用 主要 主导 平均 占地 注册 流浪 座谈 表彰 应急 出口 进口 销售 生产".split()
)
_SUFFIXES: tuple[tuple[MentionKind, str], ...] = (
    (
        "event",
        r"会议|大会|论坛|运动会|[亚奥残]运会?|比赛|决赛|联赛|[博展]览会|博览|活动|[开闭]幕式|仪式|峰会|发布会|座谈会|晚会|展会|世界杯|锦标赛|[展节赛杯]",
    ),
    (
        "organisation",
        r"公司|集团|大学|学院|医院|银行|实验室|研究[院所]|委员会|协会|学校|[中小]学|俱乐部|[队厂]|科技|汽车|股份|[党常]委会?|政府|博物馆|[局社]|乘组",
    ),
    ("place", r"[省市县区镇乡村州岛湖河江山海洋港湾城]|国|机场|车站|[桥路街]|高原|盆地|沙漠"),
    ("date", r"\d年|[前去今明]年|\d[月日号]"),
)
_DATE = re.compile(
    r"(?:(?:\d{4}|[〇零一二三四五六七八九]{4})年)?(?:\d{1,2}月\d{1,2}[日号]|[一二三四五六七八九十]{1,2}月[一二三四五六七八九十]{1,3}[日号])"
    r"|(?:\d{4}|[〇零一二三四五六七八九]{4})年(?:\d{1,2}月(?:份|底|初)?|底|初|上半年|下半年)?"
    r"|(?:今|去|前|明|后|大前)年(?:上半年|下半年|底|初)?|上半年|下半年|[上本下]个?(?:季度|周|月)|[一二三四]季度"
    r"|昨天|今天|明天|前天|\d{1,2}月份?|\b(?:1[89]|20)\d\d\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)"
    r"(?: \d{1,2}(?:st|nd|rd|th)?)?"
    r"(?:,? \d{4})?\b|\b(?:last|next|this) (?:year|month|week)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"《[^《》\n]{1,38}》|“[^“”\n]{1,38}”|「[^「」\n]{1,38}」")
_NUMBERED = re.compile(r"第[\d一二三四五六七八九十百]+[届期代批]|[\d一二三四五六七八九十]+号(?:线|楼|院|机)?")
_TITLES = (
    r"书记|主席|总统|总理|部长|省长|市长|县长|区长|局长|厅长|校长|院长|"
    r"所长|董事长|总经理|总裁|主任|教授|院士|记者|导演|教练|队长|工程师|先生|女士"
)
# What somebody or something has.
_PROPERTY = re.compile(
    r"(?:累计|主导|主要|支柱|平均|占地|注册|首任|现任|前任|常住|户籍|总|年|月|历史|第一)*(?:产业|产销量|产量|销量|产值|营收|利润|市值|股价|品牌|"
    r"产品|总部|面积|人口|价格|票价|售价|续航|资本|员工|投资|成本|高度|长度|重量|速度|董事长|总裁|总经理|创始人|负责人|设计师|"
    r"[市省县校院队社]长|书记|主任|主席|导演|主演|作者|教练|冠军|亚军|时间|日期|地点|地址|位置|原因|目标|定位|任务|主题|票房|特产|景点)"
)
_ENGLISH_HEADS = (
    "company|city|meeting|team|school|university|game|robot|museum|river|plan|project|law|bridge|book|film|movie|summit|"
    "conference|country|town|village|factory|airport|hospital|bank|car|model|region|province|election|festival|match|"
    "final|race|report|study|agreement|treaty|war|industry|party|government|committee|council|station|road|railway|ship|"
    "island|lake|mountain|tower|stadium|palace|temple|app|phone|drug|vaccine|virus|disease|planet|telescope|satellite"
)
_ENGLISH_KINDS: tuple[tuple[MentionKind, str], ...] = (
    (
        "event",
        r"(?:meeting|summit|conference|games?|match|final|race|festival|election|cup|league|olympics|championships?)",
    ),
    (
        "organisation",
        r"(?:company|team|school|university|factory|hospital|bank|party|government|committee|council|motors|group|inc|corp|"
        r"institute|club|museum|college|ministry|agency)",
    ),
    ("place", r"(?:city|country|town|village|region|province|island|lake|river|mountain|bay|airport|station|tower)"),
    ("work", r"(?:book|film|movie|novel|report)"),
)
_CAPITALS = re.compile(
    r"[A-Z][\w&.-]*(?:['’](?!s\b)\w+)?(?:\s+(?:(?:of|of the|de|von|du)\s+)?(?:[A-Z][\w&.-]*|\d+\b))*"
)
_DEFINITE = re.compile(
    rf"\b(?:the|this|that)\s+((?:[\w-]+\s+){{0,4}}?(?:{_ENGLISH_HEADS})s?)\b(?:\s+of(?:\s+the)?\s+[A-Z]\w+)?",
    re.IGNORECASE,
)
_NO_NAMES = frozenset(
    (
        "What Which Who Whom Whose When Where Why How Is Are Was Were Do Does Did Has Have "
        "Had Can Could Will Would Should The A An And In On At For From It Its This "
        "That These Those Please Tell So But By He She They There Give List I If Of "
    ).split()
)


@dataclass(frozen=True)
class Mention:
    """Words `[start, end)` of a text that name something. `text` is as written, not folded."""

    text: str
    start: int
    end: int
    kind: MentionKind
    is_name: bool  # of one certain thing, as far as the rules know: 柳州, not 城市


@dataclass(frozen=True)
class Piece:
    """A word of a text, or several that are one, with what the rules make of it."""

    text: str  # folded
    start: int  # in the text as written
    end: int
    tag: str
    asks: bool  # belongs to the words that only ask


@lru_cache(maxsize=512)
def find_mentions(text: str) -> tuple[Mention, ...]:
    """Return what a text names, in order, not overlapping; only its first `MAX_TEXT` characters are looked at."""
    text = text[:MAX_TEXT]
    fixed = [
        Mention(match.group(), match.start(), match.end(), kind, kind == "work")
        for kind, pattern in _FIXED
        for match in pattern.finditer(text)
    ]
    fixed = _apart(fixed)
    has_han = any(map(is_han, text))
    found = list(_han_mentions(text, fixed)) if has_han else list(_latin_mentions(text))
    return tuple(sorted(_apart([*fixed, *found]), key=lambda mention: mention.start))


_FIXED: tuple[tuple[MentionKind, re.Pattern[str]], ...] = (("work", _QUOTED), ("date", _DATE))


def kind_of(folded: str) -> MentionKind:
    """Say by its last word what a name or noun stands for."""
    kinds = _SUFFIXES if any(map(is_han, folded)) else _ENGLISH_KINDS
    return next((kind for kind, pattern in kinds if re.search(rf"(?:{pattern})s?$", folded)), "thing")


@lru_cache(maxsize=512)
def pieces_of(text: str) -> tuple[Piece, ...]:
    """Cut a text into words whose places are those of the text as written."""
    folds = [fold(character) for character in text]
    places = [place for place, folded in enumerate(folds) for _ in folded] + [len(text)]
    folded = "".join(folds)
    asking = [match.span() for match in ASKING.finditer(folded)]
    return tuple(
        Piece(
            word.text,
            places[word.start],
            places[word.end - 1] + 1,
            word.tag,
            any(start <= word.start and word.end <= end for start, end in asking),
        )
        for word in _numbered(folded, words_of(folded))
    )


def _numbered(folded: str, words: Sequence[Word]) -> Iterator[Word]:
    """Put 第十九届 and 二号线 together."""
    spans = [match.span() for match in _NUMBERED.finditer(folded)]
    last = -1
    for word in words:
        span = next(((s, e) for s, e in spans if s <= word.start and word.end <= e), None)
        if span is None:
            yield word
        elif span[0] != last:
            last = span[0]
            yield Word(folded[span[0] : span[1]], *span, "mq", 0.0)


def _apart(mentions: Sequence[Mention]) -> list[Mention]:
    """Leave out what overlaps a mention before it in the list."""
    kept: list[Mention] = []
    for mention in mentions:
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return kept


# -- Chinese ---------------------------------------------------------------------------------------


def _han_mentions(text: str, fixed: Sequence[Mention]) -> Iterator[Mention]:
    run: list[Piece] = []
    pieces = [
        piece
        for piece in pieces_of(text)
        if not any(mention.start < piece.end and piece.start < mention.end for mention in fixed)
    ]
    for place, piece in enumerate(pieces):
        follows = pieces[place + 1] if place + 1 < len(pieces) and _touch(text, piece, pieces[place + 1]) else None
        if run and not _touch(text, run[-1], piece):
            yield from _named(text, run)
            run = []
        if _belongs(run, piece, follows):
            run.append(piece)
        else:
            yield from _named(text, run)
            run = []
    yield from _named(text, run)


def _touch(text: str, left: Piece, right: Piece) -> bool:
    gap = text[left.end : right.start]
    return gap == "" or gap == "·" or (gap == " " and left.text.isascii() and right.text.isascii())


def _belongs(run: Sequence[Piece], piece: Piece, follows: Piece | None) -> bool:
    """Say whether a word goes on with, or begins, the name that `run` holds so far."""
    if piece.asks or not piece.text[0].isalnum():
        return False
    single = len(piece.text) == 1 and is_han(piece.text)
    if single and piece.text in SURNAMES and not run and follows is not None and len(follows.text) == 2:
        return piece.tag[0] in "nq" and follows.tag[0] in "nx"  # 张大山
    if single:
        return _single_belongs(run, piece, follows)
    if piece.text in STOPWORDS or piece.text in _MEASURING or piece.tag[0] in "rpcuydtq":
        return False
    if follows is not None and follows.text in ("了", "过", "着"):
        return False  # 公司裁员了: a verb here
    nominal = follows is not None and (
        _is_nominal(follows) or (len(follows.text) == 1 and (follows.text not in _BREAKS or follows.text in _NUMERALS))
    )
    if piece.text in _ATTRIBUTIVE:
        is_object = bool(run) and follows is not None and follows.tag.startswith("ns")  # 专题研究柳州: no name
        return nominal and not is_object and (bool(run) or piece.text in _LEADING)
    if piece.tag == "mq":
        return True
    if piece.tag[0] in "am":
        return bool(run) and nominal and piece.tag[0] == "a"
    return _is_nominal(piece)


def _single_belongs(run: Sequence[Piece], piece: Piece, follows: Piece | None) -> bool:
    beside = follows is not None and len(follows.text) == 1 and is_han(follows.text) and not follows.asks
    rare = (
        beside and follows is not None and load_lexicon().weight(follows.text) >= RARE and follows.text not in _BREAKS
    )
    if piece.text in "上中大小东西南北" and not run:
        return rare or (beside and follows is not None and follows.tag[0] == "n" and follows.text not in _BREAKS)
    if piece.text in _NUMERALS:
        return rare
    if piece.text in _BREAKS or piece.tag[0] in "uypcr":
        return False
    if run:
        return piece.tag[0] != "v" or len(run[-1].text) == 1
    if piece.tag[0] in "nxj":
        return True
    return beside and follows is not None and follows.text not in _BREAKS


_NUMERALS = "一二三四五六七八九十"
RARE = 10.5  # nats, of a character that is no common word by itself


def _is_nominal(piece: Piece) -> bool:
    return (
        not piece.asks
        and piece.text not in STOPWORDS
        and (piece.tag[0] in "njxbsil" or piece.tag in ("vn", "an", "eng", "zg") or piece.text in _ATTRIBUTIVE)
    )


def _named(text: str, run: Sequence[Piece]) -> Iterator[Mention]:
    """Yield the mentions that a run of words makes: 市长李明华 makes two."""
    run = list(run)
    while run and (run[-1].text in _ATTRIBUTIVE or (run[-1].tag[0] == "a" and len(run[-1].text) > 1)):
        run.pop()
    if not run:
        return
    start = 0
    for place in range(len(run)):
        if place >= start and (end := _person_ends(run, place)) is not None:
            if place > start:
                yield _mention(text, run[start:place])
            yield replace(_mention(text, run[place:end]), kind="person", is_name=True)
            start = end
    for part in _owner_and_owned(text, run[start:]):
        mention = _mention(text, part)
        if len(mention.text) > 1 or is_han(mention.text[0]):
            yield mention


def _owner_and_owned(text: str, run: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """Part 柳州主导产业 into 柳州 and 主导产业: people leave out the 的."""
    for place in range(1, len(run)):
        if _PROPERTY.fullmatch("".join(piece.text for piece in run[place:])) and _mention(text, run[:place]).is_name:
            yield run[:place]
            yield run[place:]
            return
    if run:
        yield run


def _person_ends(run: Sequence[Piece], place: int) -> int | None:
    """Return where a person's name that begins at this word ends, or None; it ends the run, or a title stands by."""
    first = run[place]
    if first.text[0] not in SURNAMES:
        return None
    titled = place > 0 and re.search(rf"(?:{_TITLES})$", run[place - 1].text)
    for end in range(place + 1, min(place + 3, len(run)) + 1):
        length = sum(len(piece.text) for piece in run[place:end])
        last = end == len(run) or bool(re.match(_TITLES, run[end].text))
        others = run[place + 1 : end]
        singles = all(len(piece.text) == 1 for piece in others) or (len(first.text) == 1 and len(others) == 1)
        if not (2 <= length <= 3 and last and singles):
            continue
        if (first.tag.startswith("nr") and (len(first.text) > 1 or end > place + 1)) or (
            (titled or place == 0) and len(first.text) == 1 and length > 1
        ):
            return end
    return None


def _mention(text: str, run: Sequence[Piece]) -> Mention:
    start, end = run[0].start, run[-1].end
    folded = "".join(piece.text for piece in run)
    names = any(piece.tag.startswith(("nr", "ns", "nt", "nz", "x", "mq", "j")) for piece in run if len(piece.text) > 1)
    unknown = any(
        len(left.text) == len(right.text) == 1 and is_han(left.text) and is_han(right.text)
        for left, right in pairwise(run)
    )
    kind = kind_of(folded)
    if kind == "thing" and (run[-1].tag.startswith("ns") or _is_town(run[-1].text)):
        kind = "place"
    is_name = (names or unknown) and folded not in _CLASSES
    if kind == "organisation" and not is_name and re.search(r"(?:科技|汽车)$", folded):
        kind = "thing"
    if kind == "thing" and is_name:
        kind = "name"
    if len(folded) == 1:
        is_name = False
    return Mention(text[start:end], start, end, kind, is_name)


def _is_town(word: str) -> bool:
    return len(word) > 1 and any(word + what in load_lexicon() for what in "省市县")


# What the lexicon calls names, and what says of which kind a thing is.
_CLASSES = frozenset(
    "城市 国家 省份 地区 城区 县城 大学 公司 会议 学校 医院 银行 机场 车站 大会 比赛 活动 球队 政府".split()
)


# -- English ---------------------------------------------------------------------------------------


def _latin_mentions(text: str) -> Iterator[Mention]:
    for match in _DEFINITE.finditer(text):
        folded = fold(match.group())
        yield Mention(match.group(), match.start(), match.end(), kind_of(folded), True)
    for match in _CAPITALS.finditer(text):
        start, words = match.start(), match.group().split()
        while words and words[0] in _NO_NAMES:
            start = text.index(words.pop(0), start)
            start = re.compile(r"\S+\s*").match(text, start).end()  # type: ignore[union-attr]
        name = " ".join(words)
        if not name or text[start : start + len(name)] != name:
            continue
        name = name.rstrip(".")
        kind = kind_of(fold(name))
        if kind == "thing":
            kind = "place" if re.search(r"\b(?:in|at|from|of)\s+$", text[:start]) else "name"
        yield Mention(name, start, start + len(name), kind, True)
