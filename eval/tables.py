"""Tables: the figures of a run in Markdown, and its headlines for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Column, Table

from eval.summary import BY_KEY, HEADLINES, MEASURES, SLICED, SMALL

HEADS = {  # of the terminal, where there is little room
    "grounded": "grounded accuracy",
    "right": "answers right",
    "gold_hit": "cited the gold",
    "refusal_recall": "rightly refused",
    "over_refusal": "wrongly refused",
    "faithful": "quotes exact",
}


def figure(estimate: dict[str, Any] | None, digits: int = 3) -> str:
    """Return a figure with its interval, or – where it does not apply."""
    if estimate is None:
        return "–"
    low, high = estimate["low"], estimate["high"]
    interval = "no interval" if low is None or high is None else f"{low:.{digits}f}–{high:.{digits}f}"
    return f"{estimate['value']:.{digits}f} ({interval}){'*' if estimate['n'] < SMALL else ''}"


def gap(difference: dict[str, Any], digits: int = 3) -> str:
    """Return a difference with its interval."""
    value, low, high = difference["value"], difference["low"], difference["high"]
    interval = "no interval" if low is None or high is None else f"{low:+.{digits}f} to {high:+.{digits}f}"
    return f"{value:+.{digits}f} ({interval})"


def short(estimate: dict[str, Any] | None) -> str:
    """Return a figure with its interval below."""
    if estimate is None:
        return "–"
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    interval = "" if low is None or high is None else f"\n{low:.2f}–{high:.2f}"
    return f"{value:.2f}{'*' if estimate['n'] < SMALL else ''}{interval}"


def markdown(summary: dict[str, Any], cost: dict[str, Any]) -> str:
    """Return all figures as Markdown: systems by measures, slices of the first system, differences, cost."""
    systems = summary["systems"]
    dataset = summary["dataset"]
    names = [system["name"] for system in systems]
    resampled = summary["resampled"]
    lines = [
        f"# {dataset['name']}: {dataset['questions']} questions, {dataset['answerable']} answerable",
        "",
        f"Intervals hold 95%; {resampled['clusters']} {resampled['unit']} were resampled. "
        f"* fewer than {SMALL} questions.",
        "",
    ]
    present = [measure for measure in MEASURES if any(measure.key in system["measures"] for system in systems)]
    rows = [
        [measure.label, *(figure(system["measures"].get(measure.key)) for system in systems)] for measure in present
    ]
    for key, label in (("aurc", "AURC"), ("augrc", "AUGRC")):
        rows.append([f"{label} (smaller is better)", *(_area(system["areas"].get(key)) for system in systems)])
    lines += [*_table(["measure", *names], rows), ""]
    stages = [[stage, *(str(system["stages"][stage]) for system in systems)] for stage in systems[0]["stages"]]
    lines += ["## Where wrong answers were lost", "", *_table(["stage", *names], stages), ""]
    lines += [f"## Slices of {names[0]}", ""]
    sliced = [
        [f"{slice_}: {value}", str(figures["questions"]), *(figure(figures.get(key), 2) for key in SLICED)]
        for slice_, values in systems[0]["slices"].items()
        for value, figures in values.items()
    ]
    lines += [*_table(["slice", "questions", *(BY_KEY[key].label for key in SLICED)], sliced), ""]
    if systems[0]["robustness"]:
        lines += ["## Variants beside their parents, grounded accuracy", "", *_robustness(systems[0]), ""]
    if summary["differences"]:
        lines += ["## Differences", "", *_differences(summary["differences"]), ""]
    if cost:
        lines += ["## Cost", "", *_cost(cost), ""]
    return "\n".join(lines)


def _area(area: dict[str, Any] | None) -> str:
    return f"{figure(area)}, random {area['random']:.3f}, perfect {area['perfect']:.3f}" if area else "–"


def _robustness(system: dict[str, Any]) -> list[str]:
    rows = []
    for row in system["robustness"]:
        difference = row["difference"]
        said = gap(difference, 2) if difference else "–"
        few = "*" if row["questions"] < SMALL else ""
        rows.append([row["variant"], f"{row['questions']}{few}", f"{row['value']:.2f}", f"{row['parents']:.2f}", said])
    return _table(["variant", "questions", "variant", "parents", "difference"], rows)


def _differences(differences: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [
            f"{one['first']} – {one['second']}",
            BY_KEY[one["measure"]].label,
            gap(one),
            f"{one['p_adjusted']:.4f}",
            f"{one['wins']}/{one['ties']}/{one['losses']}",
        ]
        for one in differences
    ]
    return _table(["systems", "measure", "difference", "p (Holm)", "win/tie/loss"], rows)


def _cost(cost: dict[str, Any]) -> list[str]:
    rows = []
    for system, one in cost.items():
        warm, cold, index = one["warm"], one.get("cold"), one["index"]
        memory = one.get("peak_memory_bytes")
        rows.append(
            [
                system,
                *(_milliseconds(warm.get(stage)) for stage in ("question", "search", "read", "cite", "total")),
                f"{sum(cold[step]['p50'] for step in ('import', 'open', 'first')):.0f}" if cold else "–",
                f"{index['passages']} in {index['seconds']:.1f} s" if index["seconds"] else str(index["passages"]),
                f"{memory / 1e6:.0f}" if memory else "–",
                f"{one['disk_bytes'] / 1e6:.1f}",
            ]
        )
    stages = ["question", "search", "read", "cite", "total"]
    header = [
        "system",
        *(f"{s}, ms p50/p95" for s in stages),
        "cold answer, ms",
        "passages indexed",
        "memory, MB",
        "disk, MB",
    ]
    return _table(header, rows)


def _milliseconds(times: dict[str, float] | None) -> str:
    return f"{times['p50']:.1f}/{times['p95']:.1f}" if times else "–"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"

    return [line(header), f"|{' --- |' * len(header)}", *map(line, rows)]


def headlines(summary: dict[str, Any]) -> Table:
    """Return the headline measures of all systems, for the terminal: each figure with its interval below."""
    dataset = summary["dataset"]
    own = [system for system in summary["systems"] if not system["reference"]]
    exact = all(system["measures"].get("faithful", {}).get("value", 1) == 1 for system in own)
    shown = {key: head for key, head in HEADS.items() if key != "faithful" or not exact}
    notes = [f"95% intervals{'; all quotes exact' if exact else ''}"]
    if _has_few(summary):
        notes.append(f"* fewer than {SMALL} questions")
    table = Table(
        Column("system", no_wrap=True),
        *shown.values(),
        title=f"{escape(dataset['name'])}: {dataset['questions']} questions, {dataset['answerable']} answerable",
        caption="; ".join(notes),
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    for system in summary["systems"]:
        cells = [short(system["measures"].get(key)) for key in shown]
        table.add_row(escape(system["name"]), *cells, style="dim" if system["reference"] else "bold")
    return table


def _has_few(summary: dict[str, Any]) -> bool:
    figures = [system["measures"].get(key) for system in summary["systems"] for key in HEADLINES]
    return any(one and one["n"] < SMALL for one in figures)
