"""Rendering: templates into HTML, in one of the two languages. Whatever a template is given is escaped."""

import re
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rag.errors import Language
from rag.explanation import ExplainedHit, ExplainedRunnerUp
from rag.page.marking import Mark, colour, paint
from rag.page.reading import file_name
from rag.page.words import LANGUAGES, say

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")
FOLDER = Path(__file__).parent
TITLE_LENGTH = 30  # characters shown of a title beside a citation; the source shows all
PASSAGE_LENGTH = 120  # characters shown of a nearby passage
SHELF = 20  # conversations listed beside the talk; a page of its own has all
BEFORE_MATCH = 20  # characters shown before the first matched word

_TAG = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*")  # of a language: zh-hant-tw


def render(template: str, language: Language, **values: Any) -> str:
    """Return a template of `templates/` as HTML."""
    values = {"all_of_them": False} | values | {"t": partial(say, language), "language": language}
    html = environment().get_template(template).render(values)
    return html.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair could not be sent


@cache
def environment() -> Environment:
    """Return what loads the templates; a name that is not defined is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"short": shorten, "name": file_name, "colour": colour, "day": _day, "matched": _matched}
    made.globals |= {
        "LANGUAGES": LANGUAGES,
        "THEMES": THEMES,
        "HTML_LANGUAGE": {"zh": "zh-CN", "en": "en"},
        "SHELF": SHELF,
    }
    made.globals["parts"] = made.get_template("parts.html").module
    return made


def shorten(text: str, length: int = PASSAGE_LENGTH) -> str:
    """Return a text on one line, cut with … where it is longer."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _matched(one: ExplainedHit | ExplainedRunnerUp) -> Markup:
    """Return the words of a passage that was found, with those of the query marked."""
    start, text = (
        (one.hit.passage.start, one.hit.passage.text)
        if isinstance(one, ExplainedHit)
        else (one.runner_up.start, one.runner_up.quote)
    )
    marks = [Mark(first - start, last - start, 0) for first, last in one.matched]

    def said_from(first: int) -> int:
        return sum(
            mark.end - mark.start for mark in marks if first <= mark.start and mark.end <= first + PASSAGE_LENGTH
        )

    # Where most of the question is said; the first such place.
    first = max((max(0, mark.start - BEFORE_MATCH) for mark in marks), key=said_from, default=0)
    last = min(len(text), first + PASSAGE_LENGTH)
    cut = Markup("…")
    return (cut if first else Markup("")) + paint(text, first, last, marks) + (cut if last < len(text) else Markup(""))


def _day(moment: str) -> str:
    """Return the day and the minute of an ISO 8601 time, in UTC as it is kept."""
    return moment[:16].replace("T", " ")


def language_of(cookies: Mapping[str, str], accepted: str) -> Language:
    """Return the language to speak: the one chosen on the page, else what the browser likes best.

    Args:
        cookies: Of the request.
        accepted: The Accept-Language header, or "".
    """
    if (chosen := cookies.get("language")) in LANGUAGES:
        return "zh" if chosen == "zh" else "en"
    liked: list[tuple[float, int, str]] = []
    for place, entry in enumerate(accepted.split(",")[:20]):
        tag, _, weight = entry.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        liked.append((-quality, place, tag.strip().lower()))
    tags = [tag for quality, _, tag in sorted(liked) if quality < 0 and _TAG.fullmatch(tag)]
    known = [tag.partition("-")[0] for tag in tags if tag.partition("-")[0] in LANGUAGES]
    # Whoever reads neither reads English sooner; a program that says nothing gets the language of the article.
    return ("zh" if known[0] == "zh" else "en") if known else "en" if tags else "zh"


def theme_of(cookies: Mapping[str, str]) -> Theme:
    """Return the theme chosen on the page, else the one that follows the system."""
    chosen = cookies.get("theme")
    return next((theme for theme in THEMES if theme == chosen), "auto")
