"""Charts: points and curves to SVG, for a page that brings its own colours. Knows nothing of questions or systems.

Colours are the page's custom properties (`var(--accent)`), so that one drawing serves light and dark.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

WIDTH = 360  # pixels: what a telephone shows at its natural size, so that 12 pixel letters stay readable
NARROW = 300  # pixels of a chart of which four stand side by side
LETTERS = 12  # pixels
ROW = 26  # pixels a system takes in a forest plot
LABEL_GAP = 16  # pixels between labels beside a scatter
MAX_POINTS = 200  # of a curve; more cannot be seen
INK, SOFT, LINE, ACCENT = "var(--ink)", "var(--soft)", "var(--line)", "var(--accent)"

# What only a file of its own needs, and roles that would be read out in place of the label around the drawing.
_NEEDLESS = re.compile(r'\s(?:xmlns(?::\w+)?|version|class|role|aria-[\w-]+|pointer-events|width|height)="[^"]*"')
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")


@dataclass(frozen=True)
class Point:
    """A figure of a system: a share, with the ends of its interval where it has them."""

    name: str
    value: float
    low: float | None
    high: float | None
    own: bool  # stands out from the references
    x: float = 0.0  # of a scatter


def forest(points: Sequence[Point]) -> str:
    """Draw shares with their intervals, one below the other, in the order given."""
    values = [
        {"name": p.name, "value": p.value, "low": p.low, "high": p.high, "own": p.own, "said": f"{p.value:.0%}"}
        for p in points
    ]
    own = json.dumps([p.name for p in points if p.own])
    row = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {
            "ticks": False,
            "domain": False,
            "labelLimit": 104,
            "minExtent": 108,  # letters of another font may be wider than those measured with
            "labelPadding": 8,
            "labelColor": _either(f"indexof({own}, datum.value) >= 0", INK, SOFT),
            "labelFontWeight": _either(f"indexof({own}, datum.value) >= 0", "bold", "normal"),
        },
    }
    share = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "values": [0, 0.5, 1], "domain": False, "ticks": False},
    }
    return _draw(
        {
            "width": NARROW,
            "height": ROW * len(points) + 24,
            "data": {"values": values},
            "encoding": {"y": row},
            "layer": [
                _interval({"x": {"field": "low"} | share, "x2": {"field": "high"}}),
                _dots({"x": {"field": "value"} | share}),
                {
                    "mark": {"type": "text", "align": "left", "dx": 8},
                    "encoding": {
                        "x": {"value": "width"},
                        "text": {"field": "said"},
                        "color": _either("datum.own", INK, SOFT),
                    },
                },
            ],
        }
    )


def risk_coverage(
    name: str, coverage: Sequence[float], risk: Sequence[float], error_rate: float, here: tuple[float, float] | None
) -> str:
    """Draw a risk-coverage curve between those of a confidence that knows nothing and one that knows everything.

    Args:
        name: Of the curve.
        coverage: Shares of questions answered, rising.
        risk: The share of answers that is wrong at each.
        error_rate: The share that is wrong where everything is answered.
        here: Coverage and risk of the system as it is set.
    """
    kept = _thinned(len(coverage))
    right = 1 - error_rate
    steps = [right + (1 - right) * step / 50 for step in range(51)]
    lines = [(name, coverage[at], risk[at]) for at in kept]
    lines += [("random order", x, error_rate) for x in (0.0, 1.0)]
    lines += [("perfect order", 0.0, 0.0)] + [("perfect order", x, (x - right) / x if x else 0.0) for x in steps]
    kinds = [name, "random order", "perfect order"]
    top = max([error_rate, *risk, here[1] if here else 0.0])
    scale = {"domain": [0, min(1.0, (int(top * 10 + 0.999)) / 10 or 0.1)]}
    axis = {"format": ".0%", "tickCount": 5}
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": [{"kind": kind, "x": x, "y": y} for kind, x, y in lines]},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {
                "x": {
                    "field": "x",
                    "type": "quantitative",
                    "title": "share of questions answered",
                    "scale": {"domain": [0, 1]},
                    "axis": axis,
                },
                "y": {
                    "field": "y",
                    "type": "quantitative",
                    "title": "share of answers given that are wrong",
                    "scale": scale,
                    "axis": axis,
                },
                "color": {
                    "field": "kind",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": kinds, "range": [ACCENT, SOFT, SOFT]},
                },
                "strokeDash": {
                    "field": "kind",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": kinds, "range": [[1, 0], [6, 4], [2, 3]]},
                },
            },
        }
    ]
    if here:
        place = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
        data = {"values": [{"x": here[0], "y": here[1], "said": "as it is set"}]}
        point = {"type": "point", "filled": True, "size": 90, "opacity": 1, "color": ACCENT}
        left = here[0] > 0.6  # where the words would leave the drawing
        words = {"type": "text", "align": "right" if left else "left", "dx": -9 if left else 9, "dy": -9, "color": INK}
        layers.append({"data": data, "mark": point, "encoding": place})
        layers.append({"data": data, "mark": words, "encoding": place | {"text": {"field": "said"}}})
    return _draw({"height": 320, "layer": layers})


def scatter(points: Sequence[Point], title: str) -> str:
    """Draw shares with their intervals against `x` on a logarithmic axis, each with its name at the right."""
    height = 300
    scale: dict[str, Any] = {"domain": [0, 1]}
    xs = [p.x for p in points]
    across = {
        "field": "x",
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "domain": [min(xs) / 1.5, max(xs) * 1.5], "nice": False},
        "axis": {"values": [unit * 10**power for power in range(-2, 6) for unit in (1, 2, 5)], "format": "~g"},
    }
    axis = {"format": ".0%", "tickCount": 5, "grid": False}
    up = {"type": "quantitative", "title": None, "scale": scale, "axis": axis}
    heights = _apart([(1 - p.value) * height for p in points], LABEL_GAP, height)
    values = [
        {"name": p.name, "value": p.value, "low": p.low, "high": p.high, "own": p.own, "x": p.x, "at": 1 - at / height}
        for p, at in zip(points, heights, strict=True)
    ]
    right = {"value": "width"}
    return _draw(
        {
            "height": height + 50,
            "padding": {"left": 5, "top": 5, "bottom": 5, "right": 22},
            "data": {"values": values},
            "layer": [
                {
                    "mark": {"type": "rule", "color": LINE},
                    "encoding": {"x": across, "x2": right, "y": {"field": "value"} | up, "y2": {"field": "at"}},
                },
                _interval({"x": across, "y": {"field": "low"} | up, "y2": {"field": "high"}}),
                _dots({"x": across, "y": {"field": "value"} | up}),
                {
                    "mark": {"type": "text", "align": "left", "dx": 5, "limit": 120},
                    "encoding": {
                        "x": right,
                        "y": {"field": "at"} | up,
                        "text": {"field": "name"},
                        "color": _either("datum.own", INK, SOFT),
                    },
                },
            ],
        }
    )


def _interval(encoding: dict[str, Any]) -> dict[str, Any]:
    return {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": encoding | {"color": _either("datum.own", ACCENT, SOFT)},
    }


def _dots(encoding: dict[str, Any]) -> dict[str, Any]:
    """Own systems are filled and larger: colour alone would tell not everyone."""
    return {
        "mark": {"type": "point", "filled": True, "opacity": 1, "strokeWidth": 1.5},
        "encoding": encoding
        | {
            "size": _either("datum.own", 110, 60),
            "fill": _either("datum.own", ACCENT, "var(--paper)"),
            "stroke": _either("datum.own", ACCENT, SOFT),
        },
    }


def _either(test: str, value: str | int, other: str | int) -> dict[str, Any]:
    return {"condition": {"test": test, "value": value}, "value": other}


def _thinned(count: int) -> list[int]:
    """Return positions spread evenly, the first and the last among them."""
    if count <= MAX_POINTS:
        return list(range(count))
    return [round(at * (count - 1) / (MAX_POINTS - 1)) for at in range(MAX_POINTS)]


def _apart(wanted: Sequence[float], gap: float, height: float) -> list[float]:
    """Return places near those wanted, no two closer than `gap`, between 0 and `height` where there is room."""
    order = sorted(range(len(wanted)), key=lambda at: (wanted[at], at))
    gap = min(gap, height / max(1, len(wanted) - 1))
    places = [0.0] * len(wanted)
    floor: float = 0.0
    for at in order:
        places[at] = floor = max(wanted[at], floor)
        floor += gap
    ceiling = height
    for at in reversed(order):
        places[at] = ceiling = min(places[at], ceiling)
        ceiling -= gap
    return places


def _draw(spec: dict[str, Any]) -> str:
    import vl_convert

    orient: Literal["bottom"] = "bottom"
    axis = {
        "labelColor": SOFT,
        "titleColor": SOFT,
        "gridColor": LINE,
        "domainColor": SOFT,
        "tickColor": LINE,
        "labelFontSize": LETTERS,
        "titleFontSize": LETTERS,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    }
    legend = {"orient": orient, "labelColor": INK, "labelFontSize": LETTERS, "symbolStrokeWidth": 2, "symbolSize": 300}
    legend |= {"columnPadding": 18}
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": None,
        "width": WIDTH,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": {
            "aria": False,
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": axis,
            "legend": legend,
            "text": {"fontSize": LETTERS},
        },
    }
    drawn = vl_convert.vegalite_to_svg(whole | spec, allowed_base_urls=[])
    bare = _TAG.sub(lambda tag: tag[0] if tag[0].startswith("<rect") else _NEEDLESS.sub("", tag[0]), drawn)
    return bare.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
