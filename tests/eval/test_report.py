"""The report of a run made by hand, read as a browser would."""

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from eval import charts
from eval.report import SECTIONS, outcome, render, write_report
from eval.runner import Run
from eval.scoring import Quoted, Row
from eval.summary import MEASURES, summarise
from rag.settings import Settings

HOSTILE = "</style></script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\"'&{{7*7}}{% raw %}"
ENGLISH = "Why are there tides?"
VOID = {"meta", "input", "br", "hr", "img", "link"}
COST = {
    "new": {
        "warm": {stage: {"p50": 2.5, "p95": 7.25} for stage in ("question", "search", "read", "cite", "total")},
        "first_words": {"p50": 2.5, "p95": 7.25},
        "cold": {
            step: {"p50": value, "p95": 2 * value}
            for step, value in {"import": 310.2, "open": 120.0, "first": 45.5, "search": 9.0}.items()
        },
        "index": {"seconds": 0.5, "passages": 12, "documents": 2, "characters": 3456},
        "disk_bytes": 2_500_000,
        "peak_memory_bytes": 210_000_000,
        "parallel": False,
    },
    "bm25": {"warm": {"total": {"p50": 1.25, "p95": 3.0}}, "cold": None, "parallel": True},
}  # fmt: skip


def row(system: str, id_: str, good: bool, **other) -> Row:
    """A question of which a system made something good, or not."""
    answerable = other.get("answerable", True)
    refused = other.get("verdict", "answered" if answerable or not good else "refused") == "refused"
    words = other.pop("words", "潮汐由月球的引力造成")
    value = float(good)
    told = {
        "grounded": value,
        "refused": float(refused),
        "candidate": value if answerable else 0.0,
        "right": value if answerable else None,
        "faithful": None if refused else 1.0,
        "gold_hit": value if answerable and not refused else None,
        "success@5": 1.0 if answerable else None,
    }
    made = Row(
        system=system,
        id=id_,
        family=id_,
        document="moon.txt",
        kind="reason",
        variant="",
        language="zh-Hans",
        answerable=answerable,
        question="潮汐是怎么来的？",
        gold=("月球的引力",) if answerable else (),
        evidence=("潮汐由月球的引力造成",) if answerable else (),
        verdict="refused" if refused else "answered",
        answer="原文没有回答这个问题。" if refused else words,
        confidence=0.75 if good else 0.25,
        stage="" if good else "wrong span" if answerable else "false answer",
        scores=told,
        failures=(),
        citations=(Quoted(1, "月球与潮汐", "moon.txt", "第2段", words, "月球绕地球。", "，每天两次。", good),),
        withheld=words if refused else "",
    )
    return replace(made, **other)


def rows_of(system: str) -> list[Row]:
    better = system == "new"
    return [
        row(system, "q1", True),
        row(system, "q2", better, question=ENGLISH, language="en", kind="number", family="q1", variant="english"),
        row(system, "没有", not better, answerable=False, question="太阳有多重？"),
        row(system, f"<b>{HOSTILE}", False, **dict.fromkeys(("question", "kind", "document", "words"), HOSTILE)),
    ]


def run_of(*systems: tuple[str, str, int]) -> Run:
    """A finished run; of each system its name, which reference it is, and how far its corpus was grown."""
    settings = {"k": 8} | {name: getattr(Settings(), name) for name in ("passage_size", "dense_weight")}
    manifest = {
        "dataset": {"name": "moon", "questions": 4, "answerable": 3, "skipped": 0, "digest": "d1"},
        "documents": {"count": 2, "digest": "d2"},
        "systems": [
            {"name": name, "reference": reference, "growth": growth, "settings": settings, "passages": 12}
            for name, reference, growth in systems
        ],
        "models": {"reader": "d3", "embedders": {"bundled": "d4"}},
        "program": {"version": "0.1.0", "digest": "d5", "commit": "abc+"},
        "fingerprint": "d6",
        "complete": True,
        "jobs": 1,
        "started": "2026-01-02T03:04:05+00:00",
        "versions": {"python": "3.11.7", "numpy": "2.0.0"},
        "machine": {"system": "Linux", "processor": "x86_64", "cores": 2, "memory": 8_000_000_000},
        "built": {},
    }  # fmt: skip
    return Run(Path(), manifest, {name: rows_of(name) for name, _, _ in systems}, {})


RUN = run_of(("new", "", 1), ("old", "", 1), ("bm25", "bm25", 1))


def page_of(run: Run = RUN, cost: dict[str, Any] | None = None) -> str:
    return render(run, json.loads(json.dumps(summarise(run))), COST if cost is None else cost)


@pytest.fixture(scope="module")
def page() -> str:
    return page_of()


class Reader(HTMLParser):
    """Reads tags with their attributes, and the text outside script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_every_section_is_there_in_order_and_in_the_list_at_the_top(page):
    reader = Reader(page)
    assert [section["id"] for section in reader.all("section")] == list(SECTIONS)
    links = [link["href"] for link in reader.all("a")]
    assert [link for link in links if link.removeprefix("#") in SECTIONS][1:] == [f"#{key}" for key in SECTIONS]
    assert reader.open == []
    assert page.startswith("<!doctype html>")


def test_nothing_is_loaded_from_anywhere(page):
    reader = Reader(page)
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert not any("src" in attributes for _, attributes in reader.tags)
    assert not reader.all("link")
    assert all(link["href"].startswith("#") for link in reader.all("a"))
    assert "url(" not in page
    assert "@import" not in page


def test_hostile_text_is_shown_and_is_no_markup(page):
    reader = Reader(page)
    assert len(reader.all("script")) == len(reader.all("style")) == 1
    assert not reader.all("img")
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert reader.text.count(HOSTILE) > 3
    assert "49" not in reader.text.split(HOSTILE[:20])[1][:120]
    assert HOSTILE not in page


def test_only_the_pages_own_script_may_run(page):
    (policy,) = (meta["content"] for meta in Reader(page).all("meta") if "http-equiv" in meta)
    assert re.search(r"default-src 'none'; .*script-src 'sha256-[A-Za-z0-9+/=]{44}';", policy)


def test_ids_are_unique_and_every_link_leads_somewhere(page):
    reader = Reader(page)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert Counter(ids).most_common(1)[0][1] == 1
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", id_) for id_ in ids)
    assert {link["href"][1:] for link in reader.all("a")} <= set(ids)
    named = [value for _, attributes in reader.tags for key, value in attributes.items() if key == "aria-labelledby"]
    assert set(named) <= set(ids)


def test_a_screen_reader_finds_its_way(page):
    reader = Reader(page)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(reader.all("caption")) == len(reader.all("table"))
    assert all(cell.get("scope") in ("col", "row", "rowgroup") for cell in reader.all("th"))
    drawn = [one for one in reader.all("div") if one.get("role") == "img"]
    assert len(drawn) == len(reader.all("svg")) + 2  # the bars of two systems are no drawings
    assert all(one["aria-label"] for one in drawn)
    assert {tag for tag, _ in reader.tags} >= {"header", "nav", "main", "footer"}
    assert [h3["lang"] for h3 in reader.all("h3") if "lang" in h3] == ["zh", "en", "zh", "en"]


def test_same_input_gives_same_bytes(page, tmp_path):
    write_report(tmp_path / "report.html", RUN, summarise(RUN), COST)
    assert (tmp_path / "report.html").read_bytes() == page.encode()


def test_verdict_says_the_first_systems_figures(page):
    # Of the three families, that of q1 and its variant was right.
    text = " ".join(Reader(page).text.split())
    assert "new answered 50% of 4 questions as they should be (" in text
    assert "with exact quotes throughout; it refused 0% of what the text does not tell and 0% of what it does." in text


def test_a_tile_of_few_questions_says_so(page):
    assert "few questions" in Reader(page).text
    many = run_of(("new", "", 1))
    rows = [row("new", f"m{at}", at % 3 > 0) for at in range(12)]
    whole = render(replace(many, rows={"new": rows}), summarise(replace(many, rows={"new": rows})), {})
    assert "few questions" not in Reader(whole).text


def test_an_interval_without_ends_is_told_in_words(page):
    # Only one question cannot be answered: nothing is known of how such questions differ.
    estimate = summarise(RUN)["systems"][0]["slices"]["kind"]["number"]["grounded"]
    assert (estimate["n"], estimate["clusters"]) == (1, 1)
    summary = summarise(RUN)
    summary["systems"][0]["measures"]["right"] |= {"low": None, "high": None}
    summary["differences"][0] |= {"low": float("-inf"), "high": float("inf")}
    text = Reader(render(RUN, summary, {})).text
    assert "no interval" in text
    assert "too little to tell" in text
    assert "None" not in text
    assert "inf" not in text.replace("information", "")


def test_without_cost_its_section_is_left_out():
    page = page_of(cost={})
    assert 'id="cost"' not in page
    assert 'href="#cost"' not in page


def test_cost_is_told_as_far_as_it_is_known(page):
    text = " ".join(Reader(page).text.split())
    assert "2.5 / 7.2" in text
    assert "310" in text
    assert "by several processes at once" in text
    alone = page_of(cost={"new": {"disk_bytes": 2_500_000}})
    assert 'id="cost"' in alone
    assert "a fresh process" not in alone
    assert "Several processes" not in alone


def test_what_must_never_happen_is_told_at_the_top_with_its_questions():
    rows = dict(RUN.rows)
    rows["old"] = [replace(rows["old"][0], failures=("unfaithful",)), *rows["old"][1:]]
    text = " ".join(Reader(page_of(replace(RUN, rows=rows))).text.split())
    assert "old quoted words that do not stand in the text, 1 time: q1" in text
    assert "must never happen" not in page_of()


def test_own_systems_are_compared_first_and_their_disagreements_listed(page):
    text = " ".join(Reader(page).text.split())
    assert text.index("new against old") < text.index("new against bm25")
    assert "Where new and old differ" in text
    assert "Only new answered as it should: 1 q2 Why are there tides?" in text
    assert "Only old answered as it should: 1 没有 太阳有多重？" in text
    assert [one["data-differs"] for one in Reader(page).all("article")] == ["no", "yes", "yes", "no"]


def test_a_system_alone_is_compared_with_a_reference():
    text = " ".join(Reader(page_of(run_of(("new", "", 1), ("random", "random", 1), ("bm25", "bm25", 1)))).text.split())
    assert "Where new and bm25 differ" in text


def test_one_system_alone_needs_no_other():
    page = page_of(run_of(("new", "", 1)))
    assert 'id="differences"' not in page
    assert "reference system" not in Reader(page).text


def test_a_grown_corpus_is_set_beside_the_plain_one():
    run = run_of(("new", "", 1), ("new-10", "", 10))
    text = " ".join(Reader(page_of(run)).text.split())
    assert "new as the corpus grows" in text
    assert "10 ×" in text
    assert "In a larger corpus" not in page_of()


def test_a_question_shows_gold_answers_citations_and_what_was_withheld(page):
    article = page[page.index('<article id="q-q1"') : page.index("</article>")]
    text = " ".join(Reader(article + "</article>").text.split())
    assert "Gold answer月球的引力" in text.replace("Gold answer ", "Gold answer")
    assert "new ✓ right confidence 0.75" in text
    assert "[1] 月球与潮汐, 第2段 moon.txt gold" in text
    assert "…月球绕地球。<mark>潮汐由月球的引力造成</mark>，每天两次。…" in article
    assert "1 reference system" in text
    assert "What it withheld" in page


def test_a_judge_is_named_where_there_was_one(page):
    assert "no model judges" in Reader(page).text
    models = {**RUN.manifest["models"], "judge": "package:model"}
    text = Reader(page_of(replace(RUN, manifest={**RUN.manifest, "models": models}))).text
    assert "no model judges" not in text
    assert "package:model" in text


def test_every_measure_that_applies_is_in_the_table(page):
    labels = {one.label for one in MEASURES if one.key in summarise(RUN)["systems"][0]["measures"]}
    table = page[page.index('<section id="measures"') :]
    assert all(label in table for label in labels)


@pytest.mark.parametrize(
    ("good", "answerable", "verdict", "expected"),
    [
        (True, True, "answered", "right"),
        (False, True, "answered", "wrong"),
        (False, True, "refused", "refused-wrongly"),
        (True, False, "refused", "refused-rightly"),
        (False, False, "answered", "wrong"),
    ],
)
def test_outcome_of_a_question(good, answerable, verdict, expected):
    assert outcome(row("new", "q", good, answerable=answerable, verdict=verdict)) == expected


def test_a_question_whose_gold_tells_too_little_is_not_judged():
    made = row("new", "q", True)
    assert outcome(replace(made, scores={**made.scores, "grounded": None})) == "unjudged"


def test_a_lone_surrogate_does_not_cost_the_report(tmp_path):
    rows = {"new": [row("new", "\ud800", True, question="\ud800潮汐？"), *rows_of("new")]}
    run = replace(run_of(("new", "", 1)), rows=rows)
    write_report(tmp_path / "report.html", run, summarise(run), {})
    assert "?潮汐？" in (tmp_path / "report.html").read_text(encoding="utf-8")


# -- Charts ----------------------------------------------------------------------------------------

POINTS = [
    charts.Point("a", 0.5, 0.4, 0.6, True, 10.0),
    charts.Point(HOSTILE, 0.5, None, None, False, 20.0),
]


def test_a_chart_takes_its_colours_from_the_page_and_names_no_host():
    drawn = charts.forest(POINTS)
    assert "var(--accent)" in drawn
    assert "http" not in drawn
    assert "#000" not in drawn
    assert 'fill="black"' not in drawn
    assert drawn.startswith('<svg aria-hidden="true" focusable="false" viewBox="0 0 300 ')


def test_a_hostile_name_in_a_chart_is_text():
    for drawn in (
        charts.forest(POINTS),
        charts.scatter(POINTS, "ms"),
        charts.risk_coverage(HOSTILE, [1], [0.5], 0.5, None),
    ):
        assert "<script" not in drawn
        assert "<img" not in drawn
        assert "&lt;/style&gt;" in drawn


def test_charts_are_the_same_every_time():
    assert charts.scatter(POINTS, "ms") == charts.scatter(POINTS, "ms")
    curve = ([0.5, 1.0], [0.0, 0.5], 0.5, (0.5, 0.0))
    assert charts.risk_coverage("a", *curve) == charts.risk_coverage("a", *curve)


def test_a_long_curve_is_thinned_to_what_can_be_seen():
    count = 5000
    coverage = [(at + 1) / count for at in range(count)]
    assert len(charts.risk_coverage("a", coverage, [0.5] * count, 0.5, None)) < 20_000


def test_labels_beside_a_scatter_do_not_cover_each_other():
    assert charts._apart([50, 50, 52], 16, 300) == [50, 66, 82]
    assert charts._apart([295, 299], 16, 300) == [284, 300]
