"""What a visitor waits for, measured in the browser: bytes, the first paint, the complete answer."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.browser.conftest import PATIENCE, POSITIONS

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAINT = """() => new Promise(resolve => {
    const look = () => {
        const painted = performance.getEntriesByName('first-contentful-paint')[0];
        painted ? resolve(painted.startTime) : setTimeout(look, 20);
    };
    look();
})"""
WEIGHT = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, one) => sum + one.transferSize, 0)"""
REQUESTS = "() => 1 + performance.getEntriesByType('resource').length"
# From the key to the complete answer: as the page tells it, at the next frame that is painted.
ANSWER = """question => new Promise(resolve => {
    const box = document.querySelector('#question'), turns = document.querySelector('#turns');
    const number = turns.querySelectorAll('.turn').length + 1;
    box.value = question;
    const watching = new MutationObserver(() => {
        if (!turns.querySelector(`#t${number}:not(.growing)`)) return;
        watching.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - begun)));
    });
    watching.observe(turns, {childList: true});
    const begun = performance.now();
    box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true}));
})"""


@dataclass(frozen=True)
class Speed:
    """Medians of what was measured."""

    weight: int  # bytes of all that the first visit loads
    requests: int
    paint: float  # milliseconds until anything is painted, warm
    answer: float  # milliseconds from Enter to the complete answer, warm
    slowest: float


def measure(open_page: "Callable[[], Page]", runs: int = 10) -> Speed:
    """Measure with fresh visitors; `open_page` opens the page as a new one."""
    paints, answers = [], []
    page = open_page()
    weight, requests = page.evaluate(WEIGHT), page.evaluate(REQUESTS)
    for _ in range(runs):
        page.reload()
        paints.append(page.evaluate(PAINT))
    for run in range(runs + 1):
        page.locator("#send").wait_for(timeout=PATIENCE)
        took = page.evaluate(ANSWER, POSITIONS)
        if run:  # the first loads what the others find loaded
            answers.append(took)
    return Speed(weight, requests, statistics.median(paints), statistics.median(answers), max(answers))
