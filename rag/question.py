"""Questions: what one asks for, and the words that say about what. Rules, no model."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

from rag.enumeration import value_of
from rag.errors import Language
from rag.folding import fold, is_han
from rag.lexicon import Word, load_lexicon, words_of

Kind = Literal["person", "date", "number", "place", "reason", "manner", "list", "yes-no", "fact"]

# The first pattern that is found decides, so the narrower kinds stand first.
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("reason", r"为什么|为何|为啥|何以|什么原因|原因是什么|\bwhy\b|\bfor what reason\b"),
    (
        "date",
        r"什么时候|什么时间|啥时候?|何时|何日|星期几|周几|礼拜几|几点|几时|哪[一两几]?[天年月日]|哪个月|几月几[日号]|几[月号日]|哪年|什么年代|日期是"
        r"|\bwhen\b|\b(?:what|which) (?:date|day|year|month|time)\b",
    ),
    ("list", r"哪[两二三四五六七八九十\d几]"),
    (
        "number",
        r"多少|(?<![近这前好十])几(?![乎何经许])|多[大高长远重快久深宽]"
        r"|\bhow (?:many|much|long|far|old|large|big|tall|often)\b|\bwhat (?:percentage|share|number|amount)\b",
    ),
    (
        "place",
        r"哪里|哪儿|何处|何地|什么地方|在哪|到哪|去哪|从哪|来自哪|哪个(?:城市|地方|省|国家|地区|区|县)"
        r"|\bwhere\b|\b(?:which|what) (?:city|country|place|region|province|state)\b",
    ),
    (
        "list",
        r"哪些|有什么|都有啥|有啥|分别(?:是|为)|包括什么"
        r"|\bwhat are\b|\bwhich (?:ones|two|three|four|five)\b|\blist\b",
    ),
    ("person", r"谁|哪一?位|何人|什么人|[人员长师家者手授士](?:们)?的?(?:叫什么|名字)|姓什么|姓名|\bwho(?:m|se)?\b"),
    ("manner", r"怎么|怎样|如何|咋|\bhow\b"),
    ("yes-no", r"吗|是否|是不是|有没有|能不能|会不会|对不对|^(?:is|are|was|were|do|does|did|has|have|can|will)\b"),
)
ASKING = re.compile(
    r"为什么|为何|为啥|是?(?:什么原因|什么时候|什么时间|什么地方|什么样的?|什么|啥时候?|啥)|什么是|何时|何地|何处|何人"
    r"|哪一?[天年月日位个]|哪里|哪儿|哪些|哪几个?|哪[两二三四五六七八九十]个?|哪|谁"
    r"|多少|(?<![近这前好十])几(?![乎何经许])[号月日天年个]?|多[大高长远重快久深宽]|怎么样?|怎样|如何|咋|是否|是不是|有没有|能不能"
    r"|分别|请问|告诉我|请|吗|呢|吧|呀|啊|文中|文章(?:中|里)?|报道(?:中|里)?|原文"
    r"|\b(?:what|which|who|whom|whose|when|where|why|how|many|much|please|tell me)\b"
)
STOPWORDS = frozenset(
    """
    的 了 和 是 在 有 就 都 而 及 与 着 或 一个 没有 我们 你们 他们 它们 我 你 他 她
    它 这 那 这个 那个 这些 那些 这里 那里 之 其 并 并且 而且 但 但是 然而 因为 所以 如果
    虽然 不过 以及 以 于 对 对于 关于 从 到 向 由 被 把 将 会 能 可以 可 要 应 应该 也
    还 又 再 很 更 最 太 已 已经 正在 曾 上 下 中 里 内 外 前 后 时 当 则 使 让 给
    跟 同 等 各 每 某 该 此 本 个 位 名 种 次 项 件 条 所 者 自 自己 其中 进行 表示
    据 一下 一 两 为 做 来 去 说 叫 用 地 得 过 二 三 四 五 六 七 八 九 十
    a an the of in on at to for from by with and or is are was were be been being do does did has
    have had it its this that these those there as about into than then he she they them his her
    their i you we me my your our can could will would should may might s t not no
    """.split()
)
_NUMERALS = "零〇一二两三四五六七八九十百千万亿"
_PROMISE = re.compile(
    # 一个 promises nothing: 一 alone is an article.
    rf"(?!一[^十百千万亿])(?P<number>\d+|[{_NUMERALS[2:]}]+)(?P<unit>大|个|项|种|条|方面|点|重|类)(?=(?P<noun>[\u4e00-\u9fff]{{2}}))"
)
MONEY = "money"
_MONEY = re.compile(r"多少钱|价格|售价|花费|造价|\bhow much\b.*\b(?:cost|pa(?:y|id)|spen[dt]|worth|price)\b|\bprice\b")
_UNIT = re.compile(
    r"(?:多少|几)(小时|分钟|秒钟?|公里|平方|公斤|个月|年|天|月|日|个|家|人|台|辆|次|岁|元|吨|亩|米|项|条|种|名|位|届|大|座|所|间|艘|架|件|套|户|倍)"
)
_DATE_UNITS = (
    ("year", r"哪一?年|几几年|哪年|年份|\b(?:what|which) year\b"),
    ("weekday", r"星期几|周几|礼拜几|\b(?:what|which) day of the week\b"),
    ("hour", r"几点|什么钟点|几时|\bwhat time\b"),
    ("month", r"哪个?月|几月(?!几)|\b(?:what|which) month\b"),
    ("day", r"哪一?[天日]|何日|几[日号]|几月几|\b(?:what|which) (?:day|date)\b"),
)
_ASKED_COUNT = re.compile(
    rf"哪([{_NUMERALS[3:]}\d]+)|\b(?:which|what) (two|three|four|five|six|seven|eight|nine|ten)\b"
)
# 哪几个, 什么, which: what follows says what kind of thing is wanted, or what stands before it.
_ASKS_NOUN = re.compile(
    rf"(?:哪(?:些|[{_NUMERALS[3:]}几\d]*[个家座所位名部份项种条类届场款支只间])|(?:是|叫)?什么|哪[几{_NUMERALS[3:]}]?)"
    r"|\b(?:what|which)(?P<english>(?: [a-z]+){1,4})"
)
_ENGLISH_STOPS = frozenset(
    "is are was were be been did do does has have had can could will would should may might of in on at to for with by"
    " from".split()
)
ASKED_WORDS = frozenset(
    "时候 时间 地方 原因 样 人 样子 意思 事 事情 东西".split()
)  # say no more than the asking word itself
_TAG_FACTORS = {"n": 1.0, "v": 0.8, "a": 0.7, "m": 0.6, "d": 0.3, "x": 1.1, "t": 0.8, "i": 0.9, "l": 0.9, "j": 1.0}
_NOMINAL = "njgmbaxtsqz"  # first letters of the parts of speech that names are made of
_UNNAMED = "xv"  # tag of single characters in a row that are no name
UNKNOWN_WEIGHT = 16.0  # nats, of a word the lexicon lacks
MAX_WEIGHT = 16.0
LATIN_WEIGHT = 10.0  # nats, of a word in Latin letters or digits: the lexicon has none of them
MAX_FOCUS_GAP = 1  # characters between the asking word and the word it asks about
INHERITED_FACTOR = 0.5  # of the weight of a word that comes from an earlier question


@dataclass(frozen=True)
class Term:
    """A word of the question that an answer's surroundings should hold. `weight` is larger for telling words."""

    text: str  # folded
    weight: float
    is_name: bool  # the name of somebody or something, as far as the lexicon knows
    is_verb: bool = False  # verbs are put in other words more often than nouns
    focus: bool = False  # what is asked about: next to the asking word (定位 in 四大定位是什么)
    inherited: bool = False  # from an earlier question of the conversation


@dataclass(frozen=True)
class Promise:
    """A number of things that the question takes for given: 四 + 大 + 定位."""

    number: str
    unit: str
    noun: str

    @property
    def text(self) -> str:
        """The words as asked, folded."""
        return self.number + self.unit + self.noun


@dataclass(frozen=True)
class Asked:
    """A question, understood. `query` is what is searched for; `terms` are in the order of the question."""

    question: str
    query: str
    kind: Kind
    language: Language
    terms: tuple[Term, ...]
    promises: tuple[Promise, ...]
    numbers: tuple[str, ...]  # Arabic numbers of the question
    unit: str  # what is counted, where the question names it beside the asking word: 辆 in 多少辆; else ""
    wanted: str = ""  # the noun that names the kind of thing asked for, folded: 区县 in 哪几个区县; "" where none does
    count: int = 0  # how many things are asked for: 2 in 哪两家企业, 4 in 四大定位; 0 where it is not said


_POSSESSIVE = re.compile(r"(?<=[A-Za-z0-9])['’]s\b")


def analyse(question: str) -> Asked:
    """Say what a question asks for and which words tell about what."""
    plain = _POSSESSIVE.sub("", question)  # Liuzhou's is said where Liuzhou is
    folded = fold(plain)
    language: Language = "zh" if any(map(is_han, folded)) else "en"
    promises = tuple(Promise(*match.group("number", "unit", "noun")) for match in _PROMISE.finditer(folded))
    kind: Kind = next((kind for kind, pattern in _KINDS if re.search(pattern, folded)), "list" if promises else "fact")
    numbers = tuple(re.findall(r"\d+(?:\.\d+)?", folded))
    # A capital letter within an English question marks a name.
    names = {fold(name) for name in re.findall(r"(?<=\s)[A-Z][\w'-]+", plain)}
    unit = _date_unit(folded) if kind == "date" else _unit(folded)
    wanted = _wanted(folded)
    count = _count(folded, [promise for promise in promises if not wanted or wanted in promise.noun])
    return Asked(question, question, kind, language, _terms(folded, names), promises, numbers, unit, wanted, count)


def _date_unit(folded: str) -> str:
    """Return how exactly a time is asked for: year, month, day, weekday or hour; "" where any time will do."""
    return next((unit for unit, pattern in _DATE_UNITS if re.search(pattern, folded)), "")


def _count(folded: str, promises: Sequence[Promise]) -> int:
    found = _ASKED_COUNT.search(folded)
    return value_of(next(filter(None, found.groups()))) if found else value_of(promises[0].number) if promises else 0


def _wanted(folded: str) -> str:
    """Return the noun beside the asking word that says what kind of thing is wanted."""
    found = _ASKS_NOUN.search(folded)
    if found is None:
        return ""
    if found["english"]:
        words = re.findall(r"[a-z]+", found["english"])
        stop = next((at for at, word in enumerate(words) if word in _ENGLISH_STOPS), len(words))
        return words[min(stop, 2) - 1] if words and stop else ""
    behind = _nouns(folded[found.end() : found.end() + 12], from_end=False)
    return behind or _nouns(folded[max(0, found.start() - 12) : found.start()], from_end=True)


def _nouns(run: str, from_end: bool) -> str:
    """Return the last noun of the nouns that a run of characters begins with, or of those before its 是, 有, 为."""
    if from_end:
        run = re.split(
            r"[,，。、;；:：?？!！]", re.sub(r"(?:[都又还]|分别|具体|主要|是|有|为|指|叫做?|包括)+$", "", run)
        )[-1]
    words = list(words_of(run))
    if from_end:
        words.reverse()
    nouns = []
    for word in words:
        is_noun = word.tag[0] in "njxs" or word.tag in ("vn", "an", "b")
        if not is_noun or word.text in ASKED_WORDS or not word.text.isalnum():
            break
        nouns.append(word.text)
    return (nouns[0] if from_end else nouns[-1]) if nouns else ""


def _unit(folded: str) -> str:
    """Return what a question counts, or "": 辆 of 多少辆车, but not 座 of 多少座位; `money` where it asks for money."""
    if _MONEY.search(folded):
        return MONEY
    found = _UNIT.search(folded)
    if not found:
        return ""
    # The end of the question ends the slice early: it is then the unit itself, which counts.
    longer = folded[found.start(1) : found.end() + 1]
    return "" if longer != found[1] and longer in load_lexicon() else found[1]


def _terms(folded: str, names: Set[str]) -> tuple[Term, ...]:
    """Return the words that carry meaning, each once, without the words that only ask."""
    found: dict[str, Term] = {}
    focus = ""
    runs = ASKING.sub("\n", folded).split("\n")
    for number, run in enumerate(runs):
        words = [word for word in _join_unknown(words_of(run)) if _carries_meaning(word)]
        for word in words:
            is_name = word.text in names or _is_name(word)
            found.setdefault(word.text, Term(word.text, _weight(word, is_name), is_name, word.tag[0] in "vad"))
        # 什么会议, which meeting: the word after the asking word; 定位是什么: else the one before it.
        if words and number and words[0].start <= MAX_FOCUS_GAP and words[0].tag[0] not in "vd":
            focus = words[0].text
        elif words and number < len(runs) - 1 and not focus:
            focus = words[-1].text
    if focus in found:
        found[focus] = replace(found[focus], focus=True)
    return tuple(found.values())


def _join_unknown(words: Sequence[Word]) -> list[Word]:
    """Join neighbouring single characters, which is what an unknown name is cut into."""
    joined: list[Word] = []
    open_run = False
    for word in words:
        single = len(word.text) == 1 and is_han(word.text) and word.text not in STOPWORDS and word.tag[0] not in "uy"
        numeral = len(word.text) == 1 and word.text in _NUMERALS[2:]
        if single and open_run and joined[-1].end == word.start:
            last = joined[-1]
            # Of nouns it may be a name (三江县); with a verb or a small word in it, it is none (没登完).
            nominal = word.tag[0] in _NOMINAL and (last.tag == "x" or last.tag[0] in _NOMINAL)
            tag = "x" if nominal and last.tag != _UNNAMED else _UNNAMED
            joined[-1] = Word(last.text + word.text, last.start, word.end, tag, UNKNOWN_WEIGHT)
        else:
            joined.append(word)
        open_run = single or numeral
    return joined


def _carries_meaning(word: Word) -> bool:
    return (
        word.text not in STOPWORDS
        and any(character.isalnum() for character in word.text)
        and word.tag[0] not in "ucpyerq"
    )


def _weight(word: Word, is_name: bool) -> float:
    known = LATIN_WEIGHT if word.text.isascii() else min(word.weight, MAX_WEIGHT)
    return known * (1.2 if is_name else _TAG_FACTORS.get(word.tag[0], 0.7))


def _is_name(word: Word) -> bool:
    return word.is_name or (word.tag == "x" and len(word.text) > 1 and not word.text.isascii())
