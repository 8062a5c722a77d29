"""Normalisation: one form for what readers take to be the same answer. For comparing only.

Width, case and script are folded as for searching (rag.folding); on top of it numbers and dates written
in Chinese, in Arabic numerals or in English become one form: 三千万 = 3000万 = 30,000,000 = 30 million;
六月二十五日 = 6月25日 = June 25. What may or may not be a number (一些, 十分, 万一, 十五六) is left as it is.
"""

import re
from functools import lru_cache

from rag.folding import fold
from rag.quantities import MONTH_OF, MONTHS, NUMBER_WORD, SCALES, SMALL_NUMBERS, TENS

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_HAN_DIGITS, _HAN_UNITS = "".join(_DIGITS), "".join(_UNITS)
_LARGEST = 24  # characters of a numeral; a longer one is none
# A lone 一 or 四 is a number where something is counted with it; elsewhere it is part of a word (一些, 四川).
_MEASURE = (
    "个大项种条名位次届年月日号天岁人家台辆件份元座层楼米里成倍点时秒区县市省艘架所间支队组类方章节篇本册章步周级"
)

# "may" and "march" are months only with a capital letter.
_MONTH = "(?:" + "|".join(
    [name if name in ("May", "March") else f"[{name[0]}{name[0].lower()}]{name[1:]}" for name in MONTHS]
    + [r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"]
) + ")"  # fmt: skip
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_MONTH_DAY = re.compile(rf"\b({_MONTH})\s+{_DAY}\b(?![.,]?\d*%)(?:,?\s+(\d{{4}})\b)?")
_DAY_MONTH = re.compile(rf"\b{_DAY}\s+(?:of\s+)?({_MONTH})(?:,?\s+(\d{{4}})\b)?")
_MONTH_YEAR = re.compile(rf"\b({_MONTH})(?:,?\s+(\d{{4}})\b)?")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")

# ASCII commas and thin spaces group digits; a full-width comma stands between two numbers.
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])|(?<![\d.])\d{1,3}(?:[ \u2009\u202f\u00a0]\d{3})+(?!\d)")
_HAN_NUMBER = re.compile(
    rf"(?:\d+(?:\.\d+)?(?=[万亿])|(?<!\d)\d{{1,2}}(?=[百千])|[{_HAN_DIGITS}{_HAN_UNITS}])+(?:点[{_HAN_DIGITS}]+)?"
)
_PARTS = re.compile(rf"\d+(?:\.\d+)?|[{_HAN_DIGITS}{_HAN_UNITS}]")
_ENGLISH_NUMBER = re.compile(
    rf"(?<![\w.])(?:\d+(?:\.\d+)?[\s-]*(?:hundred|thousand|million|billion|trillion)|(?:{NUMBER_WORD}))"
    rf"(?:[\s-]+(?:and\s+)?(?:{NUMBER_WORD}))*\b"
)
_SHORT_BILLION = re.compile(r"(\d+(?:\.\d+)?)\s?bn\b")
_SHORT_MILLION = re.compile(r"(?<=[$£€¥])\s?(\d+(?:\.\d+)?)\s?m\b")  # elsewhere m may be metres
_PERCENT = re.compile(r"百分之(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:percent|per cent|个百分点)")
_HAN = r"\u3400-\u9fff\uf900-\ufaff〇\U00020000-\U0003ffff"
# A word ends where a Chinese character begins: both are letters to Python. The last is the end of a sentence.
_TOKEN = re.compile(rf"(?<![0-9a-z])-?\d+(?:\.\d+)?%?|\d+(?:\.\d+)?%?|[{_HAN}]|[^\W\d_{_HAN}]+|[。！？\n]")
_ENDS = "。！？\n"


@lru_cache(maxsize=65536)
def normalise(text: str) -> str:
    """Return a text folded, its numbers in Arabic digits and its dates in the form 2025 6月25日."""
    text = _GROUPED.sub(lambda m: re.sub(r"\D", "", m[0]), text)
    text = _ISO_DATE.sub(lambda m: f"{m[1]} {int(m[2])}月{int(m[3])}日", text)
    text = _MONTH_DAY.sub(lambda m: _date(m[1], m[2], m[3]), text)
    text = _DAY_MONTH.sub(lambda m: _date(m[2], m[1], m[3]), text)
    text = _MONTH_YEAR.sub(lambda m: _date(m[1], None, m[2]), text)
    text = re.sub(r"(?<=\d)\s+(?=[万亿])", "", fold(text.replace("−", "-")))
    text = _HAN_NUMBER.sub(_of_han, text)
    text = _SHORT_BILLION.sub(lambda m: _plain(float(m[1]) * 10**9), text)
    text = _SHORT_MILLION.sub(lambda m: _plain(float(m[1]) * 10**6), text)
    text = _ENGLISH_NUMBER.sub(_of_english, text)
    text = _PERCENT.sub(lambda m: f"{m[1] or m[2]}%", text)
    text = re.sub(r"(?<=月)(\d{1,2})号", r"\1日", text)
    return re.sub(r"(?<!\d)(\d{4})\s*年", r"\1 ", text)  # a year is its number


@lru_cache(maxsize=65536)
def tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a normalised text: Chinese characters, numbers, words, and ends of sentences."""
    found = _TOKEN.findall(normalise(text))
    while found and found[-1] in _ENDS:
        found.pop()
    return tuple("。" if token in _ENDS else token for token in found)


def holds(text: str, part: str) -> bool:
    """Say whether the tokens of `part` stand in `text`, one after another; 30 does not stand in 300."""
    whole, wanted = tokens(text), tokens(part)
    return bool(wanted) and any(whole[at : at + len(wanted)] == wanted for at in range(len(whole) - len(wanted) + 1))


def _of_han(match: re.Match[str]) -> str:
    text = match[0]
    if match.start() and match.string[match.start() - 1].isdigit():
        return text  # 2021十大: two numbers
    whole, _, decimals = text.partition("点")
    value = _han_value(whole, match.string[: match.start()][-1:], match.string[match.end() :][:1])
    if value is None:
        return text
    if decimals:
        return f"{value}.{''.join(str(_DIGITS[digit]) for digit in decimals)}"
    return value


def _han_value(text: str, before: str, after: str) -> str | None:
    """Return the value of a numeral with Chinese characters, or None where it is none.

    Args:
        text: Chinese digits and units; Arabic numbers stand before a unit.
        before: The character before it, or "".
        after: The character behind it, or "".
    """
    found = _PARTS.findall(text)
    if len(text) > _LARGEST:
        return None
    if all(part in _DIGITS for part in found):
        is_alone = not re.match(rf"[{_HAN}]", before) and not re.match(rf"[{_HAN}]", after)
        is_counted = is_alone or (after != "" and after in _MEASURE)
        is_number = is_counted if len(found) == 1 else len(found) > 2 or "零" in text or "〇" in text
        return "".join(str(_DIGITS[part]) for part in found) if is_number else None
    if found[0] in _UNITS and (found[0] != "十" or (text == "十" and after and after in "分足")):
        return None  # 千万不要, 万一, 十分
    total = large = section = 0.0
    number: float | None = None
    unit = 1  # of the place before, which a last digit counts tenths of: 一百二 is 120
    for part in found:
        if part in _UNITS:
            size = _UNITS[part]
            if size < 10**4:
                section += (1.0 if number is None else number) * size
            elif size == 10**4:
                large, section = (section + (number or 0.0) or 1.0) * size, 0.0
            else:
                total, large, section = total + (large + section + (number or 0.0) or 1.0) * size, 0.0, 0.0
            number, unit = None, size
        elif part in "零〇":
            unit = 1
        elif number is not None:
            return None  # 十五六, 三四百: about so many
        else:
            number = float(_DIGITS[part]) if part in _DIGITS else float(part)
    if number is not None and unit > 10:  # 十五 is 15
        number *= unit / 10
    return _plain(total + large + section + (number or 0.0))


def _of_english(match: re.Match[str]) -> str:
    words = re.findall(r"\d+(?:\.\d+)?|[a-z]+", match[0])
    words = [word for word in words if word != "and"]
    if words == ["one"] or words[0] in SCALES:
        return match[0]  # no one; hundreds
    total = part = 0.0
    before = ""
    for word in words:
        if word in SCALES:
            scale = SCALES[word]
            if scale == 100:
                part = (part or 1.0) * scale
            else:
                total, part = total + (part or 1.0) * scale, 0.0
        elif before in SMALL_NUMBERS or (before in TENS and (word in TENS or SMALL_NUMBERS.get(word, 0) > 9)):
            return " ".join(
                str(SMALL_NUMBERS.get(word, TENS.get(word, word))) for word in words
            )  # five six: two numbers
        else:
            part += SMALL_NUMBERS[word] if word in SMALL_NUMBERS else TENS[word] if word in TENS else float(word)
        before = word
    return _plain(total + part)


def _plain(value: float) -> str:
    return str(round(value)) if abs(value - round(value)) < 1e-6 else f"{value:g}"


def _date(month: str, day: str | None, year: str | None) -> str:
    number = MONTH_OF[month.strip(". ").lower()]
    return f"{f'{year} ' if year else ''}{number}月{f'{int(day)}日' if day else ''}"
