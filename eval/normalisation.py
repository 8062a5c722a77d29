"""Normalisation: one form for what readers take to be the same answer. For comparing only.

Width, case and script are folded as for searching (rag.folding); on top of it numbers and dates written
in Chinese, in Arabic numerals or in English become one form: 三千万 = 3000万 = 30,000,000 = 30 million;
六月二十五日 = 6月25日 = June 25.
"""

import re
from functools import lru_cache

from rag.folding import fold

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}
_HAN_NUMERALS = "".join((*_DIGITS, *_UNITS, *_LARGE))
_ENGLISH_UNITS = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "bn": 10**9, "m": 10**6,
}  # fmt: skip
_ENGLISH_WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {word: 10 * value for value, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)}
_MONTHS = {
    month: number
    for number, month in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
}
_MONTHS |= {month[:3]: number for month, number in _MONTHS.items()} | {"sept": 9}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))

_GROUPED = re.compile(r"(?<=\d)[, ](?=\d{3}(?!\d))")
_ARABIC_LARGE = re.compile(r"(\d+(?:\.\d+)?)\s*([十百千万亿]+)")
_ENGLISH_LARGE = re.compile(
    rf"(?<![\w.])(\d+(?:\.\d+)?|{'|'.join(_ENGLISH_WORDS)})[\s-]*(hundred|thousand|million|billion|trillion|(?<=\d)bn|(?<=\d)m)\b"
)
_ENGLISH_WORD = re.compile(rf"\b({'|'.join(_ENGLISH_WORDS)})\b")
_PERCENT = re.compile(
    rf"百分之([\d.]+|[{_HAN_NUMERALS}]+)|(\d+(?:\.\d+)?|[{_HAN_NUMERALS}]+)\s*(?:percent|per cent|个百分点)"
)
_HAN_NUMBER = re.compile(rf"[{_HAN_NUMERALS}]+")
_YEAR = re.compile(r"(?<!\d)(\d{4})\s*年|(?<![\d.])((?:1[5-9]|20)\d\d)(?![\d.])(?!\s*[^\W\d_])")
_HAN_DATE = re.compile(r"(?<!\d)(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]")
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s*(\d{{4}}))?")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b\.?(?:,?\s*(\d{{4}}))?")
_HAN = r"\u3400-\u9fff\uf900-\ufaff〇\U00020000-\U0003ffff"
# A word ends where a Chinese character begins: both are letters to Python.
_TOKEN = re.compile(rf"\d+m\d+d|\d{{4}}y|\d+(?:\.\d+)?%?|[{_HAN}]|[^\W\d_{_HAN}]+")


@lru_cache(maxsize=65536)
def normalise(text: str) -> str:
    """Return a text folded, its numbers in Arabic digits and its dates as `2025y` and `6m25d`."""
    text = _GROUPED.sub("", fold(text))
    text = _PERCENT.sub(lambda m: f"{_number(m[1] or m[2])}%", text)
    text = _ARABIC_LARGE.sub(_times_han, text)
    text = _HAN_NUMBER.sub(lambda m: str(_han_value(m[0]) if _han_value(m[0]) is not None else m[0]), text)
    text = _ISO_DATE.sub(lambda m: f"{m[1]}y{int(m[2])}m{int(m[3])}d", text)
    text = _HAN_DATE.sub(lambda m: f"{int(m[1])}m{int(m[2])}d", text)
    text = _MONTH_DAY.sub(lambda m: _date(m[3], m[1], m[2]), text)
    text = _DAY_MONTH.sub(lambda m: _date(m[3], m[2], m[1]), text)
    text = _ENGLISH_LARGE.sub(_times_english, text)
    text = _ENGLISH_WORD.sub(lambda m: str(_ENGLISH_WORDS[m[1]]), text)
    return _YEAR.sub(lambda m: f"{m[1] or m[2]}y", text)


@lru_cache(maxsize=65536)
def tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of a normalised text: Chinese characters, numbers, dates and words; no punctuation."""
    return tuple(_TOKEN.findall(normalise(text)))


def holds(text: str, part: str) -> bool:
    """Say whether the tokens of `part` stand in `text`, one after another; 30 does not stand in 300."""
    whole, wanted = tokens(text), tokens(part)
    return bool(wanted) and any(whole[at : at + len(wanted)] == wanted for at in range(len(whole) - len(wanted) + 1))


def _han_value(numeral: str) -> int | None:
    """Return the value of a Chinese numeral, or None where it is none (千万 of 千万不要 is: ten million)."""
    if all(character in _DIGITS for character in numeral):
        return int("".join(str(_DIGITS[character]) for character in numeral))
    total = section = digit = 0
    for character in numeral:
        if character in _DIGITS:
            digit = digit * 10 + _DIGITS[character] if digit else _DIGITS[character]
        elif character in _UNITS:
            section += (digit or 1) * _UNITS[character]
            digit = 0
        else:
            total = (total + section + digit or 1) * _LARGE[character]
            section = digit = 0
    return total + section + digit


def _number(text: str) -> str:
    value = None if text[0].isdigit() else _han_value(text)
    return text if value is None else str(value)


def _times_han(match: re.Match[str]) -> str:
    factor = 1
    for character in match[2]:
        factor *= (_UNITS | _LARGE)[character]
    return _plain(float(match[1]) * factor)


def _times_english(match: re.Match[str]) -> str:
    number = _ENGLISH_WORDS.get(match[1])
    return _plain(float(match[1] if number is None else number) * _ENGLISH_UNITS[match[2]])


def _plain(value: float) -> str:
    return str(round(value)) if abs(value - round(value)) < 1e-6 else f"{value:g}"


def _date(year: str | None, month: str, day: str) -> str:
    return f"{f'{year}y' if year else ''}{_MONTHS[month]}m{int(day)}d"
