"""Comparisons: two things set side by side, each asked about by itself, and what may be said of both.

Rules on the words of the question. Which of the two is more is said only where each side's quote gives one
quantity of the same kind and unit; else the quotes stand side by side and the reader compares.
"""

import re
from dataclasses import dataclass

from rag.folding import fold, is_han

_QUOTED = re.compile(r"“[^”]*”|‘[^’]*’|「[^」]*」|『[^』]*』|《[^》]*》|（[^）]*）|\"[^\"]*\"")

# What a word compares, and how one asks for it of one side. The sign says whether "more" of it is the larger value.
_ADJECTIVES: dict[str, tuple[int, str]] = {
    "多": (1, "有多少"), "少": (-1, "有多少"), "大": (1, "有多大"), "小": (-1, "有多大"), "高": (1, "有多高"),
    "低": (-1, "有多高"), "长": (1, "有多长"), "短": (-1, "有多长"), "远": (1, "有多远"), "近": (-1, "有多远"),
    "重": (1, "有多重"), "轻": (-1, "有多重"), "快": (1, "有多快"), "慢": (-1, "有多快"), "深": (1, "有多深"),
    "浅": (-1, "有多深"), "宽": (1, "有多宽"), "窄": (-1, "有多宽"), "久": (1, "有多久"), "早": (-1, "是什么时候"),
    "先": (-1, "是什么时候"), "晚": (1, "是什么时候"), "迟": (1, "是什么时候"), "贵": (1, "的价格是多少"),
    "便宜": (-1, "的价格是多少"),
}  # fmt: skip
_IN_TIME = frozenset("早 先 晚 迟 earlier later first sooner".split())
_ADJECTIVE = "|".join(sorted(_ADJECTIVES, key=len, reverse=True))
_SIDE = r"[^，,。？?、]{1,30}?"
_AND = r"(?:和|与|跟|同|、|还是)"
_WHICH = (
    r"(?:哪(?!一?个?(?:年|月|季|天|日|周|星期|时候|些|里|几))一?"
    r"(?:[个家座种款者边](?:城市|公司|企业|品牌|地方|国家|方案|产品)?)?|谁|孰)"
)
_PAIR = rf"(?P<first>{_SIDE}){_AND}(?P<second>{_SIDE})"
_ALIKE = r"(?:不同|区别|差别|差异|差距|异同|相同|共同|相似)(?:之处|点|的?地方)?"
_MORE = r"(?:更|比较|较|要|最)?"
_THAN = r"比(?![较起如例赛方分重率亚喻])"
# 卖得多: the verb that an adjective measures.
_DOING = r"(?:卖|产|生产|销售|出口|增长?|涨|跌|下降|跑|走|飞|赚|投|花|买|建|降|升)得"
_ENDS_ASKING = r"(?:吗|么|不|多少|几倍|一?些吗|了?(?:多少|几).{0,4})"
_ZH = tuple(
    re.compile(pattern)
    for pattern in (
        # 五菱和宝骏(的销量)相比，哪个(销量)更高
        rf"^{_PAIR}(?:的(?P<owned>{_SIDE}))?(?:相比|比较|比起来|之间|中|里)?，?{_WHICH}的?"
        rf"(?P<aspect>[^，,的更比较]{{0,10}}?)得?{_MORE}(?P<adjective>{_ADJECTIVE})(?:一?些|一点|点)?$",
        # 张三和李四谁更早入职
        rf"^{_PAIR}(?:相比|之间)?，?{_WHICH}{_MORE}(?P<adjective>早|先|晚|迟)(?P<aspect>[^，,的]{{1,8}})$",
        # 五菱(的销量)比宝骏(卖得)多吗、多多少
        rf"^(?P<first>{_SIDE})(?:的(?P<owned>[^的，,]{{1,10}}))?{_THAN}(?P<second>{_SIDE})"
        rf"(?:的(?P<again>[^的，,]{{1,10}}?))?(?P<aspect>{_DOING})?(?:更|还|要)?"
        rf"(?P<adjective>(?<!增)(?:{_ADJECTIVE})){_ENDS_ASKING}$",
        rf"^{_PAIR}(?:在(?P<aspect>[^，,的]{{1,10}}?)(?:上|方面))?(?:之间)?(?:相比)?，?"
        rf"(?:有|存在)(?:什么|何|哪些|啥)(?:{_ALIKE})$",
        rf"^{_PAIR}(?:之间)?的(?P<aspect>[^，,的]{{0,10}}?)(?:{_ALIKE})(?:是什么|在哪里?|有哪些|在于什么)?$",
        rf"^{_PAIR}(?:的(?P<aspect>[^，,的]{{1,10}}))?(?:相比|比较|对比|比起来)，?"
        rf"(?:如何|怎么样|怎样|有什么{_ALIKE}|结果如何)?$",
        rf"^(?:请|帮我)?(?:比较|对比)(?:一下|下)?{_PAIR}(?:的(?P<aspect>[^，,的]{{1,10}}))?$",
        # 哪个更大，五菱还是宝骏
        rf"^{_WHICH}的?(?P<aspect>[^，,的更比较]{{0,10}}?)得?{_MORE}(?P<adjective>{_ADJECTIVE})，{_PAIR}$",
        # 是五菱大还是宝骏大
        rf"^是?(?P<first>{_SIDE})(?P<adjective>{_ADJECTIVE})，?还是(?P<second>{_SIDE})(?P=adjective)$",
    )
)
_EN_ADJECTIVES: dict[str, tuple[int, str]] = {
    "larger": (1, "large"), "bigger": (1, "big"), "smaller": (-1, "large"), "higher": (1, "high"),
    "lower": (-1, "high"), "longer": (1, "long"), "shorter": (-1, "long"), "older": (-1, "old"),
    "younger": (-1, "old"), "newer": (-1, "old"), "heavier": (1, "heavy"), "lighter": (-1, "heavy"),
    "faster": (1, "fast"), "slower": (-1, "fast"), "deeper": (1, "deep"), "wider": (1, "wide"), "taller": (1, "tall"),
    "farther": (1, "far"), "further": (1, "far"), "nearer": (-1, "far"), "earlier": (-1, ""), "later": (1, ""),
    "sooner": (-1, ""), "first": (-1, ""), "more expensive": (1, "expensive"), "cheaper": (-1, "expensive"),
    "more": (1, ""), "fewer": (-1, ""), "less": (-1, ""),
}  # fmt: skip
_EN_ADJECTIVE = "|".join(sorted(_EN_ADJECTIVES, key=len, reverse=True))
_EN_SIDE = r"[^,?]{1,60}?"
_OR = rf"(?P<first>{_EN_SIDE}) or (?P<second>{_EN_SIDE})"
_BETWEEN = rf"(?P<first>{_EN_SIDE}) and (?P<second>{_EN_SIDE})"
_IN = r"(?: in (?P<aspect>[\w -]{1,30}))?"
_BASE_FORMS = {
    "opened": "open", "began": "begin", "started": "start", "happened": "happen", "came": "come", "ended": "end",
    "closed": "close", "arrived": "arrive", "sold": "sell", "made": "make", "won": "win", "produced": "produce",
    "employed": "employ", "built": "build", "spent": "spend", "lost": "lose", "earned": "earn", "had": "have",
    "has": "have", "have": "have",
}  # fmt: skip
_EN = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?:which|who|what)(?: (?:one|of (?:the|these) two|\w+))? (?:was|were) (?P<aspect>\w+)"
        rf" (?P<adjective>earlier|later|sooner|first)[,:]? {_OR}$",
        rf"^(?:which|who)(?: (?:one|of (?:the|these) two|\w+))?"
        rf" (?P<verb>came|opened|began|started|happened|ended|closed|arrived)"
        rf" (?P<adjective>earlier|later|sooner|first)[,:]? {_OR}$",
        rf"^(?:which|who|what)(?: (?:one|of (?:the|these) two|\w+))? (?:is|are|was|were)"
        rf" (?:the )?(?P<adjective>{_EN_ADJECTIVE})(?: one)?[,:]? {_OR}$",
        rf"^(?:which|who)(?: (?:one|\w+))? (?P<verb>\w+) (?P<adjective>more|fewer|less) (?P<aspect>[\w -]{{1,30}}?)[,:]"
        rf" {_OR}$",
        rf"^which(?: \w+)? (?:has|have|had) (?:the |a )?(?P<adjective>{_EN_ADJECTIVE}) (?P<aspect>[\w -]{{1,30}}?)[,:]"
        rf" {_OR}$",
        rf"^(?:is|are|was|were) (?P<first>{_EN_SIDE}) (?P<adjective>{_EN_ADJECTIVE}) than (?P<second>{_EN_SIDE})$",
        rf"^(?P<auxiliary>does|do|did) (?P<first>{_EN_SIDE}) (?P<verb>\w+) (?P<adjective>more|fewer|less)"
        rf"(?: (?P<aspect>[\w -]{{1,30}}?))? than (?P<second>{_EN_SIDE})$",
        r"^(?:what (?:is|are|was) )?(?:the )?(?:main |key )?differences?(?: in (?P<aspect>[\w -]{1,30}?))? between"
        rf" {_BETWEEN}$",
        rf"^how (?:does|do|did) (?P<first>{_EN_SIDE}) (?:compare|differ) (?:to|with|from) (?P<second>{_EN_SIDE}){_IN}$",
        rf"^(?:please )?compare (?P<first>{_EN_SIDE}) (?:with|to) (?P<second>{_EN_SIDE}){_IN}$",
        rf"^(?:please )?compare {_BETWEEN}{_IN}$",
    )
)
_ZH_LEAD = re.compile(r"^(?:请问|请|那么?|告诉我|我想知道)，?")
_ENDS = "。？?！!的呢啊呀 "
_BOTH = re.compile(r"这?[两二兩](?:[个者家人座种款個種](?:事件|公司|企业|城市|人|国家)?)$")
# 哪个事件发生得更早: what happened is said by the sides.
_EVENT = re.compile(r"^(?:一?个)?(?:事件|会议|活动)|(?:时间)?(?:得|在)?$")
_BEGINNINGS = re.compile(r"(?:时间|日期)$|^(?:成立|发布|开业|开通|上市|建成|出生|去世|开工|通车)$")
# A pair that is one thing, or no pair: 债务化解和高质量发展(的关系), 哪个.
_NO_SIDE = re.compile(
    r"什么|谁|哪|多少|几个|怎么|如何|为什么|是否|有没有|^(?:最|更|比|较)|^(?:一个|这|那|它们?|他们?|二者|两者)$"
    r"|^(?:the )?(?:two|both|it|they|them)$|^(?:how|what|why|when|where|which|who|whether)\b"
)
# 产量比去年多吗 asks for yes or no: a time is compared with another time alone.
_TIME = re.compile(
    r"^(?:[去今前明本昨][年月天日季周]|上(?:个?月|半?年|季|周|期)|\d{1,4}(?:年|月|$)|[一二三四]季|同期|以前|过去"
    r"|(?:last|this|next) (?:year|month|week|quarter)|before$)"
)
_MEASURED = re.compile(
    r"(?:量|率|额|值|价|价格|人口|面积|投资|收入|利润|gdp|产量|人数|数量|长度|高度|年龄|速度|成本|规模)$"
)


@dataclass(frozen=True)
class Comparison:
    """A question that sets two things side by side."""

    sides: tuple[str, str]  # as written: 五菱, 宝骏
    aspect: str  # what of them is compared, as written: 销量; "" where the question does not name it
    adjective: str  # 高, larger; "" where the question asks for no more and less
    questions: tuple[str, str]  # one for each side

    @property
    def in_time(self) -> bool:
        """Whether earlier and later are asked about, so that dates are compared."""
        return self.adjective in _IN_TIME

    @property
    def sign(self) -> int:
        """1 where the larger value is the one asked for (多, later), -1 where the smaller is, 0 for neither."""
        return {**_ADJECTIVES, **_EN_ADJECTIVES}.get(self.adjective, (0, ""))[0]


def compare(question: str) -> Comparison | None:
    """Return what a question compares, or None where it compares nothing, or no rule is sure of what."""
    stripped = question.strip()
    aligned = "".join(one if len(one := fold(character)) == 1 else character for character in stripped)
    aligned = aligned.rstrip(_ENDS).replace(",", "，") if any(map(is_han, aligned)) else stripped.rstrip(" ?.？")
    chinese = any(map(is_han, aligned))
    lead = _ZH_LEAD.match(aligned) if chinese else None
    offset = lead.end() if lead else 0
    masked = _QUOTED.sub(lambda match: "〇" * len(match[0]), aligned)[offset:]
    found = next((match for pattern in (_ZH if chinese else _EN) if (match := pattern.match(masked))), None)
    if not found:
        return None
    groups = {
        name: stripped[offset + found.start(name) : offset + found.end(name)].strip() if found[name] else ""
        for name in found.re.groupindex
    }
    first, second = (groups[name].strip(" ，,的") for name in ("first", "second"))
    if not chinese and (found.re.pattern.endswith(f"{_BETWEEN}$") or found.re.pattern.endswith(f"{_BETWEEN}{_IN}$")):
        first, second = _halves(f"{first} and {second}")
    if chinese:
        second = _BOTH.sub("", second)
    joins = r"[和与跟、]|还是|以及" if chinese else r"\bor\b"
    sides = fold(first), fold(second)
    if first == second or bool(_TIME.match(sides[0])) != bool(_TIME.match(sides[1])):
        return None
    if any(not side or _NO_SIDE.search(side) or re.search(joins, side) for side in sides):
        return None
    adjective = fold(groups.get("adjective", ""))
    aspect, owned = groups.get("aspect", ""), groups.get("owned", "") or groups.get("again", "")
    if chinese and adjective in _IN_TIME:
        aspect = _EVENT.sub("", aspect)
    if re.search(r"[和与、]", owned):
        return None
    if owned and "again" not in groups and not _is_shared(first, owned, adjective):
        second = f"{second}的{owned}"
    else:
        first, second, aspect = _share(first, second, owned or aspect, chinese)
    questions = tuple(
        _ask_chinese(side, aspect, adjective)
        if chinese
        else _ask_english(side, aspect, adjective, groups.get("verb", ""), groups.get("auxiliary", ""))
        for side in (first, second)
    )
    return Comparison((first, second), aspect, adjective, (questions[0], questions[1]))


def _is_shared(first: str, owned: str, adjective: str) -> bool:
    """Say whether what the second side has, 销量 in 五菱和宝骏的销量, is meant of the first as well."""
    if re.search(r"[时時][间間]$|日期$", first):
        return False
    if "的" in first:
        return first.endswith(f"的{owned}")
    return adjective not in _IN_TIME or bool(_BEGINNINGS.search(fold(owned)))


def _halves(pair: str) -> tuple[str, str]:
    """Cut a pair at its "and": at the middle one of three between names (Smith and Sons and Brown and Co), else ""."""
    places = [match.span() for match in re.finditer(r" and ", pair)]
    if len(places) == 1 or (len(places) == 3 and all(word[:1].isupper() for word in pair.split(" and "))):
        start, end = places[len(places) // 2]
        return pair[:start], pair[end:]
    return "", ""


def _share(first: str, second: str, aspect: str, chinese: bool) -> tuple[str, str, str]:
    """Give both sides what only one of them has: the aspect of 五菱和宝骏的销量, said once for both."""
    if not chinese or aspect:
        return first.removesuffix("的" + aspect), second.removesuffix("的" + aspect), aspect
    owner, _, owned = second.rpartition("的")
    if owner and "的" not in first:
        return first, owner, owned
    if owner and first.endswith("的" + owned):
        return first.removesuffix("的" + owned), owner, owned
    return first, second, ""


def _ask_chinese(side: str, aspect: str, adjective: str) -> str:
    folded = fold(aspect)
    if not adjective:
        if not aspect:
            return f"{side}是什么？"
        return f"{side}的{aspect}{'是多少' if _MEASURED.search(folded) else '是什么'}？"
    if aspect == "" and _MEASURED.search(fold(side)):
        return f"{side}是多少？"
    if adjective in _IN_TIME:
        verb = re.sub("得$|[时時][间間]$", "", aspect)
        return f"{side}是什么时候{verb}的？" if verb else f"{side}是什么时候？"
    if folded.endswith("得") or folded in ("卖", "产", "生产", "销售", "增长", "下降"):
        return f"{side}{aspect.removesuffix('得')}了多少？"
    return f"{side}的{aspect}是多少？" if aspect else f"{side}{_ADJECTIVES[adjective][1]}？"


def _ask_english(side: str, aspect: str, adjective: str, verb: str, auxiliary: str) -> str:
    verb = verb.lower()
    base = _BASE_FORMS.get(verb, verb)
    if adjective in _IN_TIME:
        return f"When did {side} {base}?" if verb else f"When was {side} {aspect}?".replace(" ?", "?")
    if adjective in ("more", "fewer", "less"):
        counted = f"How {'much' if adjective == 'less' or not aspect else 'many'} {aspect}".rstrip()
        past = verb in _BASE_FORMS and verb not in ("has", "have")
        if not auxiliary:
            auxiliary, base = ("did", base) if past else ("does", base.removesuffix("s") if base != "have" else base)
        return f"{counted} {auxiliary.lower()} {side} {base or 'have'}?"
    if adjective:
        asked = _EN_ADJECTIVES[adjective][1]
        return f"What is the {aspect} of {side}?" if aspect else f"How {asked} is {side}?"
    return f"What is the {aspect} of {side}?" if aspect else f"What is {side}?"
