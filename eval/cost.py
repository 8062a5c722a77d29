"""Cost: how long answers take, warm and in a fresh process, and what an index costs in time, memory and disk."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from eval.runner import Run
from eval.systems import SystemSpec
from rag.errors import RagError
from rag.settings import PACKAGE

COLD_RUNS = 5  # fresh processes


def costs(run: Run) -> dict[str, dict[str, Any]]:
    """Return what each system took: milliseconds by stage (median and 95th percentile) and its index."""
    found: dict[str, dict[str, Any]] = {}
    for system, lines in run.milliseconds.items():
        # What was asked beside other processes says nothing of how long an answer takes.
        times = [
            {stage: value for stage, value in line.items() if stage != "jobs"} for line in lines if line["jobs"] == 1
        ]
        built = run.manifest["built"][system]
        stages = dict.fromkeys(stage for time in times for stage in time)
        warm = {stage: _percentiles([time[stage] for time in times if stage in time]) for stage in stages}
        found[system] = {
            "warm": warm,
            # The extractive reader gives its answer whole: the first words come with the last.
            "first_words": warm.get("total", {}),
            "parallel": len(times) < len(lines),
            "index": {name: built[name] for name in ("seconds", "passages", "documents", "characters")},
            "disk_bytes": built["bytes"],
        }
    return found


def fresh_process(spec: SystemSpec, folder: Path, questions: Sequence[str]) -> dict[str, Any]:
    """Ask in processes of their own, `COLD_RUNS` times.

    Returns:
        `cold`: milliseconds (median and 95th percentile) to import, open, and each stage of the first answer.
        `peak_memory_bytes`: after up to fifty questions; None where the system does not tell.
    """
    runs = [_in_process(spec, folder, questions if run == 0 else questions[:1]) for run in range(COLD_RUNS)]
    cold = {step: _percentiles([run["cold"][step] for run in runs]) for step in runs[0]["cold"]}
    return {"cold": cold, "peak_memory_bytes": runs[0]["peak_memory_bytes"]}


def _in_process(spec: SystemSpec, folder: Path, questions: Sequence[str]) -> dict[str, Any]:
    settings = asdict(spec.settings)
    given = json.dumps({"folder": str(folder.resolve()), "settings": settings, "questions": list(questions)})
    # -P: what lies in the current folder is no part of the program.
    command = [sys.executable, "-P", "-m", "eval.fresh"]
    done = subprocess.run(  # noqa: S603 - our own program
        command,
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
    )
    if done.returncode:
        raise RagError(f"The cost in a fresh process could not be measured: {done.stderr.strip()[-500:]}")
    return dict(json.loads(done.stdout))


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    middle, high = np.percentile(values, [50, 95])
    return {"p50": round(float(middle), 2), "p95": round(float(high), 2)}
