"""Printing: figures, differences and sizes as the report says them. Shares are printed in per cent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval import charts
from eval.summary import SMALL
from rag.folding import is_han

NO_SHARE = ("length",)  # measures that are no share of anything


@dataclass(frozen=True)
class Figure:
    """A figure as it is printed; shares in per cent."""

    text: str
    interval: str  # "" where it has none
    half: str  # half of the interval's length
    n: int
    few: bool  # made of too few questions to say much
    share: float | None  # 0 to 1, for the colour of a cell


@dataclass(frozen=True)
class Change:
    """A difference as it is printed, in per cent points."""

    text: str
    interval: str
    is_clear: bool  # the interval leaves out 0
    verdict: str


def figure_of(system: Mapping[str, Any], key: str) -> Figure | None:
    """Return a measure of a system, or of a slice."""
    return printed(system.get("measures", system).get(key), key not in NO_SHARE)


def printed(estimate: Mapping[str, Any] | None, is_share: bool = True) -> Figure | None:
    """Return an estimate as it is printed, or None where there is none."""
    if not estimate:
        return None
    value, low, high = (finite(estimate[name]) for name in ("value", "low", "high"))
    if value is None:
        return None
    interval = half = ""
    if low is not None and high is not None:
        interval = f"{number(low, is_share)}–{number(high, is_share)}"
        half = number((high - low) / 2, is_share) if low < value < high else ""  # at its end an interval has one side
    return Figure(
        text=number(value, is_share),
        interval=interval,
        half=half,
        n=int(estimate["n"]),
        few=estimate["n"] < SMALL,
        share=min(1.0, max(0.0, value)) if is_share else None,
    )


def number(value: float, is_share: bool) -> str:
    """Return a share in per cent, or another value, with one digit."""
    return f"{value * 100:.1f}" if is_share else f"{value:.1f}"


def finite(value: float | None) -> float | None:
    """Return a value, or None where it is none or has no end."""
    return value if value is not None and math.isfinite(value) else None


def signed(value: float) -> str:
    """Return a difference of shares in per cent points, with its sign."""
    rounded = round(value * 100, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.1f}"


def change_of(difference: Mapping[str, Any], smaller_is_better: bool = False) -> Change:
    """Return a difference as it is printed, and whether its interval leaves out 0."""
    low, high = finite(difference["low"]), finite(difference["high"])
    if low is None or high is None:
        return Change(signed(difference["value"]), "", False, "too little to tell")
    is_clear = low > 0 or high < 0
    better = (low > 0) != smaller_is_better
    verdict = ("better" if better else "worse") if is_clear else "not told apart"
    return Change(signed(difference["value"]), f"{signed(low)} to {signed(high)}", is_clear, verdict)


def percent(value: float) -> str:
    """Return a share in whole per cent."""
    return f"{value * 100:.0f}%"


def lang(text: str) -> str:
    """Return the language to read a text in; letters alone do not tell more."""
    return "zh" if any(map(is_han, text)) else "en"


def duration(milliseconds: float | None) -> str:
    """Return milliseconds with three digits."""
    if milliseconds is None:
        return ""
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"  # three digits


def plain(value: float | None, digits: int = 0) -> str:
    """Return a value with thousands set apart."""
    return "" if value is None else f"{value:,.{digits}f}"


def megabytes(value: int | None) -> str:
    """Return bytes in megabytes."""
    return "" if value is None else f"{value / 1e6:,.1f}"


def point_of(system: Mapping[str, Any], key: str, x: float = 0.0) -> charts.Point:
    """Return a system's measure as a point of a chart; `x` is its place there."""
    figure = system["measures"][key]
    low, high = finite(figure["low"]), finite(figure["high"])
    return charts.Point(system["name"], figure["value"], low, high, not system["reference"], x)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or the plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
