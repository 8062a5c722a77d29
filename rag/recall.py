"""Recall of terms: how likely a passage that answers a question holds a gram or word of the question.

`什么` and `how` stand in questions and hardly ever in what answers them; a name nearly always does. A search that
weighs terms by rarity alone takes the asking words for telling ones, because few passages hold them.

Source: Zhao and Callan, "Term Necessity Prediction", CIKM 2010.
"""

import gzip
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "recall.tsv.gz"
USUAL = 0.7  # of a gram or word that is not in the table


def recall_of(term: str) -> float:
    """Return the chance, 0 to 1, for a gram of Chinese or a stem of English, folded."""
    return _table().get(term, USUAL)


@cache
def _table() -> dict[str, float]:
    with gzip.open(FILE, "rt", encoding="utf-8") as file:
        rows = (line.rstrip("\n").split("\t") for line in file)
        return {term: int(percent) / 100 for term, percent in rows}
