"""Parts: several facts in one question become questions of their own.

Rules on the words of the question. It knows nothing of documents and answers nothing: where a rule is unsure,
the question stays whole. Comparisons are another module's.
"""

import re
from collections.abc import Sequence

from rag.folding import fold, is_han
from rag.lexicon import Word, words_of
from rag.mentions import SURNAMES, find_mentions
from rag.question import analyse

MAX_PARTS = 4

# -- Several facts -------------------------------------------------------------------------------------

_MARKS = "。！？!?；;"
_QUOTED = re.compile(r"“[^”]*”|‘[^’]*’|「[^」]*」|『[^』]*』|《[^》]*》|（[^）]*）|\([^)]*\)|\"[^\"]*\"")
_ASKS = re.compile(
    r"(?:什么|啥)(?:时候|时间|地方|地点|人|样的?|原因)?(?!都|也)|谁(?!都|也)"
    r"|哪(?:一?[天年月日位]|里|儿|些|个|[几两二三四五六七八九十]个?)?(?!都|也|怕)"
    r"|多少|(?<![近这前好十])几(?![乎何经许])(?:[天年月日号个家点])?|多[大高长远重快久深宽]|何[时地处人]|为何|为啥"
    r"|怎么样?|怎样|如何|咋|是否|是不是|有没有|吗|\b(?:what|which|who|whom|whose|when|where|why|how)\b"
)
_POLITE = re.compile(
    r"^(?:你好|您好|请问(?:一下)?|请(?:告诉我)?|告诉我|(?:我)?想(?:知道|了解|问)(?:一下)?|麻烦(?:你|您)?"
    r"|(?:你|您)?(?:能|可以)(?:不能|否)?告诉我)[，,：:\s]*"
)
_COMMA = re.compile(r"[，,]\s*(?:以及|并且?|而且|还有|另外|同时|其次|和)?|[；;。？?！!]+\s*(?:另外|还有|以及)?[，,]?")
# A word that joins what comes after a clause that has asked already: 有哪些品牌以及卖了多少辆.
_JOINED = re.compile(r"以及|还有|并且|(?<=[么谁里儿些少何样吗])(?:并|和|、)(?!其他|别的|其它)")
_WRAPPED = re.compile(r"^(?:如果|假如|要是|无论|不管|虽然|尽管|不论|除了)")
_BARE = re.compile(
    r"^(?:具体|也就是|到底|究竟)|^(?:又|都|还|那么?|那是|这是|是|具体|分别|到底|究竟)*(?:为什么|为何|怎么样?|怎样|如何|什么|谁|哪里|多少|吗|咋|啥)+[呢啊的了]*$"
)
# 在多长时间内, 几个月前的案件中: says when or where, and asks nothing by itself.
_ADVERBIAL = re.compile(r"(?<![几何哪])(?:内|中|时|期间|以来|之后|之前|以后|以前|后|前)$")
_AND_BUT = re.compile(r"^(?:而且|而|但是?|又|则|那么?)(?!是)")
_BACK = re.compile(
    r"它们?|他们?|她们?|(?<!其)其(?![他它余实中次])|该(?:[市县省区]|公司|企业|会议|机构|单位)|这(?:个|家|次|座|些)?"
)
_ORDINAL = re.compile(r"第[一二三四五六七八九十\d]|另一|其中|前者|后者")
_NOUN_TAGS = ("n", "j", "l", "i", "s", "t", "x", "b", "vn", "an", "f", "a", "z")
_VERB_TAGS = ("v", "p", "d", "r", "c", "u", "m", "q")

# -- 、 between asking words: 什么时候、在哪里召开 --------------------------------------------------------
_LISTED = re.compile(
    r"(?:(?:在|于|由|从|到|是)?"
    r"(?:什么时候|什么时间|什么地[方点]|什么人|什么原因|何[时地处人]|为什么|为何|谁|哪[天年月日位里儿])"
    r"|(?:在|于|由|从|到|有|生产|去了?)?"
    r"(?:哪些|哪几[个家]|什么(?!时候|时间|地[方点]|人|原因)|多少)[^、，,和与及]{0,6}?)"
)
_LIST_JOIN = r"(?:、|，?以及|和|与|及|还有)"
_ITEMS = re.compile(rf"(?P<first>{_LISTED.pattern})(?P<more>(?:{_LIST_JOIN}{_LISTED.pattern})+)")

# -- 四大定位和两个生态分别是什么 ---------------------------------------------------------------------------
_NUMERAL = "[一二两三四五六七八九十几\\d]"
_COUNTED = re.compile(rf"{_NUMERAL}+(?:大|个|项|种|条|方面|点|重|类|家|位|次)")
_RESPECTIVELY = re.compile(
    r"^(?P<list>[^，,]+?)(?:各自?|分别)(?P<verb>是|为|有|叫|在|来自|指|位于|(?=多少|产|卖|达|生产|成立|建))(?P<what>.*)$"
)
_TWO_OF = re.compile(r"^(?P<list>[^，,]+?)(?P<verb>各?有|各?是|为)(?P<what>什么|哪些|多少|谁|哪里|哪几个)$")
_OWNER = re.compile(r"^(?P<owner>.+?的)(?P<rest>.+)$")
# What one can ask of nearly anything: the time and the place of it are two facts.
_ASPECTS = frozenset(
    "时间 日期 地点 地址 场所 主持人 主席 主题 主讲人 内容 目的 原因 结果 名称 名字 价格 数量 规模 面积 人口 总部 "
    "创始人 负责人 作者 记者 产量 销量 产值 成立时间 召开时间 举办时间 举办地点 召开地点 参加人员 参会人员 "
    "时间地点".split()
)

_EN_WORDS = r"what|which|who|whom|whose|when|where|why|how"
_EN_ITEM = (
    r"(?:when|where|why|how|who|by whom|in which \w+|on (?:what|which) \w+"
    r"|(?:what|which) (?:day|date|year|time|city|place|country))"
)
_EN_LISTED = re.compile(
    rf"^(?P<items>{_EN_ITEM}(?:,? (?:and|or) |, ))+(?P<last>{_EN_ITEM})"
    r" (?P<rest>(?:is|are|was|were|do|does|did|has|have|had|can|will|would|should|could)\b.+)$",
    re.IGNORECASE,
)
_EN_JOINED = re.compile(
    rf",? (?:and|but) (?:also )?(?=(?:(?:in|on|by|from|to|at|for|with) )?(?:{_EN_WORDS})\b)|, (?=(?:{_EN_WORDS}) )",
    re.IGNORECASE,
)
# A clause that is not at its end: "between how A works and how B works", "about what and how".
_EN_OPEN = re.compile(
    rf"\b(?:between|difference|know|say|said|explain)\b(?!.*\b(?:is|are|was|were|did|do)\b)|\b(?:{_EN_WORDS})$",
    re.IGNORECASE,
)
_EN_AUXILIARY = "is|are|was|were|do|does|did|has|have|had|can|will|would|should|could"
_EN_VERB = re.compile(
    rf"\b(?:{_EN_AUXILIARY})\b|^(?:who|(?:what|which \w+) (?:\w\w+(?:ed|s)|made|led|took|won|began|hit)) ",
    re.IGNORECASE,
)
_EN_BACK = re.compile(
    r"\b(?P<person>he|she|him)\b|\b(?:it|they|them)\b|\b(?P<own>its|their|(?P<his>his|her))\b", re.IGNORECASE
)
_EN_SMALL = r"(?!(?:of|in|on|at|by|from|to|for|with|and|or|as|about|the|an?|is|are|was|were|do|did|does)\b)"
_EN_NOUNS = re.compile(
    rf"\b(?:the|this|that|these|those|an?)(?: {_EN_SMALL}[A-Za-z][\w'-]*){{1,4}}"
    r"|(?<=\s)[A-Z][\w'-]*(?: (?:of )?[A-Z][\w'-]*)*"
)
_EN_END = re.compile(
    r"\s+(?:has|have|had|be|been|held|made|take|took|start|begin|happen|born|built|known|written|won|sold|sent|taken"
    r"|during|after|before|open|close|come|say|decide|own|employ|sell|produce|end|last|cost|arrive|die|leave|win|lose"
    r"|grow|rise|fall|called|sign|pay)\b.*$|\s+[a-z]{2,}ed$"
)
# What a thing has rather than does: the next clause speaks of the thing, not of this.
_MEASURES = frozenset(
    "全长 长度 时速 总投资 投资 投资额 总面积 面积 占地 占地面积 人口 总人口 总量 产量 销量 产值 价格 票价 高度 "
    "总高 深度 宽度 重量 总重 库容 总部 地址 规模 名字 名称 主题 原因 目的 时间 地点".split()
)
# What is said of a figure itself: 产量是多少，增长了多少.
_OF_FIGURES = re.compile(r"^(?:同比|环比|比|占|增|减|降|涨|跌|上升|上涨|下降|下跌|提高|达到|超过|排)")
# 安奈儿又在何时…: somebody else than before.
_OTHER = re.compile(
    r"[^，,的]{2,6}又[是在于有]|(?:[" + "".join(sorted(SURNAMES)) + r"])[^，,的是在有]{1,2}(?:又|是|在|于)?[何哪什]"
)
# What is said of the whole rather than of the person in charge of it.
_OF_WHOLE = re.compile(r"^(?:由|是(?:什么时候|何时|哪[天年]|由)|什么时候|何时|哪[天年]|在哪|在什么|于|[有共]多少|有几)")
_DAY = re.compile(r"(?:(?:\d{4}|[去今前明])年)?(?:\d{1,2}月)?(?:\d{1,2}[日号])?(?:[上下]半年)?")
_IN_TIME = re.compile(r"(?<=..)[在于自从](?:\d{4}|[去今前明])年.*$")
_TIME = re.compile(r"^(?:[去今前明本上]年|\d{2,4}年|[\d一二三四五六七八九十]+月|[上下]半年|[一二三四]季度)+$")


def split(question: str) -> tuple[str, ...]:
    """Return the questions that a question is made of, each standing alone, at most `MAX_PARTS`.

    What a later part leaves unsaid is taken from the first: 会议是哪天召开的，由谁主持 gives 会议由谁主持.
    A question of one fact is returned as it is, and so is one that no rule is sure of.
    """
    stripped = question.strip()
    aligned = _aligned(stripped)
    chinese = any(map(is_han, aligned))
    parts = _split_chinese(stripped, aligned) if chinese else _split_english(stripped)
    parts = [part for part in parts if part]
    if len(parts) < 2 or len(set(parts)) < len(parts):
        return (question,)
    if len(parts) > MAX_PARTS:
        rest = [part.rstrip("？?") for part in parts[MAX_PARTS - 1 :]]
        parts = [*parts[: MAX_PARTS - 1], ("，" if chinese else ", ").join(rest) + ("？" if chinese else "?")]
    return tuple(parts)


def _aligned(text: str) -> str:
    """Return a text folded character by character, so that positions stay what they are."""
    return "".join(folded if len(folded := fold(character)) == 1 else character for character in text)


def _masked(text: str) -> str:
    """Return an aligned text whose quotations and titles ask nothing and part nothing."""
    return _QUOTED.sub(lambda match: "〇" * len(match[0]), text)


def _split_chinese(question: str, aligned: str) -> list[str]:
    polite = _POLITE.match(aligned)
    if polite and polite.end() < len(aligned):
        question, aligned = question[polite.end() :], aligned[polite.end() :]
    if _WRAPPED.match(aligned):
        return [question]
    pieces = _pieces(question, aligned)
    context, asking = _context(pieces)
    if not asking or (re.search(r"[和与、]", context) and "分别" in aligned):
        return [question]  # 四月和五月，甲和乙分别做了什么: each with its own
    parts: list[str] = []
    for piece in asking:
        parts += _split_listed(piece)
    if len(parts) < 2:
        return [question]
    completed = [parts[0]]
    topic = _topic(parts[0])
    for part in parts[1:]:
        whole = part if len(asking) == 1 else _with_topic(part, topic, parts[0])
        if not whole:
            return [question]
        completed.append(whole)
    return [f"{context}{part}？" for part in completed]


def _pieces(question: str, aligned: str) -> list[str]:
    """Cut a question at commas, sentence ends and joining words; each piece without the mark at its end."""
    masked = _masked(aligned)
    cuts = sorted(
        [match.span() for match in _COMMA.finditer(masked)]
        + [match.span() for match in _JOINED.finditer(masked) if _is_clause(masked, match)]
    )
    pieces, start = [], 0
    for first, last in cuts:
        if first >= start:
            pieces.append(question[start:first].strip())
            start = last
    pieces = (
        [pieces[0], *(_AND_BUT.sub("", piece) for piece in [*pieces[1:], question[start:].strip()])]
        if pieces
        else [question]
    )
    return [piece for piece in pieces if piece.strip(_MARKS + "，, ")]


def _is_clause(masked: str, joint: re.Match[str]) -> bool:
    """Say whether a joining word is followed by a clause that asks, not by a second asking word of the same clause."""
    if _ITEMS.search(masked, max(0, joint.start() - 8), len(masked)):
        listed = _ITEMS.search(masked, max(0, joint.start() - 8))
        if listed and listed.start() < joint.start() < listed.end():
            return False
    before = re.split(r"[，,。？?；;]", masked[: joint.start()])[-1]
    rest = re.split(r"[，,。？?；;]", masked[joint.end() :])[0]
    return bool(_ASKS.search(before) and _ASKS.search(rest)) and len(rest) > 3


def _context(pieces: Sequence[str]) -> tuple[str, list[str]]:
    """Return what stands before the first asking piece, and the asking pieces; others join the one before them."""
    context, asking = "", list[str]()
    for piece in pieces:
        aligned = _aligned(piece)
        if _asks(piece) and not (asking and _BARE.match(aligned)) and not _ADVERBIAL.search(aligned):
            asking.append(piece)
        elif asking:
            asking[-1] += f"，{piece}"
        else:
            context += f"{piece}，"
    return context, asking


def _asks(piece: str) -> bool:
    return bool(_ASKS.search(_masked(_aligned(piece))))


def _split_listed(piece: str) -> list[str]:
    """Split one clause whose asking words or subjects stand in a list."""
    aligned = _aligned(piece)
    masked = _masked(aligned)
    both = masked.find("何时何地")
    if both >= 0:
        return [piece[: both + 2] + piece[both + 4 :], piece[:both] + piece[both + 2 :]]
    listed = _ITEMS.search(masked)
    if listed:
        return _split_asking_words(piece, masked, listed)
    subjects = _split_subjects(piece, masked)
    return subjects or [piece]


def _split_asking_words(piece: str, masked: str, listed: re.Match[str]) -> list[str]:
    joints = [match.span() for match in re.finditer(_LIST_JOIN, masked[listed.start() : listed.end()])]
    spans, start = [], listed.start()
    for first, last in joints:
        spans.append((start, listed.start() + first))
        start = listed.start() + last
    spans.append((start, _end_of_item(masked, start)))
    items = [masked[first:last] for first, last in spans]
    # 和谁 is "with whom", no second fact; a list of 什么 alone is one list.
    if any(not _ASKS.search(item) for item in items) or (
        "、" not in listed[0] and (items[-1] == "谁" or _shape(items[0]) != _shape(items[-1]))
    ):
        return [piece]
    before, after = piece[: listed.start()], piece[spans[-1][1] :]
    if not (before.strip() or after.strip()):
        return [piece]
    return [before + piece[first:last] + after for first, last in spans]


def _shape(item: str) -> str:
    """Say what an item asks with: two items that 和 joins ask the same way, 哪些企业和哪些高校."""
    found = re.search(r"哪些|哪几|多少|什么(?=时|地|人)|何|什么", item)
    return found[0] if found else item


def _end_of_item(masked: str, start: int) -> int:
    """Return where the last item of a list ends: after its asking word and the noun that follows."""
    asking = _ASKS.search(masked, start)
    if not asking:
        return len(masked)
    end = asking.end()
    if re.search(r"哪些|哪几|多少|什么$", asking[0]):
        for word in words_of(masked[end:]):
            if word.start + end != end or not word.tag.startswith(("n", "l", "j", "m", "q")):
                break
            end += len(word.text)
    return end


def _split_subjects(piece: str, masked: str) -> list[str]:
    """Split 甲和乙分别是什么, or return [] where it is one fact."""
    stem = masked.rstrip("的呢啊？?")
    found = _RESPECTIVELY.match(stem)
    respectively = bool(found)
    found = found or _TWO_OF.match(stem)
    if not found or (respectively and not _ASKS.search(found["what"])):
        return []
    subject, rest = piece[: found.end("list")], piece[found.start("verb") :]
    items, owner, tail = _items_of(subject)
    if len(items) < 2:
        return []
    counted = [_COUNTED.search(_aligned(item)) for item in items]
    # 债务化解和高质量发展两大任务: the count at the end is of the things before it.
    if any(count and count.start() > 0 for count in counted):
        return []
    if respectively and re.search(r"[和与、]", _ASKS.split(found["what"])[0]):
        return []  # 甲和乙分别在丙和丁做了什么: each with its own
    told_apart = respectively or all(counted) or all(_aligned(item) in _ASPECTS for item in items)
    if not told_apart:
        return []
    rest = re.sub(r"^各(?=有|是)", "", rest)
    return [f"{owner}{item}{tail}{rest}".rstrip("？?") for item in items]


def _items_of(subject: str) -> tuple[list[str], str, str]:
    """Return the things that 、 and 和 join, what they belong to (柳州的), and what belongs to each (的产销量)."""
    aligned = _masked(_aligned(subject))
    joints = [match.span() for match in re.finditer(r"、|以及|[和与跟]", aligned)]
    if not joints:
        return [], "", ""
    edges = [0, *(edge for joint in joints for edge in joint), len(subject)]
    items = [subject[first:last].strip() for first, last in zip(edges[::2], edges[1::2], strict=True)]
    if any(not item for item in items):
        return [], "", ""
    day = _day(items[0])
    if 0 < day < len(items[0]) and all(len(item) < 7 and not _day(item) for item in items[1:]):
        items = [items[0], *(items[0][:day] + item for item in items[1:])]
    owner = tail = ""
    first = _OWNER.match(items[0])
    last = _OWNER.match(items[-1])
    if first and not any("的" in item for item in items[1:]):
        owner, items[0] = first["owner"], first["rest"]
    elif last and not any("的" in item for item in items[:-1]):
        items[-1], tail = last["owner"].removesuffix("的"), "的" + last["rest"]
    return items, owner, tail


def _day(text: str) -> int:
    """Return where the date that a text begins with ends; 0 where it begins with none."""
    found = _DAY.match(_aligned(text))
    return found.end() if found else 0


def _topic(part: str) -> str:
    """Return what a question is about, as written: 会议 of 会议是哪天召开的 and of 谁主持了会议; "" where unsure."""
    aligned = _aligned(part)
    asking = _ASKS.search(_masked(aligned))
    if not asking:
        return ""
    words = [word for word in words_of(aligned[: asking.start()]) if word.text.strip()]
    while words and words[-1].text in ("了", "过"):
        words = words[:-2]
    while words and words[-1].text in ("一共", "总共", "共计", "大约"):
        words.pop()
    while words and words[-1].tag.startswith(("v", "p", "d", "u", "c", "m", "q", "y")) and words[-1].tag != "vn":
        words.pop()
    while len(words) > 1 and words[-1].text in _MEASURES and words[-2].text != "的":
        words.pop()
        if words[-1].text == "总" and len(words) > 1:
            words.pop()
    if words:
        return _IN_TIME.sub("", part[: words[-1].end].strip("，, "))
    behind = [word for word in words_of(aligned) if word.start >= asking.end()]
    noun: list[Word] = []
    for word in behind:
        if word.tag.startswith(("n", "b", "vn", "j", "l", "x", "t", "s", "a")) or (noun and word.text == "的"):
            noun.append(word)
        elif word.tag[0] not in "y":
            noun = []
    return part[noun[0].start : noun[-1].end] if noun else ""


def _tail(aligned: str) -> str:
    """Return what a clause asks from its verb on: 是谁."""
    asking = _ASKS.search(_masked(aligned))
    return aligned[asking.start() - 1 :] if asking and asking.start() else ""


def _object(part: str, first: str) -> str:
    """Return the object that a part leaves unsaid after its verb: 工业 of 为什么要抓工业，怎么抓; else ""."""
    found = re.search(
        r"(?:怎么样?|怎样|如何|何时|哪天|谁|什么时候)(?:去|来|要|才|能)?([^，,的了过]{1,2})$", _aligned(part)
    )
    said = found and re.search(rf"{re.escape(found[1])}(?:了|过)?([^，,的了过]{{2,8}})$", _aligned(first))
    if not said or _ASKS.search(said[1]) or not all(word.tag.startswith("n") for word in words_of(said[1])):
        return ""
    return first[said.start(1) : said.end(1)]


def _is_asked_for(first: str, pronoun: str) -> bool:
    """Say whether a pronoun may stand for what the clause before it asks for: 提到了哪些企业，它们生产什么."""
    if pronoun.endswith("们"):
        return bool(re.search(r"哪些|哪[几两二三四五六七八九十]|什么|谁", first))
    if pronoun[0] in "他她":
        return bool(re.search(r"谁|哪一?位|什么人|何人", first))
    return bool(re.search(r"哪一?[个家款种座所项条部辆]", first))


def _bearer(part: str, topic: str, first: str) -> str:
    """Return what a clause without a subject speaks of: 飓芯科技 after 飓芯科技的创始团队来自哪里; "" where unsure."""
    owner, _, _ = topic.rpartition("的")
    if re.search(r"的[^的，]+是(?:谁|哪一?位)", first) and not _OF_WHOLE.match(part):
        return ""  # 电影的导演是谁，毕业于哪里: the person, whom nobody has named yet
    if not owner or _TIME.match(_aligned(owner)) or _OF_FIGURES.match(part):
        return topic
    return owner


def _with_topic(part: str, topic: str, first: str) -> str:
    """Return a part with the topic of the first, where it has none of its own; "" where it cannot be completed."""
    part += _object(part, first)
    aligned = _aligned(part)
    back = _BACK.search(_masked(aligned))
    if topic and _BACK.fullmatch(_aligned(topic)):
        topic = _aligned(topic)
    if back:
        pronoun = re.fullmatch(r"[它他她]们?|其", back[0])
        # A pronoun that stands for the topic is replaced; 这次会议 is left to the conversation.
        if not pronoun:
            return part
        if not topic or _is_asked_for(_aligned(first), back[0]):
            return ""
        joint = "的" if back[0] == "其" else ""
        return part[: back.start()] + topic + joint + part[back.end() :]
    if topic and _aligned(topic) in aligned:
        return part
    words = words_of(aligned)
    if _ORDINAL.match(aligned):
        return part
    asking = _ASKS.search(_masked(aligned))
    subject = aligned[: asking.start()] if asking else aligned
    starts_with_noun = (
        bool(words)
        and bool(subject)
        and words[0].tag.startswith(_NOUN_TAGS)
        and not (
            # 生产什么产品, 毕业于哪里: a noun of an action is a verb here.
            asking is not None
            and ((words[0].tag == "vn" and words[0].end == asking.start()) or aligned[words[0].end] in "于了过到给")
        )
    )
    named = any(one.is_name and one.end <= len(subject) for one in find_mentions(part))
    owned = bool(words) and words[0].tag.startswith("n") and bool(re.match(r"[^的]{2,}的[^的]{2,}", subject))
    if starts_with_noun and not named and re.match(r"[^的]{2,5}[对就向]", subject):
        return ""  # 监管层对哪家公司作出处罚: somebody else
    if _OF_FIGURES.match(aligned):
        return topic and topic + part
    if (starts_with_noun and owned) or _OTHER.match(aligned):
        return part
    if starts_with_noun and named:
        return part
    if re.search(r"(?<!目)的(?:有|是)(?:哪些|什么|谁)$", aligned):
        return ""  # 效果明显的有哪些: some of what was asked for
    parallel = re.match(r"谁|哪一?[个位些家]", aligned)
    if parallel and len(aligned) > 4 and _aligned(first).startswith(parallel[0]):
        return part
    asks_first = re.match(r"谁|哪[个位些家]|什么(?!时|地)", aligned)
    if asks_first and any(term.is_name for term in analyse(part).terms):
        return part
    if not topic:
        return ""
    if (
        asking
        and starts_with_noun
        and "的" not in topic
        and len(aligned) < 8
        and _tail(aligned) == _tail(_aligned(first))
    ):
        return part  # 主席是谁，书记是谁: neither belongs to the other
    if not starts_with_noun and not (subject and words[0].tag in ("m", "j") and _COUNTED.match(aligned)):
        bearer = _bearer(aligned, topic, _aligned(first))
        by = "由" if re.match("(?:哪一?[家位]|谁)(?!是|的)", aligned) else ""
        if by and re.search("[了过]", aligned):
            return ""  # 谁听到了: heard what?
        return bearer and bearer + by + part
    # 柳州的四大定位…，两个生态…: the second belongs to what the first belongs to.
    owner = topic.rpartition("的")[0] or topic
    return f"{owner}的{part}"


def _split_english(question: str) -> list[str]:
    sentences = [one.strip() for one in re.split(r"(?<=[?？;])\s+", question) if one.strip(" ?;")]
    parts: list[str] = []
    for sentence in sentences:
        if not re.search(rf"\b(?:{_EN_WORDS})\b", sentence, re.IGNORECASE) and not sentence.endswith("?"):
            return [question]
        parts += _split_english_sentence(sentence.rstrip(" ?？;."))
    if len(parts) < 2:
        return [question]
    topic = _english_topic(parts[0])
    completed = [parts[0], *(_with_english_topic(part, topic, parts[0]) for part in parts[1:])]
    if not all(completed):
        return [question]
    return [f"{part[:1].upper()}{part[1:]}?" for part in completed]


def _split_english_sentence(sentence: str) -> list[str]:
    listed = _EN_LISTED.match(sentence)
    if listed:
        items = re.split(r",? (?:and|or) |, ", sentence[: listed.end("last")])
        return [f"{item} {listed['rest']}" for item in items]
    masked = _masked(sentence)
    pieces, start = [], 0
    for joint in _EN_JOINED.finditer(masked):
        before, behind = sentence[start : joint.start()], sentence[joint.end() :]
        asked = re.match(rf"(?:\w+ )?(?:{_EN_WORDS})\b", before, re.IGNORECASE)
        if asked and _EN_VERB.search(before) and len(behind.split()) > 2 and not _EN_OPEN.search(before):
            pieces.append(before)
            start = joint.end()
    pieces.append(sentence[start:])
    return pieces


def _english_topic(part: str) -> str:
    """Return the noun phrase that a question is about, or ""."""
    asked = re.match(rf"(?:\w+ )?(?:{_EN_WORDS})\b", part, re.IGNORECASE)
    rest = part[asked.end() :] if asked else part
    topic, end = "", -1
    for match in _EN_NOUNS.finditer(rest):
        phrase = re.sub(_EN_END, "", match[0]).strip()
        if phrase.lower() in ("", "the", "a", "an", "this", "that"):
            continue
        # The population of the city, its mayor: the last of what "of" joins owns the rest.
        if topic and rest[end : match.start()].strip() != "of":
            break
        topic, end = phrase, match.start() + len(phrase)
    return topic


def _with_english_topic(part: str, topic: str, first: str) -> str:
    """Return a part with the topic for its pronoun; "" where the pronoun may stand for what the first asks for."""
    back = _EN_BACK.search(part)
    if not back or re.search(r"\bhow many \w+.*\bthe[iym]", part, re.IGNORECASE):
        return part
    named = topic[:1].isupper()
    asks_who = bool(re.match(r"(?:by )?who", first, re.IGNORECASE))
    if not topic or ((back["person"] or back["his"]) and (asks_who or not named)):
        return ""
    # Which river flows through the city, how long is it?
    no_verb = rf"(?!(?:{_EN_AUXILIARY})\b)"
    asked_for = rf"(?:which|what) {no_verb}\w+ {no_verb}\w+(?:s|ed)\b|which \w+ {no_verb}"
    if re.match(asked_for, first, re.IGNORECASE):
        return ""
    if back[0].lower() in ("they", "them", "their") and re.match(
        r"(?:which|what)(?: \w+){0,2}s\b", first, re.IGNORECASE
    ):
        return ""
    own = "'s" if back["own"] else ""
    return part[: back.start()] + topic + own + part[back.end() :]
