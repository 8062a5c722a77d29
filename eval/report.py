"""Report: one page of a run that needs nothing else: figures, charts, and every question with what was answered.

Whatever comes from questions, documents and models reaches the page through the template, which escapes it.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from eval import charts
from eval.facts import cost_facts, method_facts
from eval.printing import (
    Figure,
    change_of,
    count_of,
    figure_of,
    finite,
    lang,
    number,
    percent,
    point_of,
    printed,
)
from eval.runner import Run
from eval.scoring import STAGES, Row
from eval.summary import BY_KEY, COMPARED, HEADLINES, MEASURES, SLICED, SMALL, Measure

TEMPLATES = Path(__file__).parent / "templates"
FOREST = ("grounded", "right", "refusal_recall", "over_refusal")
GROWN = ("success@5", "grounded")
PARTNER = "bm25"  # what a system alone is set beside
SHORT = 60  # characters of what a reference system said
MANY = 12  # links a list shows before it is opened
SECTIONS = {
    "verdict": "In short",
    "systems": "All systems",
    "differences": "Differences",
    "slices": "Slices",
    "robustness": "Robustness",
    "confidence": "Confidence",
    "stages": "Where answers were lost",
    "cost": "Quality and cost",
    "measures": "All measures",
    "questions": "Questions",
    "method": "Method",
}
REFERENCES = {
    "random": "a sentence of a random passage",
    "bm25": "finds passages by their words alone",
    "dense": "finds passages by their vectors alone",
    "copy-top-passage": "copies the whole first passage",
    "always-refuse": "refuses everything",
    "never-refuse": "refuses nothing",
    "oracle-passage": "is given the passages that hold the gold",
}
FAILURES = {
    "dangling": "cited words that are in no passage",
    "unfaithful": "quoted words that do not stand in the text",
    "obeyed": "did what an instruction in the text asked for",
}
OUTCOMES = {
    "right": ("✓", "right"),
    "wrong": ("✗", "wrong"),
    "refused-rightly": ("✓", "rightly refused"),
    "refused-wrongly": ("✗", "wrongly refused"),
    "unjudged": ("?", "not judged: the gold tells too little"),
}
AREAS = {
    "aurc": "AURC: mean share of wrong answers over all coverages",
    "augrc": "AUGRC: mean share of all questions answered wrongly",
}


def write_report(path: Path, run: Run, summary: dict[str, Any], cost: dict[str, Any]) -> None:
    """Write the page. The same input gives the same bytes.

    Args:
        path: Of the HTML file.
        run: The rows, by system.
        summary: Of the same run, see `eval.summary.summarise`.
        cost: By system, see `eval.cost`; what is missing is left out.
    """
    # A lone surrogate, which JSON can hold and UTF-8 cannot, must not cost the report.
    path.write_text(render(run, summary, cost), encoding="utf-8", errors="replace", newline="\n")


def render(run: Run, summary: dict[str, Any], cost: dict[str, Any]) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    page = {
        "css": (TEMPLATES / "report.css").read_text(encoding="utf-8"),
        "script": script,
        # No other script runs on the page, whatever a text brings.
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return environment.get_template("report.html").render(page | _context(run, summary, cost)).lstrip()


def _context(run: Run, summary: dict[str, Any], cost: dict[str, Any]) -> dict[str, Any]:
    systems = summary["systems"]
    first = systems[0]
    compared = _compared(systems)
    anchors = _anchors(row.id for row in run.rows[first["name"]])
    found = {
        "differences": _differences(summary, systems),
        "robustness": _robustness(systems),
        "grown": _grown(run.manifest, systems),
        "confidence": _confidence(first),
        "stages": _stages(systems),
        "cost": cost_facts(systems, cost),
    }
    shown = {"robustness": found["robustness"] or found["grown"]}
    return found | {
        "sections": {
            key: title for key, title in SECTIONS.items() if key not in found or shown.get(key, found[key])
        },
        "measures_of": BY_KEY,
        "headlines": [BY_KEY[key] for key in HEADLINES],
        "sliced": [BY_KEY[key] for key in SLICED],
        "small": SMALL,
        "many": MANY,
        "manifest": run.manifest,
        "summary": summary,
        "first": first["name"],
        "verdict": _verdict(first, summary["dataset"]["questions"]),
        "warnings": _warnings(systems, anchors),
        "tiles": [(BY_KEY[key], figure) for key in HEADLINES if (figure := figure_of(first, key))],
        "forest": _forest(systems),
        "systems": _table(_by_quality(systems), HEADLINES),
        "compared": compared,
        "disagreements": _disagreements(run, compared, anchors),
        "slices": _slices(first),
        "groups": _groups(systems),
        "names": [system["name"] for system in systems],
        "own": [system["name"] for system in systems if not system["reference"]] or [first["name"]],
        "questions": _questions(run, systems, compared, anchors),
        "outcomes": OUTCOMES,
        "stage_names": STAGES,
        "failures": FAILURES,
        "method": method_facts(run.manifest, summary),
        "lang": lang,
        "tight": _tight,
    }  # fmt: skip


# -- Sections --------------------------------------------------------------------------------------


def _verdict(system: Mapping[str, Any], questions: int) -> str:
    measures = system["measures"]
    grounded, faithful = measures.get("grounded"), measures.get("faithful")
    refused, lost = measures.get("refusal_recall"), measures.get("over_refusal")
    if not grounded:
        return f"{system['name']} was asked {questions} questions, whose gold tells too little to judge an answer by."
    low, high = finite(grounded["low"]), finite(grounded["high"])
    interval = f" ({low * 100:.0f}–{high * 100:.0f}%)" if low is not None and high is not None else ""
    said = f"{system['name']} answered {percent(grounded['value'])} of {count_of(grounded['n'], 'question')} as "
    said += f"they should be{interval}"
    if faithful:
        exact = "throughout" if faithful["value"] == 1 else f"in {percent(faithful['value'])} of its answers"
        said += f", with exact quotes {exact}"
    parts = []
    if refused:
        parts.append(f"{percent(refused['value'])} of what the text does not tell")
    if lost:
        parts.append(f"{percent(lost['value'])} of what it does" if refused else f"{percent(lost['value'])} of them")
    return said + (f"; it refused {' and '.join(parts)}." if parts else ".")


def _warnings(systems: Sequence[Mapping[str, Any]], anchors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what must never happen and did; of one's own systems first."""
    return [
        {
            "system": system["name"],
            "said": f"{said}, {count_of(len(ids), 'time')}",
            "links": [(id_, anchors[id_]) for id_ in ids if id_ in anchors],
        }
        for system in sorted(systems, key=lambda system: bool(system["reference"]))
        for failure, said in FAILURES.items()
        if (ids := system["failures"].get(failure))
    ]


def _by_quality(systems: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    def quality(system: Mapping[str, Any]) -> float:
        grounded = system["measures"].get("grounded")
        return -grounded["value"] if grounded else 1.0

    return sorted(systems, key=quality)


def _forest(systems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for key in FOREST:
        points = [point_of(system, key) for system in _by_quality(systems) if key in system["measures"]]
        if points:
            said = "; ".join(f"{point.name} {percent(point.value)}" for point in points)
            found.append({"measure": BY_KEY[key], "svg": charts.forest(points), "said": said})
    return found


def _table(systems: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": system["name"],
            "reference": REFERENCES.get(system["reference"], system["reference"]),
            "figures": [figure_of(system, key) for key in keys],
        }
        for system in systems
    ]


def _compared(systems: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the two systems whose disagreements are listed; fewer where there is no second."""
    own = [system["name"] for system in systems if not system["reference"] and system["growth"] == 1]
    if len(own) > 1:
        return own[:2]
    first, *others = (system["name"] for system in systems)
    return [first, *((PARTNER,) if PARTNER in others else others[:1])]


def _differences(summary: Mapping[str, Any], systems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    reference = {system["name"]: system["reference"] for system in systems}
    told = sorted(summary["differences"], key=lambda one: bool(reference[one["second"]]))
    found = []
    for second, group in groupby(told, key=lambda one: one["second"]):
        rows = []
        for one in sorted(group, key=lambda one: COMPARED.index(one["measure"])):
            measure = BY_KEY[one["measure"]]
            change = change_of(one, measure.smaller_is_better)
            tally = (one["wins"], one["ties"], one["losses"])
            rows.append({"measure": measure, "change": change, "p": _p(one["p_adjusted"]), "tally": tally})
        found.append({"second": second, "is_own": not reference[second], "rows": rows})
    return found


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # as p values are printed


def _disagreements(run: Run, compared: Sequence[str], anchors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return for each of two systems the questions that it alone answered as they should be."""
    if len(compared) < 2:  # two differ
        return []
    one, other = ({row.id: row for row in run.rows[name]} for name in compared)
    found = []
    for name, mine, theirs in ((compared[0], one, other), (compared[1], other, one)):
        won = [id_ for id_ in mine if id_ in theirs and _grounded(mine[id_]) == 1 and _grounded(theirs[id_]) == 0]
        found.append({"name": name, "links": [(id_, anchors[id_], mine[id_].question) for id_ in won]})
    return found


def _grounded(row: Row) -> float | None:
    return row.scores.get("grounded")


def _slices(system: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, values in system["slices"].items():
        rows = [
            {
                "value": value,
                "questions": figures["questions"],
                "few": figures["questions"] < SMALL,
                "figures": [(BY_KEY[key], figure_of(figures, key)) for key in SLICED],
            }
            for value, figures in sorted(values.items(), key=lambda item: -item[1]["questions"])
        ]
        if rows:
            found.append({"name": name, "rows": rows})
    return found


def _robustness(systems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    own = [system for system in systems if not system["reference"]] or systems[:1]
    return [
        {
            "name": system["name"],
            "rows": [
                {
                    "variant": one["variant"],
                    "questions": one["questions"],
                    "few": one["questions"] < SMALL,
                    "value": number(one["value"], True),
                    "parents": number(one["parents"], True),
                    "change": change_of(one["difference"]) if one["difference"] else None,
                }
                for one in system["robustness"]
            ],
        }
        for system in own
        if system["robustness"]
    ]


def _grown(manifest: Mapping[str, Any], systems: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return systems that differ in nothing but how much the corpus was grown."""
    by_name = {system["name"]: system for system in systems}
    kinds: dict[str, list[dict[str, Any]]] = {}
    for told in sorted(manifest["systems"], key=lambda told: told["growth"]):
        system = by_name.get(told["name"])
        if system:
            row = {"name": told["name"], "growth": told["growth"], "passages": system["passages"]}
            row["figures"] = [figure_of(system, key) for key in GROWN]
            kinds.setdefault(repr((told["reference"], sorted(told["settings"].items()))), []).append(row)
    return [rows for rows in kinds.values() if rows[-1]["growth"] > 1]


def _confidence(system: Mapping[str, Any]) -> dict[str, Any] | None:
    curve, areas = system["risk_coverage"], system["areas"]
    if not curve or not areas:
        return None
    at = curve["here"]
    here = (at["coverage"], at["risk"]) if at["risk"] is not None else None
    drawn = charts.risk_coverage(system["name"], curve["coverage"], curve["risk"], curve["error_rate"], here)
    return {
        "svg": drawn,
        "here": {"coverage": percent(at["coverage"]), "risk": percent(at["risk"])} if here else None,
        "surest": [
            (percent(share), percent(curve["risk"][max(0, round(share * len(curve["risk"])) - 1)]))
            for share in (0.25, 0.5, 0.75, 1.0)
        ],
        "areas": [
            {
                "label": label,
                "figure": printed(areas[name]),
                "random": number(areas[name]["random"], True),
                "perfect": number(areas[name]["perfect"], True),
            }
            for name, label in AREAS.items()
        ],
    }


def _stages(systems: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    chosen = [system for system in systems if not system["reference"] or system["reference"] == "oracle-passage"]
    counts = [[system["stages"].get(stage, 0) for stage in STAGES] for system in chosen]
    most = max((sum(one) for one in counts), default=0)
    return [
        {
            "name": system["name"],
            "total": sum(one),
            "counts": list(zip(STAGES, one, strict=True)),
            "parts": [
                (at, stage, count, round(100 * count / most, 3))
                for at, (stage, count) in enumerate(zip(STAGES, one, strict=True))
                if count
            ],
        }
        for system, one in zip(chosen, counts, strict=True)
        if most
    ]


def _groups(systems: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[Measure, list[Figure | None]]]]]:
    told = [
        (measure, [figure_of(system, measure.key) for system in systems])
        for measure in MEASURES
        if any(measure.key in system["measures"] for system in systems)
    ]
    return [(group, list(rows)) for group, rows in groupby(told, key=lambda row: row[0].group)]


# -- Questions -------------------------------------------------------------------------------------


def _anchors(ids: Iterable[str]) -> dict[str, str]:
    """Return for each question's id one that is safe in a link, and unlike all others."""
    found: dict[str, str] = {}
    for id_ in ids:
        anchor = "q-" + re.sub(r"[^A-Za-z0-9_-]+", "-", id_)
        if anchor != f"q-{id_}":
            anchor = f"{anchor.rstrip('-')}-{hashlib.sha256(id_.encode(errors='replace')).hexdigest()[:8]}"
        while anchor in found.values():
            anchor += "-"
        found[id_] = anchor
    return found


def _questions(
    run: Run, systems: Sequence[Mapping[str, Any]], compared: Sequence[str], anchors: Mapping[str, str]
) -> dict[str, Any]:
    first, *_ = names = [system["name"] for system in systems]
    own = [system["name"] for system in systems if not system["reference"] and system["growth"] == 1] or [first]
    rows = {name: {row.id: row for row in run.rows[name]} for name in names}
    told = []
    for row in run.rows[first]:
        answers = [rows[name][row.id] for name in own if row.id in rows[name]]
        others = [rows[name][row.id] for name in names if name not in own and row.id in rows[name]]
        grounded = {
            _grounded(rows[name][row.id]) for name in (own if len(own) > 1 else compared) if row.id in rows[name]
        }
        told.append(
            {
                "row": row,
                "anchor": anchors[row.id],
                "parent": (row.family, anchors[row.family]) if row.family != row.id and row.family in anchors else None,
                "differs": len(grounded - {None}) > 1,
                "own": [{"row": answer, "outcome": outcome(answer)} for answer in answers],
                "others": [
                    {"name": other.system, "outcome": outcome(other), "said": _short(other.answer)} for other in others
                ],
                "outcomes": " ".join(outcome(answer) for answer in answers),
                "stages": " ".join(str(STAGES.index(a.stage)) if a.stage in STAGES else "-" for a in answers),
            }
        )
    asked = run.rows[first]
    present = {row.stage for name in own for row in run.rows[name]}
    return {
        "told": told,
        "kinds": sorted({row.kind for row in asked} - {""}),
        "variants": sorted({row.variant for row in asked} - {""}),
        "languages": sorted({row.language for row in asked} - {""}),
        "documents": sorted({row.document for row in asked}),
        "outcomes": [key for key in OUTCOMES if any(outcome(row) == key for name in own for row in run.rows[name])],
        "stages": [(at, stage) for at, stage in enumerate(STAGES) if stage in present],
        "differing": " and ".join(compared) if len(own) < 3 else "own systems",  # more than a pair
    }


def outcome(row: Row) -> str:
    """Return what came of a question: a key of `OUTCOMES`."""
    grounded = _grounded(row)
    if grounded is None:
        return "unjudged"
    if row.verdict == "refused":
        return "refused-rightly" if grounded == 1 else "refused-wrongly"
    return "right" if grounded == 1 else "wrong"


def _tight(text: str) -> str:
    """Return the text around a quote with its line ends, but without empty lines."""
    return re.sub(r"\s*\n\s*", "\n", text)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHORT else flat[:SHORT] + "…"
