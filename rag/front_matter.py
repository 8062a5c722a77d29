"""The front matter of Markdown texts: lines about the text above it, between two lines of "---" (YAML) or "+++" (TOML).

Read is what a title and a day need; anything else, and whatever is odd, is passed over.
"""

import re
from dataclasses import dataclass

from rag.articles import find_date

MAX_LINES = 200
_FENCE = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*(?:\r\n|\n|\r)")
_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r|$)")
_KEY = re.compile(r"[\"']?(?P<key>[^\W\d][\w .-]{0,40})[\"']?\s*(?::(?=\s|$)|：|=)\s*(?P<value>.*)")
_INNER = re.compile(r"\s|-(?:\s|$)|#|[\]})]|$")  # how lines begin that belong to the key above them
_TITLES = ("title", "标题", "題目", "题目", "標題")
_DATES = (
    "date",
    "日期",
    "published",
    "pubdate",
    "publishdate",
    "发布日期",
    "发布时间",
    "發布日期",
    "created",
    "updated",
)


@dataclass(frozen=True)
class FrontMatter:
    """What the lines above a text tell about it; `end` is where the text begins."""

    title: str = ""
    date: str | None = None  # as written
    end: int = 0


def read_front_matter(source: str) -> FrontMatter:
    """Read the front matter of a text; where there is none, or nothing after it, the text begins at 0."""
    fence = _FENCE.match(source)
    if not fence:
        return FrontMatter()
    lines: list[str] = []
    at = fence.end()
    while at < len(source) and len(lines) < MAX_LINES:
        line = _LINE.match(source, at)
        assert line is not None  # it matches everywhere
        at = line.end()
        if line[1].rstrip() in (fence[1], "..." if fence[1] == "---" else fence[1]):
            values = _values(lines)
            return _told(values, at) if values and source[at:].strip() else FrontMatter()
        lines.append(line[1])
    return FrontMatter()


def _values(lines: list[str]) -> dict[str, str]:
    """Return the value of each key; nothing where a line is no part of such a list: then it is a text between rules."""
    values: dict[str, str] = {}
    key = ""
    if not lines or not lines[0].strip():
        return {}
    for line in lines:
        if _INNER.match(line):
            if key and values[key] in ("", "|", ">", "|-", ">-"):
                values[key] = line.strip()  # of a longer one the first line
        elif found := _KEY.match(line):
            key = found["key"].strip().casefold()
            values.setdefault(key, found["value"].strip())
        elif not re.fullmatch(r"\[[\w. -]+\]\s*", line):  # a table of TOML
            return {}
    return values


def _told(values: dict[str, str], end: int) -> FrontMatter:
    title = next((said for name in _TITLES if (said := _bare(values.get(name, "")))), "")
    dates = (find_date(values.get(name, "")) for name in _DATES)
    return FrontMatter(title, next((date for date in dates if date), None), end)


def _bare(value: str) -> str:
    """Return a value without its quotation marks and a comment; "" for what is no text."""
    quoted = re.match(r"([\"'])(.*)\1\s*(?:#.*)?$", value)
    if quoted:
        return re.sub(r"\\([\"\\])", r"\1", quoted[2]) if quoted[1] == '"' else quoted[2].replace("''", "'")
    plain = re.sub(r"\s+#.*$", "", value).strip()
    return "" if plain[:1] in "[{&*!|>%@`" else plain
