"""Planted errors: how many wrong sentences verification finds, and how many right ones it takes for wrong.

Usage: python -m eval.planted [--data DIR] [--seed N]

Right answers are sentences and clauses of real texts, as they stand and lightly reworded; each error is one change to
a right answer. Half of the documents were looked at while the rules were written. The other half was held out until
they stood; what was wrongly called in it was then looked at once, and four general faults were mended. Sentences that
say the same in quite other words, as a language model may, are not among the right answers.
"""

import argparse
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from rag.documents import read_document
from rag.enumeration import enumerations
from rag.folding import fold, is_han
from rag.lexicon import words_of
from rag.passages import clause_spans, sentence_spans
from rag.quantities import Quantity, agree, quantities
from rag.verification import verify

ROOT = Path(__file__).parents[1]
TEXTS = ROOT / "eval" / "data" / "texts"
ARTICLE = ROOT / "rag" / "data" / "liuzhou.txt"
OF_EACH = 4  # errors of each kind, and right answers of each form, of one document
SHORTEST, LONGEST = 8, 160  # characters of a sentence that answers are made of

# Names as people read them: the lexicon that verification uses does not know all of them, nor cuts them as they are.
NAMES = tuple(
    """
    陈刚 郑俊康 吴炜 蓝天立 习近平 柳州 广西 广州 东盟 西南
    布兰斯塔德 特朗普 爱荷华 北京 华盛顿 路透社 美国 中国 白宫
    孟加拉国 达卡 意大利 科威特 苏格兰 杜瓦 汤普森 法雷尔 韦斯特罗斯 敦夫里斯 加洛韦 英国 伯明翰 伦敦
    朴炳锡 李英浩 李勇浩 金正恩 文在寅 蓬佩奥 韩国 朝鲜 平壤 首尔 新加坡 俄罗斯 纽约 联合国
    穆阿利姆 阿萨德 德米斯图拉 大马士革 土耳其 法国 伊德利卜 库尔德 叙利亚
    澳大利亚 堪培拉 墨尔本 达尔文 昆士兰 龙目岛 巴鲁 亚奇 印度尼西亚 佐科 印尼
    威尔士 艾琳·琼斯 约克郡 德怀尔 波维利耶 沙利文 考尼 布沙尔 尼尔森 科科伦 基夫 贝尔法斯特 邓迪 米尔顿凯恩斯 马夸特
    青石镇 望江茶馆 周文清 吴金声 何秀兰
    """.split()
)
_CAPITAL = re.compile(r"(?<![.!?\"“] )(?<!^)\b[A-Z][a-z]{2,}\b(?!['’])")
CHINESE_FRAMES = (
    "文中说，{}",
    "根据原文，{}",
    "报道提到：{}",
    "据文章介绍，{}",
    "原文的说法是：“{}”",
    "{}，这是文中的原话",
)
ENGLISH_FRAMES = (
    "According to the text, {}",
    "The article says that {}",
    "The report notes: {}",
    "The text reads: “{}”",
)
_UNITS = tuple(
    (old, new)
    for old, _, new in (
        pair.partition("/")
        for pair in """
        亿/万 万/亿 美元/欧元 英镑/美元 元/美元 人/辆 公里/米 公顷/平方公里 名/家 岁/年 小时/分钟 分钟/小时 例/家
        家/年 年/天 包/年 %/倍 天/周 個/年 种/年 只/家 座/年 million/billion years/days points/years minutes/hours
        games/years students/years countries/people cases/dollars
        """.split()
    )
)
_DIRECTIONS = tuple(
    (old, new)
    for old, _, new in (
        pair.partition("/")
        for pair in """
        上升/下降 增长/下降 增加/减少 提高/降低 扩大/缩小 下降/上升 减少/增加 上涨/下跌 超过/不足 以上/以下
        支持/反对 加快/放慢 降低/提高 最多/最少 加剧/缓解 承认/否认 开放/关闭 同意/拒绝 之前/之后 领先/落后
        領先/落後 戰勝/輸給 飙升/骤降 回落/回升 加深/减轻 开始/结束 降至/升至 拒绝/同意 更多/更少 贊同/反對
        增强/削弱 改善/恶化 more/less before/after after/before rose/fell climb/drop drop/climb won/lost above/below
        over/under increase/decrease first/last open/closed closed/open
        """.split()
    )
)
_NEGATIONS = (
    "没有",
    "無法",
    "无法",
    "不会",
    "不能",
    "未能",
    "并未",
    "並未",
    "并没有",
    "不",
    "未",
    "无",
    " not",
    "n't",
    " never",
)
_INSERTS = ("没有", "不", "未")
_HAN_DIGITS = "零一二三四五六七八九"


@dataclass(frozen=True)
class Planted:
    """One sentence with the words it cites; `kind` of its error, or the form of a right one."""

    document: str
    kind: str
    wrong: bool
    sentence: str
    quotes: tuple[str, ...]


@dataclass(frozen=True)
class Count:
    """How many of some sentences were called wrong, with the exact interval of their share."""

    kind: str
    called: int
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class _Source:
    """A document's sentences, and the names and Latin words in it."""

    name: str
    text: str
    sentences: tuple[str, ...]
    names: tuple[str, ...]
    latin: tuple[str, ...]
    chinese: bool


def load(paths: Sequence[Path]) -> list[_Source]:
    """Read the texts that answers are made of."""
    sources = []
    for path in paths:
        text = read_document(path).text
        sentences = tuple(
            text[start:end]
            for start, end in sentence_spans(text)
            if SHORTEST <= end - start <= LONGEST and _says(text[start:end])
        )
        folded = fold(text)
        chinese = sum(map(is_han, text)) * 4 > len(text)
        names = (
            tuple(name for name in NAMES if name in folded) if chinese else tuple(sorted(set(_CAPITAL.findall(text))))
        )
        latin = tuple(sorted(set(re.findall(r"\b[A-Za-z]{4,}\b", text))))
        sources.append(_Source(path.stem, text, sentences, names, latin, chinese))
    return sources


def _says(sentence: str) -> bool:
    return "\n" not in sentence and sum(character.isalnum() for character in sentence) >= SHORTEST


# -- Right answers ---------------------------------------------------------------------------------


def right_answers(source: _Source, draw: random.Random) -> Iterator[Planted]:
    """Yield right answers from a document, in every form that fits it."""
    forms: dict[str, Callable[[str, random.Random], str]] = {
        "verbatim": lambda sentence, _: sentence,
        "clause": _clauses,
        "framed": _framed,
        "numerals": lambda sentence, _: _other_numerals(sentence),
        "shortened": _shortened,
    }
    if source.chinese:
        forms |= {
            "traditional": lambda sentence, _: _traditional(sentence),
            "english frame": lambda s, d: _framed(s, d, ENGLISH_FRAMES),
        }
    for form, make in forms.items():
        made = 0
        for sentence in draw.sample(source.sentences, len(source.sentences)):
            said = make(sentence, draw)
            if said and made < OF_EACH and (form == "verbatim" or said != sentence):
                made += 1
                yield Planted(source.name, form, False, said, (sentence,))
    for sentence in source.sentences:
        if listed := _listed(sentence):
            yield Planted(source.name, "list", False, _as_list(listed, len(listed)), (sentence,))


def _clauses(sentence: str, draw: random.Random) -> str:
    spans = clause_spans(sentence)
    if len(spans) < 2:
        return ""
    first = draw.randrange(len(spans))
    last = min(len(spans) - 1, first + draw.randrange(2))
    said = sentence[spans[first][0] : spans[last][1]].strip(" ，,：:")
    return said if _says(said) and _balanced(said) else ""


def _balanced(said: str) -> bool:
    return said.count("“") == said.count("”") and said.count('"') % 2 == 0 and said.count("(") == said.count(")")


def _framed(sentence: str, draw: random.Random, frames: Sequence[str] = ()) -> str:
    said = _clauses(sentence, draw) or sentence.strip("。. ")
    frame = draw.choice(frames or (CHINESE_FRAMES if is_han(max(said)) else ENGLISH_FRAMES))
    return frame.format(said) if "“" not in said and '"' not in said else ""


def _shortened(sentence: str, draw: random.Random) -> str:
    """Leave a middle clause out."""
    spans = clause_spans(sentence)
    if len(spans) < 3 or not _balanced(sentence):
        return ""
    gone = draw.randrange(1, len(spans) - 1)
    said = "".join(
        sentence[start:end] + " " * (end < len(sentence) and sentence[end] == " ")
        for start, end in (*spans[:gone], *spans[gone + 1 :])
    )
    return said if _balanced(said) else ""


def _traditional(sentence: str) -> str:
    return str(_converter().convert(sentence))


@cache
def _converter() -> Any:
    import opencc  # its dictionaries are only needed here

    return opencc.OpenCC("s2t")


def _other_numerals(sentence: str) -> str:
    """Write whole numbers below ten thousand in the other numerals: 28亿 as 二十八亿, 十四 as 14, 1,279 as 1279."""
    if not any(map(is_han, sentence)):
        return re.sub(r"(?<=\d),(?=\d{3})", "", sentence)
    return re.sub(
        r"(?<![\d.,:A-Za-z年-])(\d{1,4})(?=[万亿年月日人名个例家岁种座天倍包])",
        lambda m: _han(int(m[1]), m.string[m.end()]),
        sentence,
    )


def _han(value: int, unit: str) -> str:
    if unit == "年" and value > 999:
        return "".join("〇一二三四五六七八九"[int(digit)] for digit in str(value))
    if value < 10:
        return _HAN_DIGITS[value]
    said = ""
    for size, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // size % 10
        if digit:
            said += _HAN_DIGITS[digit] + sign
        elif said and not said.endswith("零") and value % size:
            said += "零"
    return said.removeprefix("一") if said.startswith("一十") else said


def _listed(sentence: str) -> tuple[str, ...]:
    """Return the items of a sentence's list of three to nine short ones, or ()."""
    for one in enumerations(sentence):
        items = tuple(sentence[start:end] for start, end in one.items)
        if (
            3 <= len(items) <= 9
            and all(2 <= len(item) <= 24 and _balanced(item) for item in items)
            and "、" in sentence
        ):
            return items
    return ()


def _as_list(items: Sequence[str], promised: int) -> str:
    return f"文中列出了{_HAN_DIGITS[promised]}项内容：{'、'.join(items[:-1])}和{items[-1]}。"


# -- Errors ----------------------------------------------------------------------------------------


def errors(source: _Source, others: Sequence[_Source], draw: random.Random) -> Iterator[Planted]:
    """Yield wrong answers: each a right one with one change."""
    makers: dict[str, Callable[[str, str], str]] = {
        "digit": lambda said, quote: _wrong_digit(said, quote, draw),
        "unit": lambda said, quote: _wrong_unit(said, draw),
        "date": lambda said, quote: _wrong_date(said, quote, draw),
        "name": lambda said, quote: _wrong_name(said, quote, source, draw),
        "negation": lambda said, quote: _wrong_negation(said, draw),
        "direction": lambda said, quote: _wrong_direction(said, quote, draw),
        "latin word": lambda said, quote: _wrong_latin(said, quote, source, draw),
    }
    for kind, make in makers.items():
        made = 0
        for sentence in draw.sample(source.sentences, len(source.sentences)):
            right = draw.choice([sentence, _clauses(sentence, draw), _framed(sentence, draw)]) or sentence
            wrong = make(right, sentence) or make(sentence, sentence)
            if wrong and wrong != right and made < OF_EACH and wrong not in sentence:
                made += 1
                yield Planted(source.name, kind, True, wrong, (sentence,))
    yield from _wrong_lists(source, draw)
    yield from _stitched(source, draw)


def _wrong_digit(said: str, quote: str, draw: random.Random) -> str:
    given = quantities(quote)
    options = [one for one in quantities(said) if one.kind not in ("date", "weekday", "time") and not one.loose]
    draw.shuffle(options)
    for one in options:
        words = said[one.start : one.end]
        digits = [at for at, character in enumerate(words) if character in "123456789" or character in _HAN_DIGITS[2:]]
        if not digits:
            continue
        at = draw.choice(digits)
        signs = "123456789" if words[at].isascii() else _HAN_DIGITS[2:]
        changed = words[:at] + draw.choice([sign for sign in signs if sign != words[at]]) + words[at + 1 :]
        wrong = said[: one.start] + changed + said[one.end :]
        if _is_new(wrong, one.start, given):
            return wrong
    return ""


def _is_new(wrong: str, start: int, given: Sequence[Quantity]) -> bool:
    """Say whether the quantity at a place says something that no given one says."""
    made = [one for one in quantities(wrong) if one.start <= start + 1 < one.end + 1 and one.end > start]
    return not made or not any(agree(made[0], one) for one in given)


def _wrong_unit(said: str, draw: random.Random) -> str:
    options = [
        (found.start(1), unit, other)
        for unit, other in _UNITS
        for found in re.finditer(
            rf"(?:\d|[一二三四五六七八九十百千万亿])[多余]? ?({re.escape(unit)})(?![年代月初])", said
        )
        if not said[found.end() :].startswith(("元", "英镑"))
    ]
    if not options:
        return ""
    at, unit, other = draw.choice(options)
    return said[:at] + other + said[at + len(unit) :]


def _wrong_date(said: str, quote: str, draw: random.Random) -> str:
    options = [one for one in quantities(said) if one.kind in ("date", "weekday", "time")]
    draw.shuffle(options)
    for one in options:
        words = said[one.start : one.end]
        changed = _other_day(words, draw)
        wrong = said[: one.start] + changed + said[one.end :]
        if changed != words and _is_new(wrong, one.start, quantities(quote)):
            return wrong
    return ""


_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = "January February March April May June July August September October November December".split()


def _other_day(words: str, draw: random.Random) -> str:
    for names in (_DAYS, _MONTHS):
        for name in names:
            if name in words:
                return words.replace(name, draw.choice([other for other in names if other != name]))
    if found := re.search(r"(?<=[周期])[一二三四五六日天]|(?<=週)[一二三四五六日]", words):
        return (
            words[: found.start()]
            + draw.choice([day for day in "一二三四五" if day != found.group()])
            + words[found.end() :]
        )
    if found := draw.choice(list(re.finditer(r"\d+", words)) or [None]):
        value = int(found.group())
        other = value + draw.choice([-1, 1, 2]) or value + 1
        return words[: found.start()] + str(other) + words[found.end() :]
    return words


def _wrong_name(said: str, quote: str, source: _Source, draw: random.Random) -> str:
    folded, cited = fold(said), fold(quote)
    if len(folded) != len(said):
        return ""
    if source.chinese:
        here = [name for name in source.names if name in folded]
        away = [name for name in source.names if name not in cited]
    else:
        here = [name for name in source.names if re.search(rf"(?<!^)\b{name}\b", said)]
        away = [name for name in source.names if name.lower() not in cited]
    if not here or not away:
        return ""
    old, new = draw.choice(here), draw.choice(away)
    look = folded if source.chinese else said
    at = look.index(old)
    return said[:at] + new + said[at + len(old) :]


def _wrong_negation(said: str, draw: random.Random) -> str:
    for cue in draw.sample(_NEGATIONS, len(_NEGATIONS)):
        at = said.find(cue)
        if (
            at > 0
            and not (cue.isascii() and said[at + len(cue) :][:1].isalpha())
            and not re.match(r"不[断仅但同少久管论过]|未来|无论|非常|没收|无线|无人", said[at:])
            and not re.search(r"[并絕绝从]$", said[:at])
        ):
            return said[:at] + said[at + len(cue) :]
    folded = fold(said)
    if any(map(is_han, said)) and len(folded) == len(said):
        words = words_of(folded)
        verbs = [two for one, two in pairwise(words) if two.tag == "v" and len(two.text) == 2 and one.tag[0] in "ntdrx"]
        if verbs:
            return said[: (verb := draw.choice(verbs)).start] + draw.choice(_INSERTS) + said[verb.start :]
        return ""
    found = list(re.finditer(r"\b(?:was|is|were|are|will|would|had|has|could)\b(?! not)", said))
    return said[: (one := draw.choice(found)).end()] + " not" + said[one.end() :] if found else ""


def _wrong_direction(said: str, quote: str, draw: random.Random) -> str:
    options = [
        (found.start(), word, other)
        for word, other in _DIRECTIONS
        for found in re.finditer(rf"\b{word}\b" if word.isascii() else word, said)
        if other not in quote
    ]
    if not options:
        return ""
    at, word, other = draw.choice(options)
    return said[:at] + other + said[at + len(word) :]


def _wrong_latin(said: str, quote: str, source: _Source, draw: random.Random) -> str:
    found = [one for one in re.finditer(r"\b[A-Za-z]{4,}\b", said) if one.group().lower() in quote.lower()]
    if not found:
        return ""
    one = draw.choice(found)
    word = one.group()
    if draw.random() < 0.5 and source.chinese:
        away = [other for other in source.latin if other.lower() not in quote.lower()]
        changed = draw.choice(away) if away else word
    else:
        at = draw.randrange(1, len(word) - 1)
        changed = word[:at] + draw.choice([letter for letter in "bdfgkmprtvw" if letter != word[at]]) + word[at + 1 :]
    return said[: one.start()] + changed + said[one.end() :] if changed.lower() not in quote.lower() else ""


def _wrong_lists(source: _Source, draw: random.Random) -> Iterator[Planted]:
    """Yield lists with an item missing, and with one from elsewhere in the document in its place."""
    lists = {sentence: items for sentence in source.sentences if (items := _listed(sentence))}
    for sentence, items in list(lists.items())[:OF_EACH]:
        gone = draw.randrange(len(items))
        kept = [item for at, item in enumerate(items) if at != gone]
        if len(kept) > 2:
            yield Planted(source.name, "item missing", True, _as_list(kept, len(items)), (sentence,))
        away = [item for other, more in lists.items() if other != sentence for item in more if item not in sentence]
        away += [name for name in source.names if name not in fold(sentence)]
        if away:
            invented = [*items[:gone], draw.choice(away), *items[gone + 1 :]]
            yield Planted(source.name, "item invented", True, _as_list(invented, len(items)), (sentence,))


def _stitched(source: _Source, draw: random.Random) -> Iterator[Planted]:
    """Yield words of two distant sentences as one, both cited: in quotation marks, and plain."""
    made = 0
    usable = [
        sentence for sentence in source.sentences if "“" not in sentence and '"' not in sentence and len(sentence) >= 20
    ]
    for _ in range(4 * OF_EACH):
        if len(usable) < 2 or made == OF_EACH:
            return
        one, other = draw.sample(usable, 2)
        left, right = _half(one, first=True), _half(other, first=False)
        if not left or not right:
            continue
        made += 1
        gap = "" if source.chinese else " "
        frame = "{}" if made % 2 else ("文中写道：“{}”" if source.chinese else "The text says: “{}”")
        yield Planted(source.name, "stitched", True, frame.format(left + gap + right), (one, other))


def _half(sentence: str, first: bool) -> str:
    """Return the first or the last half of a sentence's longest clause, cut between words."""
    start, end = max(clause_spans(sentence), key=lambda span: span[1] - span[0])
    clause = sentence[start:end].strip("，,。.：: ")
    folded = fold(clause)
    if len(folded) != len(clause) or len(clause) < 12:
        return ""
    middle = min((word.start for word in words_of(folded)), key=lambda at: abs(at - len(clause) // 2))
    return clause[:middle].strip() if first else clause[middle:].strip()


# -- The table -------------------------------------------------------------------------------------


def plant(sources: Sequence[_Source], seed: int) -> list[Planted]:
    """Return right and wrong answers of all documents; the same seed makes the same."""
    planted: list[Planted] = []
    for source in sources:
        draw = random.Random(f"{seed} {source.name}")  # noqa: S311 - draws examples
        planted += [*right_answers(source, draw), *errors(source, sources, draw)]
    return list(dict.fromkeys(planted))


def is_wrong(one: Planted) -> bool:
    """Say whether verification finds anything wrong with it."""
    return bool(verify(one.sentence, one.quotes))


def count(kind: str, called: Sequence[bool]) -> Count:
    """Return a share with its exact interval.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.
    """
    from scipy import stats

    hits, n = sum(called), len(called)
    found = stats.binomtest(hits, max(1, n)).proportion_ci(0.95, method="exact")
    return Count(kind, hits, n, float(found.low), float(found.high))


def held_out(names: Sequence[str]) -> set[str]:
    """Return the half of the documents that no rule was written after: each second one by name."""
    return set(sorted(names)[1::2])


def table(title: str, counts: Sequence[Count]) -> list[str]:
    """Return a table in Markdown; the last row is all of them."""
    lines = [f"| {title} | called wrong | of | share | 95 % interval |", "| --- | ---: | ---: | ---: | ---: |"]
    for one in counts:
        share = 100 * one.called / max(1, one.n)
        lines.append(
            f"| {one.kind} | {one.called} | {one.n} | {share:.1f} % | {100 * one.low:.1f}–{100 * one.high:.1f} |"
        )
    return lines


def report(planted: Sequence[Planted], called: Sequence[bool], title: str) -> str:
    """Return both tables of some sentences: errors by kind, and right answers by form."""
    lines = [f"## {title}", ""]
    for wrong, heading in ((True, "error"), (False, "right answer")):
        mine = [(one.kind, is_called) for one, is_called in zip(planted, called, strict=True) if one.wrong == wrong]
        kinds = list(dict.fromkeys(kind for kind, _ in mine))
        rows = [count(kind, [is_called for other, is_called in mine if other == kind]) for kind in kinds]
        lines += [*table(heading, [*rows, count("all", [is_called for _, is_called in mine])]), ""]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, verify and print; 1 where there is no text."""
    parser = argparse.ArgumentParser(prog="python -m eval.planted", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=None, help="folder of .txt files (default: the evaluation's texts and the article)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--show", choices=("seen", "held"), help="also print what was missed, and what was wrongly called"
    )
    chosen = parser.parse_args(arguments)
    paths = sorted(chosen.data.glob("*.txt")) if chosen.data else [*sorted(TEXTS.glob("*.txt")), ARTICLE]
    if not paths:
        sys.stderr.write(f"There are no .txt files in {chosen.data}. Give a folder of texts.\n")
        return 1
    planted = plant(load(paths), chosen.seed)
    called = [is_wrong(one) for one in planted]
    away = held_out([path.stem for path in paths])
    marked = list(zip(planted, called, strict=True))
    parts = {
        f"All documents ({len(paths)})": marked,
        "Documents looked at": [one for one in marked if one[0].document not in away],
        "Documents held out": [one for one in marked if one[0].document in away],
    }
    for title, some in parts.items():
        sys.stdout.write(report([one for one, _ in some], [is_called for _, is_called in some], title) + "\n")
    for one, is_called in marked:
        if chosen.show and (one.document in away) == (chosen.show == "held") and one.wrong != is_called:
            cited = " / ".join(one.quotes)
            found = verify(one.sentence, one.quotes)
            sys.stdout.write(f"{one.kind}: {one.sentence}\n    cited: {cited}\n    {found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
