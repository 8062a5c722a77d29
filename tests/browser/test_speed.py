"""What a visitor waits for. The bounds are far above what an idle machine needs: tests share theirs with others."""

import sys

import pytest

from tests.browser.conftest import Visits
from tests.browser.measuring import measure

pytestmark = pytest.mark.browser

MOST_BYTES = 250_000
MOST_PAINT = 2_000.0  # milliseconds
MOST_ANSWER = 1_500.0  # milliseconds; an idle machine needs a fifth of it


def test_the_page_is_light_and_quick(visit: Visits, capsys: pytest.CaptureFixture[str]) -> None:
    speed = measure(lambda: visit(is_fresh=True))
    with capsys.disabled():
        sys.stdout.write(f"\n{speed}\n")
    assert speed.weight < MOST_BYTES, speed
    assert speed.paint < MOST_PAINT, speed
    assert speed.answer < MOST_ANSWER, speed
