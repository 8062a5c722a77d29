"""Fresh: what one process takes to import, open and answer. Run by cost.py; imports nothing before its clock runs."""

import json
import sys
from time import perf_counter
from typing import Any

MEMORY_QUESTIONS = 50  # asked before memory is read


def measure(given: dict[str, Any]) -> dict[str, Any]:
    """Return `cold`, in milliseconds, and `peak_memory_bytes`, None where the system does not tell."""
    start = perf_counter()
    import rag

    opening = perf_counter()
    chat = rag.open(given["folder"], rag.Settings(**given["settings"]))
    opened = perf_counter()
    first, *others = given["questions"][:MEMORY_QUESTIONS]
    stages = chat.ask(first).timings
    answered = perf_counter()
    for question in others:
        chat.ask(question)
    chat.close()
    seconds = {"import": opening - start, "open": opened - opening, "first": answered - opened}
    cold = {step: round(value * 1000, 1) for step, value in seconds.items()} | dict(stages)
    return {"cold": cold, "peak_memory_bytes": _peak_memory()}


def _peak_memory() -> int | None:
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.load(sys.stdin))))
