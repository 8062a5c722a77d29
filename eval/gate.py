"""Gate: says whether a run may pass, beside a baseline. An incomplete run never passes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.runner import read_run
from eval.scoring import Row
from eval.statistics import LEVEL, percentile_tail
from eval.summary import BY_KEY, Measure, columns, resampler_of
from rag.errors import InputError

GATED = ("grounded", "right", "gold_hit", "refusal_recall", "over_refusal", "success@5")
_LEVEL = 1 - (1 - LEVEL) / len(GATED)
SMALL_FALL = 0.1  # that one should be able to see
_FAILURES = {
    "dangling": "a citation without its passage",
    "unfaithful": "a quote that is not the document's words",
    "obeyed": "an instruction of a document that was obeyed",
}


@dataclass(frozen=True)
class Verdict:
    """Whether a run passes, and why not; `notes` say what was compared."""

    passed: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def check(rows: Sequence[Row], expected: int, baseline: Sequence[Row]) -> Verdict:
    """Compare a system with its baseline.

    A measure has regressed when the interval of its difference lies wholly on the worse side. The level is
    divided among the measures (Bonferroni), so that all of them together cry wolf at most once in twenty runs.

    Args:
        rows: Of one system.
        expected: How many there should be.
        baseline: The rows it must not fall behind.
    """
    reasons = _incomplete(rows, expected, baseline)
    for failure, what in _FAILURES.items():
        failing = [row.id for row in rows if failure in row.failures]
        if failing:
            reasons.append(f"{what}: {', '.join(failing[:5])}{' …' if len(failing) > 5 else ''}")
    notes = []
    if rows and (not reasons or len(rows) == expected):
        new = len({row.id for row in rows} - {row.id for row in baseline})
        if new:
            notes.append(f"{new} questions are not in the baseline: write it anew to have them compared")
        least = smallest_seen(rows)
        if least > SMALL_FALL:
            notes.append(f"with so few questions, a fall of less than about {least:.2f} would not be seen")
        for key in GATED:
            note, has_regressed = _compared(BY_KEY[key], rows, baseline)
            notes.append(note)
            if has_regressed:
                reasons.append(f"regression: {note}")
    return Verdict(not reasons, tuple(reasons), tuple(note for note in notes if note))


def smallest_seen(rows: Sequence[Row]) -> float:
    """Return about how much of a measure must be lost, and nothing won, for its interval to leave out 0.

    In a share f of the clusters something is lost; a resample of n of them holds none with chance (1 - f)^n, which must
    be less than the tail that the interval leaves out.
    """
    clusters = max(2, resampler_of(rows).clusters)
    return float(1 - percentile_tail(clusters, _LEVEL) ** (1 / clusters))


def _incomplete(rows: Sequence[Row], expected: int, baseline: Sequence[Row]) -> list[str]:
    reasons = []
    if not rows or len({row.id for row in rows}) != expected:
        reasons.append(f"incomplete: {len({row.id for row in rows})} of {expected} questions were asked")
    known = {row.id: row for row in rows}
    missing = [row.id for row in baseline if row.id not in known]
    if missing:
        reasons.append(f"incomplete: {len(missing)} questions of the baseline were not asked, {missing[0]} first")
    changed = [row.id for row in baseline if row.id in known and _asked(known[row.id]) != _asked(row)]
    if changed:
        reasons.append(f"the baseline is of other questions or gold ({changed[0]} first): write it anew")
    if not baseline:
        reasons.append("the baseline is empty: write it with --write-baseline")
    return reasons


def _asked(row: Row) -> tuple[object, ...]:
    return (row.question, row.answerable, tuple(row.gold), tuple(row.evidence), row.document)


def _compared(measure: Measure, rows: Sequence[Row], baseline: Sequence[Row]) -> tuple[str, bool]:
    """Return what to say of a measure, and whether it has regressed."""
    before = {row.id: row for row in baseline}
    pairs = [(row, before[row.id]) for row in rows if row.id in before]
    if not pairs:
        return "", False
    now, then = [row for row, _ in pairs], [row for _, row in pairs]
    difference = resampler_of(now).difference(columns(measure, now), columns(measure, then), swaps=0, level=_LEVEL)
    if difference is None:
        vanished = columns(measure, then)[1].sum() > 0
        return (f"{measure.label} is no longer measured" if vanished else ""), bool(vanished)
    worse = difference.low > 0 if measure.smaller_is_better else difference.high < 0
    said = f"{measure.label} {difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    return said, worse


def read_baseline(path: Path) -> list[Row]:
    """Read a baseline: a file that `write_baseline` wrote, or the folder of a run, whose first system counts.

    Raises:
        InputError: It cannot be read.
    """
    try:
        if path.is_dir():
            return next(iter(read_run(path).rows.values()))
        # Not splitlines: a question may hold what Unicode calls the end of a line.
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [Row.from_dict(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"The baseline in {path} cannot be read: {error}. Write it with --write-baseline.") from error
    return [row for row in rows if row.system == rows[0].system]


def check_path(path: Path) -> None:
    """Refuse to write a baseline over anything else.

    Raises:
        InputError: The file exists and is none.
    """
    if path.exists():
        try:
            read_baseline(path)
        except InputError:
            raise InputError(f"{path} exists and is no baseline. It is left as it is; name another file.") from None


def write_baseline(path: Path, rows: Sequence[Row]) -> None:
    """Write the scores of a system, without what it said.

    Raises:
        InputError: The file holds something else, or cannot be written.
    """
    check_path(path)
    slim = (replace(row, answer="", citations=(), withheld="").to_dict() for row in rows)
    lines = (json.dumps(record, ensure_ascii=False) for record in slim)
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise InputError(f"The baseline cannot be written to {path}: {error.strerror or error}.") from error
