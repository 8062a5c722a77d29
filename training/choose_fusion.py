"""Choose the weights of the fusion (`rag/settings.py`) on the public development sets, and print them.

From each of a few starts, one weight after the other takes the value that is best while the others stay, until
none changes. Best is the mean of Success@1 over the sets, where no set may lose against the better
of its arms alone. A few numbers for all sets together; nothing is fitted to a single question. When the
embedder has changed, or with another one (`--embedder`), this tells which weights suit it. It takes some minutes.
Usage: python -m training.choose_fusion [--data ../shared/data] [--embedder MODEL]
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from eval.public import WHOLE, load_public
from rag.closeness import Scores
from rag.embedder import StaticEmbedder
from rag.errors import InputError
from rag.fusion import Signals, combine
from rag.pipeline import Pipeline
from rag.settings import Settings

SETS = ("cmrc2018", "drcd", "xquad-zh", "xquad-en", "xquad-en-zh")
GRID = {
    "near_weight": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
    "nearby_weight": (0.0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 3.0),
    "dense_weight": (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0),
    "stretch_weight": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0),
    "min_shared": (0.0, 0.02, 0.05, 0.1, 0.2),
}
STARTS = (0.5, 1.0, 2.0)  # times the weights as they stand: where the search goes depends on where it begins
ROUNDS = 4


@dataclass(frozen=True)
class Case:
    """A question's signals, the cosines of all stretches (none: the embedder is not static), and the right position."""

    signals: Signals
    resembling: Scores | None
    gold: frozenset[int]

    def is_first(self, settings: Settings) -> bool:
        """Whether the right passage comes first."""
        cosines = self.resembling
        resemble = None if cosines is None else lambda places: cosines[places]
        return combine(self.signals, settings, resemble)[0][0] in self.gold


def read_cases(name: str, data: Path, settings: Settings) -> list[Case]:
    """Ask all questions of a set."""
    found = load_public(name, data)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        chat = Pipeline(Path(folder), settings)
        for _ in chat.add_all(found.documents):
            pass
        static = isinstance(chat.embedder, StaticEmbedder)
        for question in track(found.dataset.questions, name, console=Console(stderr=True)):
            vector = chat.embedder.embed_queries([question.question])
            signals = chat.retriever.signals(question.question, chat.retriever.search(question.question, vector))
            if signals is not None:
                passages = chat.store.passages(signals.positions)
                gold = frozenset(at for at, passage in passages.items() if passage.document_id in question.document)
                near = chat.embedder.embed_queries(signals.stretches) @ vector[0] if static else None
                cases.append(Case(signals, None if near is None else near.astype(np.float64), gold))
        chat.close()
    return cases


def success(cases: Sequence[Case], settings: Settings) -> float:
    """Return Success@1."""
    return float(np.mean([case.is_first(settings) for case in cases]))


@dataclass(frozen=True)
class Outcome:
    """What some settings make of each set: the fused order and the better arm."""

    fused: Mapping[str, float]
    better_arm: Mapping[str, float]

    @property
    def value(self) -> tuple[float, float]:
        """What is to be large: first that no set is below its better arm, then the mean."""
        lost = sum(max(0.0, self.better_arm[name] - value) for name, value in self.fused.items())
        return -round(lost, 6), float(np.mean(list(self.fused.values())))


def outcome(sets: Mapping[str, Sequence[Case]], settings: Settings) -> Outcome:
    """Measure the fused order and each arm alone."""
    arms = (replace(settings, dense_weight=0.0, min_shared=0.0), replace(settings, min_shared=2.0))
    return Outcome(
        {name: success(cases, settings) for name, cases in sets.items()},
        {name: max(success(cases, arm) for arm in arms) for name, cases in sets.items()},
    )


def choose(sets: Mapping[str, Sequence[Case]], settings: Settings) -> Settings:
    """Return the settings with the best weights that some start leads to."""
    found = []
    for factor in STARTS:
        change: dict[str, Any] = {name: factor * getattr(settings, name) for name in GRID if name != "min_shared"}
        found.append(_climb(sets, replace(settings, **change)))
    return max(found, key=lambda reached: outcome(sets, reached).value)


def _climb(sets: Mapping[str, Sequence[Case]], settings: Settings) -> Settings:
    best, value = settings, outcome(sets, settings).value
    for _ in range(ROUNDS):
        before = best
        for name, options in GRID.items():
            for option in options:
                change: dict[str, Any] = {name: option}
                tried = replace(best, **change)
                reached = outcome(sets, tried).value
                if reached > value:
                    best, value = tried, reached
            sys.stdout.write(f"{name} {getattr(best, name)}: {value[1]:.4f}, below the better arm {-value[0]:.4f}\n")
            sys.stdout.flush()
        if best == before:
            break
    return best


def main() -> None:
    """Read the arguments, choose, and print what was chosen with its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--embedder", default=Settings.embedder, help="a model id or a folder")
    arguments = parser.parse_args()
    settings = Settings(embedder=arguments.embedder, passage_size=WHOLE)
    try:
        sets = {name: read_cases(name, arguments.data, settings) for name in SETS}
    except InputError as error:
        sys.exit(str(error))
    best = choose(sets, settings)
    reached = outcome(sets, best)
    for name, value in reached.fused.items():
        sys.stdout.write(f"{name}: fused {value:.4f}, better arm {reached.better_arm[name]:.4f}\n")
    for name in GRID:
        sys.stdout.write(f"    {name}: float = {asdict(best)[name]}\n")


if __name__ == "__main__":
    main()
