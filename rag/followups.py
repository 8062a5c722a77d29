"""Follow-ups: a question that leans on the turns before it is completed into one that stands alone. No model.

“它有哪两个品牌？” names nothing: the name is in the questions and answers before. Their mentions are candidates for
what a pronoun stands for; which one it is follows from what the pronoun can mean (他 a person, 那里 a place), what is
asked (品牌 belong to companies), how long ago it was named, and whether it was the topic or stood by. A question that
names its own subject is left as it is. What comes out is a question for people, too: the page shows it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rag.answers import Answer
from rag.antecedents import Candidate, Talk, told_of
from rag.folding import fold, is_han
from rag.followups_english import completed_english
from rag.mentions import Mention, MentionKind, find_mentions, pieces_of
from rag.question import ASKING, INHERITED_FACTOR, Asked, analyse

MAX_FOLLOW_UP = 120  # characters; a longer question stands alone
MAX_BARE = 8  # characters of a question that may be all verb: 停几天
MAX_COMPLETED = 400  # characters
MAX_FILLED = 30  # characters of an answer that is put into 为什么…


def complete(asked: Asked, history: Sequence[Answer]) -> Asked:
    """Complete a follow-up from the answers before it; a question that stands alone is returned as it is.

    Args:
        asked: The new question, analysed.
        history: Earlier answers of the conversation, oldest first. Their `query` counts, which is complete already.

    Returns:
        The question with `query` completed, and its words: those it did not say itself are `inherited`, and weigh
        `INHERITED_FACTOR` of what they would.
    """
    talk = Talk(history)
    question = asked.question.strip()
    if not talk.turns or len(question) > MAX_FOLLOW_UP:
        return asked
    query = _completed(question, talk) if any(map(is_han, question)) else completed_english(question, talk)
    if query == question or len(query) > MAX_COMPLETED:
        return asked
    whole = analyse(query)
    own = {term.text for term in asked.terms}
    terms = tuple(
        term if term.text in own else replace(term, weight=term.weight * INHERITED_FACTOR, inherited=True)
        for term in whole.terms
    )
    return replace(whole, question=asked.question, query=query, terms=terms)


# -- Chinese ---------------------------------------------------------------------------------------

_Kinds = Mapping[MentionKind, float]
THINGS: _Kinds = {"organisation": 0.0, "place": 0.0, "event": 0.0, "work": 0.0, "name": 0.0, "thing": -0.6}
PERSONS: _Kinds = {"person": 1.0, "name": -0.5}
PLACES: _Kinds = {"place": 2.0, "organisation": 0.0, "event": -0.5, "name": -0.5}
ANY: _Kinds = {**THINGS, "person": 0.0}
SEVERAL: _Kinds = {**THINGS, "person": 0.5}
DATES: _Kinds = {"date": 0.0}

_MARKS = re.compile(r"[\s？?。！!.…]+$")
_LEAD = re.compile(r"^(?:(?:那么|然后|另外|嗯|哦|好的?|请问一?下?|再问一下|我想问一?下?)[，,、\s]*|那[，,、\s]+)+")
_THEN = re.compile(r"^那(?=[^里儿边天年月日时次个种些家位座场届款条本部项英所支是])")
_COURTESY = re.compile(r"^(?:谢谢|多谢|感谢|你好|您好|再见|好的|明白了?|知道了?|早上好|晚上好|哈喽|嗨)[你您了啊呀！]*$")
_COUNTED = re.compile(
    r"(?:\d{1,2}|[两二三四五六七八九十]+)(?:大|个|项|种|条|方面|点|重|类|家|位|名)(?=[\u4e00-\u9fff])"
)
_WHY = re.compile(r"^(?:这|那)?(?:又|都)?是?(?:为什么|为何|为啥|什么原因|原因)(?:呢|啊|会这样|这样|如此|是什么)*$")
_MORE = re.compile(r"^(?:还有|除此之外|此外|另外|其他的?)(?:呢|吗|别的|其他的?|其它的?|什么|哪些|没有|了)*$")
_INSTEAD = re.compile(
    r"^(?:那么?|然后|还有|至于|如果是|换成)?(?P<other>.{1,40}?)(?:又|的话)?(?:怎么样|怎样|如何|的情况)?呢$"
)
_NTH = re.compile(
    r"^(?:那么?)?(?:第(?P<nth>[一二三四五六七八九十]|\d{1,2})|(?P<former>前者)|(?P<latter>后者)|(?P<last>最后一))"
    r"(?P<unit>[个家位名条项种点款座所支部本]|方面)?(?=[\u3400-\u9fff]|$)"
)
# 该公司, 这家企业, 那座城市, 本次会议
_CLASSED = re.compile(
    r"(?:(?<![应活本])[该](?![当死])|(?<![至如因彼在由])[这那此](?:[一两几]?[家座次场个位所部本款项条种届支名起则篇辆台艘架只段])?"
    r"|本[次届]|上述)(?P<noun>公司|企业|集团|车企|厂家|厂|机构|单位|学校|大学|高校|中学|小学|校|医院|院|银行|城市|市|省|县|区|地区|"
    r"国家|国|镇|村|岛|湖|河|江|山|大桥|桥|铁路|机场|会议|会|大会|论坛|活动|比赛|赛事|展会|展览|仪式|人|先生|女士|专家|教授|记者|"
    r"运动员|球员|选手|书记|市长|校长|董事长|导演|演员|作者|官员|书|片|电影|影片|剧|小说|文章|产品|车型|车|技术|项目|机器人|"
    r"手机|球队|队伍|队|团队|实验室|工程|政策|方案|计划)(?![们])"
)
_CLASS_KINDS: tuple[tuple[str, _Kinds], ...] = (
    (
        r"公司|企业|集团|车企|厂家?|机构|单位|学校|大学|高校|中学|小学|校|医院|院|银行|球队|队伍?|团队|实验室",
        {"organisation": 1.0, "name": 0.3},
    ),
    (r"城市|市|省|县|区|地区|国家?|镇|村|岛|湖|河|江|山|大桥|桥|铁路|机场", {"place": 1.0, "name": 0.3}),
    (r"会议|会|大会|论坛|活动|比赛|赛事|展会|展览|仪式", {"event": 1.0}),
    (
        r"人|先生|女士|专家|教授|记者|运动员|球员|选手|书记|市长|校长|董事长|导演|演员|作者|官员",
        {"person": 1.0, "name": -0.5},
    ),
    (r"书|片|电影|影片|剧|小说|文章", {"work": 1.0}),
)
_MEETING = re.compile(r"^(?:那么?)?会(?:议)?上(?=\S)")
_THERE = re.compile(r"[那这](?:里|儿|边)|当地|此地|该地")
_THEN_DATE = re.compile(r"[那当]一?[天年日月](?![空气然选])|那时候?|当时|同一天")
_PRONOUNS: Mapping[str, _Kinds] = {
    "他": PERSONS,
    "她": PERSONS,
    "它": THINGS,
    "牠": THINGS,
    "其": {**THINGS, "person": -1.0},
    "他们": SEVERAL,
    "她们": SEVERAL,
    "它们": THINGS,
    "二者": SEVERAL,
    "两者": SEVERAL,
}
_TIED = re.compile(  # questions with no subject begin so
    r"^(?:是|在|有|位于|属于|叫|会|能|可以|需要|要|花|用|共|总共|一共|现在|目前|后来|最后|结果|什么时候|何时|哪|谁|怎么|如何|多|几|已经|曾)"
)
_WITHOUT_OBJECT = re.compile(r"^(?:有|位于|属于|花|用|共有|总共|一共|叫)")
# Nouns that belong to something, which is then named before: 总部在哪里.
_RELATIONAL = re.compile(
    r"^(?:市长|省长|县长|书记|董事长|总经理|总裁|ceo|创始人|校长|院长|总部|面积|占地面积|人口|产量|销量|产销量|产值|营收|市值|股价|官网|"
    r"作者|导演|主演|教练|队长|首都|省会|价格|票价|售价|续航|全长|总长|总投资|投资|高度|重量|直径|成立时间|创立时间|主题|地点|地址|时间|"
    r"法人|注册资本|员工|特产|主导产业|支柱产业|设计师|票房|片长|年龄|职务|籍贯)(?=[是在有为多叫几什哪谁怎呢包分？?]|$)"
)
_ADVERBIAL = re.compile(r"全长|总长|总投资|占地|投资")
_ASKS_OF_NOUN: tuple[tuple[str, str], ...] = (
    (
        r"(?:[比得]分|量|数|额|率|价|面积|人口|价格|长度|[全总]长|高度|规模|比例|成本|费用|工资|年龄|速度|距离|重量|容量|营收|收入|利润|市值|产值|投资|票房|续航)",
        "是多少",
    ),
    (r"(?:时间|日期|年份)", "是什么时候"),
    (r"(?:地点|地址|位置|总部)", "在哪里"),
    (
        r"(?:人|者|员|总裁|主席|[市省县校院队董会]长|董事长|教授|师|书记|CEO|ceo|主任|导演|主演|教练|冠军|亚军|作家|老板)",
        "是谁",
    ),
)
_ASKING_SLOT = re.compile(
    r"(?:是|有|在|叫)?(?:什么|哪些|哪[两二三四五六七八九十几]?[个家位条项种座所]?|谁|多少|哪里|哪儿|几|怎么样|如何|多[大高长远重快久深宽])"
)


def _completed(question: str, talk: Talk) -> str:
    """Return a Chinese question, completed where it leans on the turns before."""
    body = _MARKS.sub("", question)
    mark = question[len(body) :].strip()
    body = _LEAD.sub("", body)
    if re.match(r"那(?:么|麼)?(?:[他她它牠其该該]|第|前者|后者|後者)", body):
        body = re.sub(r"^那[么麼]?", "", body)
    folded = _same_length(body)
    if not body or _COURTESY.match(folded):
        return question
    made = next((text for way in _WAYS if (text := way(body, folded, talk)) is not None), None)
    return question if made is None or made == body else made + mark


def _same_length(text: str) -> str:
    """Fold without changing the number of characters, so that places stay the same."""
    return "".join(folded if len(folded := fold(character)) == 1 else character for character in text)


def _why(body: str, folded: str, talk: Talk) -> str | None:
    if not _WHY.match(folded):
        return None
    why = "爲什麼" if any(character in body for character in "為爲麼") else "为什么"
    statement = _statement(talk.last)
    topic = talk.best(folded, ANY)
    if topic is not None and topic.age == 0 and statement.startswith(topic.mention.text):
        head = len(topic.mention.text)
        head += statement[head:].startswith("上")
        rest = statement[head:]
        if not rest.startswith("的"):
            return f"{statement[:head]}{why}{rest}"
    return why + statement


def _statement(turn: Answer) -> str:
    """Return what an earlier turn was about as a statement: its question, with the answer where one fits in."""
    query = _same_length(_MARKS.sub("", turn.query))
    written = _MARKS.sub("", turn.query)
    if re.search(r"[吗嘛]$", query) or re.search(r"是否|是不是|有没有", query):
        return re.sub(r"有沒有|有没有", "有", re.sub(r"[吗嗎嘛]$|是否|是不是", "", written))
    told = told_of(turn).strip("。 \n")
    slots = list(_ASKING_SLOT.finditer(query))
    if slots and told and len(told) <= MAX_FILLED and "，" not in told:
        if fold(told).startswith(query[:2]):
            return told  # a whole sentence
        slot = slots[-1]
        keep = slot.group()[0] if slot.group()[0] in "是有在叫" else ""
        return written[: slot.start()] + keep + told + written[slot.end() :]
    if slots and slots[-1].end() == len(query) and re.match(r"什么|哪", slots[-1].group()):
        return re.sub(r"了$", "", written[: slots[-1].start()]) + "这些"
    return told if told and len(told) <= MAX_FILLED else ASKING.sub("", query)


def _more(body: str, folded: str, talk: Talk) -> str | None:
    if not _MORE.match(folded):
        return None
    written = re.sub(r"[呢吗嗎]$", "", _MARKS.sub("", talk.last.query))
    query = _same_length(written)
    slots = list(_ASKING_SLOT.finditer(query))
    if not slots or "还" in query:
        return None if not slots else written
    if "为什么" in query:
        place = query.index("为什么")
        return written[:place] + "还因" + written[place:]
    slot = slots[-1].start()
    if query[slot] in "是有在叫":
        place = slot
    else:
        named = find_mentions(written)
        verbs = [
            piece
            for piece in pieces_of(written)
            if piece.end <= slot
            and piece.tag[0] == "v"
            and not any(mention.start < piece.end and piece.start < mention.end for mention in named)
        ]
        place = verbs[-1].start if verbs else slot
    return written[:place] + ("還" if re.search(r"[麼嗎誰幾]", body + written) else "还") + written[place:]


def _instead(body: str, folded: str, talk: Talk) -> str | None:
    """那桂林呢: the last question again, with 桂林 in the place of what is like it."""
    found = _INSTEAD.match(folded)
    if not found or ASKING.search(found["other"]):
        return None
    other = body[found.start("other") : found.end("other")]
    resolved = _pronoun(other, _same_length(other), talk)
    if resolved is not None:
        owner, _, noun = resolved.rpartition("的")
        return resolved + (_asks_of(noun) if owner else "怎么样")
    owner, _, noun = other.rpartition("的")
    if owner and noun:
        return other + _asks_of(noun, talk)
    return _replaced(owner or other, talk)


def _asks_of(noun: str, talk: Talk | None = None) -> str:
    """Return how one asks of a noun: 是多少 of a number, 是谁 of a person."""
    folded = fold(noun)
    known = next((asks for pattern, asks in _ASKS_OF_NOUN if re.search(rf"{pattern}$", folded)), "")
    if talk is not None:
        query = _MARKS.sub("", talk.last.query)
        if noun in query:
            return query[query.rindex(noun) + len(noun) :] or known or "是什么"
    return known or "是什么"


def _replaced(other: str, talk: Talk) -> str | None:
    query = _MARKS.sub("", talk.last.query)
    query = re.sub(r"[呢]$", "", query)
    mentions = [mention for mention in find_mentions(query) if not _same_length(query[mention.end :]).startswith("呢")]
    if other in query:
        return query
    if _COUNTED.match(fold(other)):
        return _recounted(other, query, mentions, talk)
    wanted = find_mentions(other)
    kind: MentionKind = wanted[-1].kind if wanted else "name"
    is_name = not wanted or wanted[-1].is_name or (len(wanted) == 1 and wanted[0].text != other)
    if kind == "date":
        dates = [mention for mention in mentions if mention.kind == "date"]
        if dates:
            return _put(query, dates[0], other)
        return query[: mentions[0].end] + other + query[mentions[0].end :] if mentions else other + query
    slot = _slot(other, kind, is_name, query, mentions)
    if slot is not None and is_name and kind != slot.kind and slot.kind == "event" and not slot.is_name:
        return f"{query[: slot.start]}{other}的{query[slot.start :]}"  # 桂林: its 会议, not in its place
    if slot is not None:
        return _put(query, slot, other)
    topic = talk.best(fold(other), ANY)
    if is_name or topic is None:
        return None
    return f"{topic.mention.text}的{other}{_asks_of(other)}"


def _recounted(other: str, query: str, mentions: Sequence[Mention], talk: Talk) -> str | None:
    """那两个生态呢: a number of things takes the place of another one (四大定位), or belongs to the topic."""
    counted = _COUNTED.search(_same_length(query))
    if counted:
        end = next((mention.end for mention in mentions if mention.end > counted.end()), None)
        return query[: counted.start()] + other + query[end:] if end else None
    topic = talk.best(fold(other), ANY)
    return f"{topic.mention.text}的{other}{_asks_of(other)}" if topic else None


def _slot(other: str, kind: MentionKind, is_name: bool, query: str, mentions: Sequence[Mention]) -> Mention | None:
    """Return what of a question the other thing takes the place of."""
    folded = fold(other)
    alike = [(_shared_end(folded, fold(mention.text)), -mention.start, mention) for mention in mentions]
    if alike and max(alike)[0] >= (1 if len(folded) <= 2 else 2):
        return max(alike)[2]
    same = [mention for mention in mentions if mention.kind == kind and kind not in ("thing", "name")]
    if same:
        return same[0]
    ends = {mention.end for mention in mentions}
    owned = [m for m in mentions if query[: m.start].endswith("的") or m.start in ends]
    if not is_name:
        return owned[-1] if owned else None
    free = [mention for mention in mentions if mention not in owned and mention.kind != "date"]
    named = [mention for mention in free if mention.is_name]
    return next(iter(named or free), None)


def _shared_end(left: str, right: str) -> int:
    length = 0
    while length < min(len(left), len(right)) - 1 and left[-1 - length] == right[-1 - length]:
        length += 1
    return length


def _put(text: str, mention: Mention, other: str) -> str:
    tail = text[mention.end :]
    asks = _asks_of(other)
    # 导演是谁 → 票房是谁 is no question: what is asked of the new noun is.
    owners = [other for other in find_mentions(text) if other.end in (mention.start, mention.start - 1)]
    if owners and asks != "是什么" and ASKING.search(_same_length(tail)):
        tail = tail if _asks_of(mention.text) == asks else asks
    return text[: mention.start] + other + tail


def _nth(body: str, folded: str, talk: Talk) -> str | None:
    """第二个呢, 后者的总部在哪里: the thing at that place of the list that was given."""
    found = _NTH.match(folded)
    items = talk.items() if found else ()
    if not found or not items:
        return None
    place = len(items) - 1 if found["last"] or found["latter"] else 0 if found["former"] else _number(found["nth"]) - 1
    if not 0 <= place < len(items):
        return None
    item, rest = items[place], body[found.end() :]
    if re.fullmatch(r"呢?", _same_length(rest)):
        query = _MARKS.sub("", talk.last.query)
        others = [other for other in items if other != item and other in query]
        return query.replace(others[0], item, 1) if len(others) == 1 else f"{item}是什么"
    # 第二个品牌是…: the list says already that it is a brand.
    nouns = find_mentions(rest)
    if nouns and nouns[0].start == 0 and found["unit"] and nouns[0].text in talk.last.query:
        rest = rest[nouns[0].end :]
    return item + rest


def _number(text: str) -> int:
    return int(text) if text.isdigit() else "一二三四五六七八九十".index(text) + 1


def _pronoun(body: str, folded: str, talk: Talk) -> str | None:
    """Put the antecedent in the place of the first word that points back."""
    for find in (_at_meeting, _classed, _there, _personal, _on_that_day, _this):
        made = find(body, folded, talk)
        if made is not None:
            return made
    return None


def _names_before(body: str, end: int) -> bool:
    """Say whether a question names something itself before a place: that is then what a pronoun there means."""
    return any(mention.end <= end and (mention.is_name or mention.kind != "thing") for mention in _mentions(body))


def _mentions(body: str) -> tuple[Mention, ...]:
    return tuple(mention for mention in find_mentions(body) if mention.kind != "date")


def _at_meeting(body: str, folded: str, talk: Talk) -> str | None:
    found = _MEETING.match(folded)
    best = talk.best(folded, {"event": 0.0}) if found else None
    return None if not found or best is None else f"{best.mention.text}上{body[found.end() :]}"


def _classed(body: str, folded: str, talk: Talk) -> str | None:
    for found in _CLASSED.finditer(folded):
        if _names_before(body, found.start()):
            return None
        noun = found["noun"]
        kinds = next((kinds for pattern, kinds in _CLASS_KINDS if re.fullmatch(pattern, noun)), None)
        best = talk.best(folded, ANY, suffix=noun)
        if best is None or best.mention.text == noun:
            best = (
                talk.best(folded, kinds)
                if kinds
                else talk.best(folded, {"name": 0.5, "thing": 0.0, "organisation": -1.0})
            )
        if best is not None:
            return body[: found.start()] + best.mention.text + body[found.end() :]
    return None


def _there(body: str, folded: str, talk: Talk) -> str | None:
    found = _THERE.search(folded)
    if not found or _names_before(body, found.start()):
        return None
    best = talk.best(folded, PLACES)
    return None if best is None else body[: found.start()] + best.mention.text + body[found.end() :]


def _personal(body: str, folded: str, talk: Talk) -> str | None:
    pieces = pieces_of(body)
    for piece in pieces:
        kinds = _PRONOUNS.get(piece.text)
        if kinds is None or piece.asks:
            continue
        if _names_before(body, piece.start):
            return None
        best = talk.best(folded, kinds)
        if best is None:
            return None
        name = _several(best) if len(piece.text) > 1 and best.group else best.mention.text
        owns = piece.text == "其" and not folded[piece.end :].startswith("的")
        return body[: piece.start] + name + ("的" if owns else "") + body[piece.end :]
    return None


def _several(candidate: Candidate) -> str:
    names = [mention.text for mention in candidate.group]
    return "、".join(names[:-1]) + "和" + names[-1]


def _on_that_day(body: str, folded: str, talk: Talk) -> str | None:
    found = _THEN_DATE.search(folded)
    if not found or any(mention.is_name for mention in _mentions(body)):
        return None
    best = talk.best("", DATES)
    return None if best is None else body[: found.start()] + best.mention.text + body[found.end() :]


def _this(body: str, folded: str, talk: Talk) -> str | None:
    """这意味着什么, 那是什么: what the last question was about, with what it asked of it."""
    found = re.match(r"^(?:这(?![么样种个次家些里儿边])|那(?=是))", folded)
    if not found or any(mention.is_name for mention in _mentions(body)):
        return None
    best = talk.best(folded, ANY)
    if best is None:
        return None
    query = talk.last.query
    start = query.find(best.mention.text + "的")
    owned = [m for m in find_mentions(query) if start >= 0 and m.start == start + len(best.mention.text) + 1]
    name = query[start : owned[0].end] if owned else best.mention.text
    return name + body[found.end() :]


def _subjectless(body: str, folded: str, talk: Talk) -> str | None:
    """是哪天开的, 总部在哪里: put before it what it is about."""
    if then := _THEN.match(folded):
        body, folded = body[then.end() :], folded[then.end() :]
    mentions = _mentions(body)
    if any(m.is_name or (m.kind == "event" and len(m.text) > 2) for m in mentions) or not _asks(folded):
        return None
    if folded.startswith("其中"):
        topic = _topic(folded, talk)
        return None if topic is None else topic + body[1:]
    if relational := _RELATIONAL.match(folded):
        topic = _topic(folded, talk)
        joint = "" if _ADVERBIAL.match(relational.group()) else "的"
        return None if topic is None else topic + joint + body
    if mentions and mentions[0].start == 0 and _is_of_something(folded, mentions[0]):
        topic = _topic(folded, talk)
        return None if topic is None else f"{topic}的{body}"
    own = [mention for mention in mentions if not _is_asked_for(folded, mention)]
    is_short = len(body) <= MAX_BARE and mentions == find_mentions(body)
    if (is_short and not own) or (_TIED.match(folded) and (not own or _WITHOUT_OBJECT.match(folded))):
        topic = _topic(folded, talk)
        return None if topic is None else topic + body
    if mentions and mentions[0].start == 0 and mentions[0].kind in ("event", "organisation", "place"):
        head = fold(mentions[0].text)
        best = talk.best(folded, {mentions[0].kind: 0.0}, suffix=head)
        if best is not None and len(best.mention.text) > len(head):
            return best.mention.text + body[mentions[0].end :]
    return None


def _asks(folded: str) -> bool:
    return bool(ASKING.search(folded))


def _is_of_something(folded: str, noun: Mention) -> bool:
    """Say whether a question only asks of a noun that belongs to something: 首任院长是谁, 比分是多少."""
    asks = re.fullmatch(
        r"(?:又|分别)?(?:是|在|为|有)?(?:谁|多少|几|什么时候|哪[里儿年天]|哪一?[位天年])[\u3400-\u9fff]?",
        folded[noun.end :],
    )
    return bool(asks) and not noun.is_name and _asks_of(noun.text) != "是什么"


def _is_asked_for(folded: str, mention: Mention) -> bool:
    """Say whether a noun only says what is asked for: 员工 in 多少员工, 公司 in 哪家公司."""
    return any(
        re.fullmatch(r"[家个所座支款位条届种项部名]?", folded[match.end() : mention.start])
        for match in ASKING.finditer(folded)
        if match.end() <= mention.start and re.search(r"[什哪谁多几何怎]", match.group())  # not 请 of 申请
    )


def _topic(folded: str, talk: Talk) -> str | None:
    has = re.match(r"(.+?)有(?:没有)?(.+?)[吗嗎嘛]?$", _MARKS.sub("", talk.last.query))
    if has and re.search(r"[吗嗎]|有没有|有沒有", talk.last.query) and not _asks(_same_length(has[2])):
        return f"{has[1]}的{has[2]}"
    best = talk.best(folded, ANY)
    return None if best is None else best.mention.text


_WAYS = (_why, _more, _nth, _instead, _pronoun, _subjectless)
