"""Cost: how long answers take, warm and in a fresh process, and what an index costs in time, memory and disk."""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from eval.runner import Run
from eval.systems import SystemSpec
from rag.settings import PACKAGE

MEMORY_QUESTIONS = 50  # asked before memory is read


def costs(run: Run) -> dict[str, dict[str, Any]]:
    """Return what each system took: milliseconds by stage (median and 95th percentile) and its index."""
    found: dict[str, dict[str, Any]] = {}
    for system, times in run.milliseconds.items():
        built = run.manifest["built"][system]
        stages = dict.fromkeys(stage for time in times for stage in time)
        warm = {stage: _percentiles([time[stage] for time in times if stage in time]) for stage in stages}
        found[system] = {
            "warm": warm,
            # The extractive reader gives its answer whole: the first words come with the last.
            "first_words": warm.get("total", {}),
            "parallel": run.manifest["jobs"] > 1,
            "index": {name: built[name] for name in ("seconds", "passages", "documents", "characters")},
            "disk_bytes": built["bytes"],
        }
    return found


def fresh_process(spec: SystemSpec, folder: Path, questions: Sequence[str]) -> dict[str, Any]:
    """Ask in a process of its own; return `cold` (milliseconds to import, open and answer) and `peak_memory_bytes`."""
    given = json.dumps({"folder": str(folder), "settings": asdict(spec.settings), "questions": list(questions)})
    done = subprocess.run(
        [sys.executable, "-m", "eval.cost"], input=given, capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return dict(json.loads(done.stdout))


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    middle, high = np.percentile(values, [50, 95])
    return {"p50": round(float(middle), 2), "p95": round(float(high), 2)}


def _ask(given: dict[str, Any]) -> dict[str, Any]:
    laps = [perf_counter()]
    import rag

    laps.append(perf_counter())
    chat = rag.open(given["folder"], rag.Settings(**given["settings"]))
    laps.append(perf_counter())
    first, *others = given["questions"][:MEMORY_QUESTIONS]
    chat.ask(first)
    laps.append(perf_counter())
    for question in others:
        chat.ask(question)
    chat.close()
    cold = {name: round((laps[at + 1] - laps[at]) * 1000, 1) for at, name in enumerate(("import", "open", "first"))}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"cold": cold, "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_ask(json.load(sys.stdin))))
