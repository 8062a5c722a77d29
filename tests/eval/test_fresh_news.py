import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from eval.datasets import OUR_TEXTS, language_of, locate, read_dataset, unfound_answers
from eval.fresh_news import FRESH_QUESTIONS, NEWS, REPORTS, compose_texts, main, write_texts
from rag.documents import read_document
from rag.errors import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data"
with_shared_data = pytest.mark.skipif(
    not (SHARED / "news").is_dir(), reason="the public data are not in ../shared/data"
)


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path):
    """A folder like that of the public data: the first text has a headline, the last stands in another file."""
    rows = [{"id": id_, "title": "", "text": f"甲{number}。"} for number, id_ in enumerate(NEWS)]
    rows[0]["title"] = "标题"
    write_rows(
        tmp_path / "data/news/crud_news_01.jsonl.gz", [{"id": "crud-0", "title": "", "text": "别的。"}, *rows[:-1]]
    )
    write_rows(tmp_path / "data/news/crud_news_02.jsonl.gz", rows[-1:])
    reports = [
        {"doc": document, "zh": "甲", "en": sentence}
        for document in REPORTS
        for sentence in ("Head", "One.", "Two. ", "Three.", "Four.")
    ]
    write_rows(
        tmp_path / "data/parallel/dev_ntrex_news.jsonl.gz", [{"doc": "bbc.1", "zh": "甲", "en": "No."}, *reports]
    )
    return tmp_path / "data"


def test_the_texts_are_written_under_the_names_that_the_questions_use(data, tmp_path):
    paths = write_texts(data, tmp_path / "made/texts")
    named = {name for question in read_dataset(FRESH_QUESTIONS).questions for name in question.document}
    assert {path.name for path in (tmp_path / "made/texts").iterdir()} == {path.name for path in paths} == named
    assert paths[0].read_text(encoding="utf-8") == "标题\n\n甲0。\n"
    assert paths[len(NEWS) - 1].read_text(encoding="utf-8") == "甲9。\n"


def test_sentences_of_a_report_are_put_together_in_paragraphs(data):
    assert compose_texts(data)["upi.176266.txt"] == "Head\n\nOne. Two. Three.\n\nFour.\n"


def test_absent_data_is_told_and_nothing_is_written(tmp_path, capsys):
    output = tmp_path / "texts"
    assert main(["--data", str(tmp_path), "--output", str(output)]) == 1
    told = capsys.readouterr().err
    assert f"no news files in {tmp_path / 'news'}" in told
    assert "--data" in told
    assert not output.exists()


def test_data_without_the_reports_is_told(data):
    (data / "parallel/dev_ntrex_news.jsonl.gz").unlink()
    with pytest.raises(InputError, match=r"dev_ntrex_news\.jsonl\.gz cannot be read"):
        compose_texts(data)


def test_a_text_that_the_data_lacks_is_named(data):
    (data / "news/crud_news_02.jsonl.gz").unlink()
    with pytest.raises(InputError, match=f"lacks {NEWS[-1]}"):
        compose_texts(data)


def test_the_command_says_where_the_texts_are(data, tmp_path, capsys):
    assert main(["--data", str(data), "--output", str(tmp_path / "texts")]) == 0
    assert capsys.readouterr().out == f"13 texts are in {tmp_path / 'texts'}.\n"


def test_each_text_is_asked_five_questions_at_least_one_of_which_it_does_not_answer():
    questions = read_dataset(FRESH_QUESTIONS).questions
    assert len(questions) == 65
    assert Counter(name for question in questions for name in question.document) == {
        f"{id_}.txt": 5 for id_ in (*NEWS, *REPORTS)
    }
    unanswerable = [question for question in questions if not question.answerable]
    assert {question.document for question in unanswerable} == {question.document for question in questions}
    assert all(question.trap for question in unanswerable)


def test_every_question_says_its_language_and_every_answerable_one_its_evidence():
    questions = read_dataset(FRESH_QUESTIONS).questions
    assert Counter(question.language for question in questions) == {"zh-Hans": 39, "en": 21, "zh-Hant": 5}
    assert {q.id for q in questions if q.language != language_of(q.question)} == {"fn-007"}  # it holds a Chinese name
    assert all(question.evidence and question.answers for question in questions if question.answerable)


@with_shared_data
def test_evidence_and_answers_stand_in_the_texts_to_the_letter(tmp_path):
    paths = write_texts(SHARED, tmp_path)
    dataset = read_dataset(FRESH_QUESTIONS)
    documents = [read_document(path) for path in paths]
    places = locate(dataset, documents)  # raises where evidence stands nowhere
    assert unfound_answers(dataset, documents) == []
    assert sum(map(len, places.values())) == sum(len(question.evidence) for question in dataset.questions)
    texts = {path.name: path.read_text(encoding="utf-8") for path in paths}
    for question in dataset.questions:
        for quote in question.evidence:
            assert all(part in texts[question.document[0]] for part in ([quote] if isinstance(quote, str) else quote))


@with_shared_data
def test_no_text_stands_in_our_own_set_nor_is_asked_about_by_the_public_ones():
    ours = "".join("".join(path.read_text(encoding="utf-8").split()) for path in OUR_TEXTS.glob("*.txt"))
    for name, text in compose_texts(SHARED).items():
        assert "".join(text.split("\n\n")[-1].split()) not in ours, name
    asked = set()
    for path in (SHARED / "qa").glob("*crud*.jsonl.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                asked |= {row.get("news_id"), *row.get("gold_news_ids", ())}
    assert not asked & set(NEWS)
