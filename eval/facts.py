"""Facts: what a run cost and what it was made of, as the report tells them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eval import charts
from eval.printing import count_of, duration, megabytes, percent, plain, point_of
from eval.scoring import CONCISE, CONCISE_FLOOR
from eval.statistics import LEVEL, MIN_DOCUMENTS, RESAMPLES, SWAPS
from eval.summary import SEED
from rag.settings import Settings

COST_STAGES = {
    "question": "understanding the question",
    "search": "searching",
    "read": "reading",
    "cite": "citing",
    "total": "the whole answer",
}
COLD = {
    "import": "importing",
    "open": "opening the store",
    "first": "the first answer",
    **{stage: f"… {label}" for stage, label in COST_STAGES.items() if stage != "total"},
}


def cost_facts(systems: Sequence[Mapping[str, Any]], cost: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what each system took, or None where nothing was measured."""
    names = [system["name"] for system in systems if cost.get(system["name"])]
    if not names:
        return None
    of = [cost[name] for name in names]
    warm = [one.get("warm") or {} for one in of]
    stages = list(dict.fromkeys((*COST_STAGES, *(stage for one in warm for stage in one))))
    index = [one.get("index") or {} for one in of]
    groups = [
        (
            "a warm answer: median and 95th percentile, in milliseconds",
            [(COST_STAGES.get(stage, stage), [_spread(one.get(stage)) for one in warm]) for stage in stages]
            + [("to the first words", [_spread(one.get("first_words")) for one in of])],
        ),
        (
            "a fresh process: median and 95th percentile, in milliseconds",
            [(label, [_spread((one.get("cold") or {}).get(key)) for one in of]) for key, label in COLD.items()],
        ),
        (
            "the index",
            [
                ("seconds to build", [plain(one.get("seconds"), 2) for one in index]),
                ("documents", [plain(one.get("documents")) for one in index]),
                ("passages", [plain(one.get("passages")) for one in index]),
                ("characters", [plain(one.get("characters")) for one in index]),
            ],
        ),
        (
            "room, in megabytes",
            [
                ("on disk", [megabytes(one.get("disk_bytes")) for one in of]),
                ("in memory, at most", [megabytes(one.get("peak_memory_bytes")) for one in of]),
            ],
        ),
    ]
    told = [(title, [row for row in rows if any(row[1])]) for title, rows in groups]
    points = [
        point_of(system, "grounded", x)
        for system in systems
        if "grounded" in system["measures"] and (x := _median(cost.get(system["name"]) or {}))
    ]
    return {
        "names": names,
        "groups": [(title, rows) for title, rows in told if rows],
        "svg": charts.scatter(points, "milliseconds to answer, median (logarithmic)") if points else "",
        "said": "; ".join(f"{p.name} {percent(p.value)} in {duration(p.x)} ms" for p in points),
        "points": [(p.name, percent(p.value), duration(p.x)) for p in sorted(points, key=lambda p: p.x)],
        "parallel": any(one.get("parallel") for one in of),
    }


def _median(cost: Mapping[str, Any]) -> float | None:
    value = ((cost.get("warm") or {}).get("total") or {}).get("p50")
    return float(value) if value and value > 0 else None


def _spread(times: Mapping[str, float] | None) -> str:
    told = [duration((times or {}).get(name)) for name in ("p50", "p95")]
    return " / ".join(part or "–" for part in told) if any(told) else ""


def method_facts(manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the figures were made, and what from."""
    unit = summary["resampled"]["unit"]
    program, machine = manifest["program"], manifest["machine"]
    commit = program["commit"].removesuffix("+")
    changed = ", with changes that are in no commit" if program["commit"].endswith("+") else ""
    dataset, documents = manifest["dataset"], manifest["documents"]
    unanswerable = dataset["questions"] - dataset["answerable"]
    facts = [
        ("Questions", f"{dataset['name']}: {dataset['questions']:,}, of which {unanswerable:,} unanswerable"),
        ("Digest of the questions", dataset["digest"]),
        ("Documents", f"{documents['count']:,}"),
        ("Digest of the documents", documents["digest"]),
        ("Version", program["version"]),
        ("Commit", f"{commit}{changed}" if commit else "none"),
        ("Digest of the program", program["digest"]),
        ("Reader", manifest["models"]["reader"]),
        ("Judge", manifest["models"].get("judge", "")),
        *((f"Embedder {name}", digest) for name, digest in sorted(manifest["models"]["embedders"].items())),
        *((f"Settings of {name}", settings) for name, settings in _settings(manifest)),
        ("Seed", str(SEED)),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items() if version)),
        ("Machine", ", ".join(_machine(machine))),
        ("Started", manifest["started"]),
        ("Fingerprint of the run", manifest["fingerprint"]),
    ]
    return {
        "facts": [(term, value) for term, value in facts if value],
        "resampled": f"{summary['resampled']['clusters']:,} {unit}",
        "unit": unit,
        "judge": manifest["models"].get("judge", ""),
        "level": percent(LEVEL),
        "resamples": f"{RESAMPLES:,}",
        "swaps": f"{SWAPS:,}",
        "min_documents": MIN_DOCUMENTS,
        "concise": CONCISE,
        "concise_floor": CONCISE_FLOOR,
        "differences": len(summary["differences"]),
    }


def _settings(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return for each own system what it does unlike the default."""
    default = asdict(Settings())
    found = []
    for system in manifest["systems"]:
        if system["reference"]:
            continue
        other = [f"{key} = {value!r}" for key, value in system["settings"].items() if default.get(key) != value]
        grown = [f"corpus grown {system['growth']} times"] if system["growth"] > 1 else []
        found.append((system["name"], ", ".join(other + grown) or "the defaults"))
    return found


def _machine(machine: Mapping[str, Any]) -> list[str]:
    told = [str(machine["system"]), str(machine["processor"])]
    if machine["cores"]:
        told.append(count_of(machine["cores"], "core"))
    if machine["memory"]:
        told.append(f"{machine['memory'] / 1e9:.0f} GB of memory")
    return [part for part in told if part]
