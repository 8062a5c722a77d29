import json

import pytest

from eval.cases import from_feedback, template, write_template
from eval.datasets import OUR_QUESTIONS, documents_of, locate, our_documents, read_dataset, unfound_answers, write_jsonl
from rag.documents import document_from_text, read_document
from rag.errors import InputError
from rag.feedback import Feedback
from tests.handmade import MOON, answer_quoting, refusal


def write(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


CSV = """问题,答案,依据,能否回答,备注
月球绕地球一周要多久？,二十七天|27天,月球绕地球一周约需二十七天,,
潮汐每天几次、由什么造成？,两次&&月球的引力,,是,
火星多大？,,,否,没有说到
,,一句还没有问题的依据,,待填
"""


def test_a_table_of_a_spreadsheet_is_read_whatever_its_encoding(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(CSV.encode(encoding))
        dataset = read_dataset(path)
        first, second, third = dataset.questions
        assert dataset.skipped == 1
        assert first.answers == ("二十七天", "27天")
        assert first.evidence == ("月球绕地球一周约需二十七天",)
        assert second.answers == (("两次", "月球的引力"),)
        assert (first.answerable, second.answerable, third.answerable) == (True, True, False)
        assert (first.id, first.language) == ("q1", "zh-Hans")


def test_other_columns_are_ignored_and_told(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("作者,Question,Answers\n王,月球多远？,很远\n", encoding="utf-8")
    dataset = read_dataset(path)
    assert dataset.ignored == ("作者",)
    assert dataset.questions[0].answers == ("很远",)


def test_an_answer_that_stands_nowhere_is_told(tmp_path):
    rows = [{"id": id_, "question": "几次？", "answers": [answer]} for id_, answer in (("a", "两次"), ("b", "三次"))]
    assert unfound_answers(read_dataset(write(tmp_path / "q.jsonl", *rows)), [MOON]) == ["b"]


def test_to_cite_a_copy_is_as_good(tmp_path):
    copy = document_from_text(MOON.text, source="/texts/copy of moon.txt")
    row = {"question": "几次？", "evidence": ["每天两次"], "document": "moon.txt"}
    ((place,),) = locate(read_dataset(write(tmp_path / "q.jsonl", row)), [MOON, copy]).values()
    assert {document for document, _, _ in place} == {MOON.id, copy.id}


def test_evidence_in_a_cell_may_need_several_places_or_any_of_several(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("question,evidence\nq?,甲&&乙|丙\n", encoding="utf-8")
    assert read_dataset(path).questions[0].evidence == ("甲", ("乙", "丙"))


def test_the_same_questions_have_the_same_digest_in_either_format(tmp_path):
    table = tmp_path / "q.csv"
    table.write_text("question,answers\n月球多远？,很远|远\n", encoding="utf-8")
    lines = write(tmp_path / "q.jsonl", {"question": "月球多远？", "answers": ["很远", "远"]})
    assert read_dataset(table).digest == read_dataset(lines).digest


WRONG = (
    ({"question": "?!", "answers": ["x"]}, r"row 1, field 'question': it asks nothing"),
    ({"question": "甲是谁"}, r"row 1, field 'answerable': it has neither answers nor evidence"),
    ({"question": "甲是谁", "answers": ["乙"], "anwser": 1}, r"row 1, field 'anwser': no such field. Known are: id"),
    ({"question": "甲是谁", "answers": 5}, r"row 1, field 'answers'"),
    ({"question": "甲是谁", "answers": ["乙"], "split": "train"}, r"row 1, field 'split'"),
    ({"question": "甲是谁", "answers": ["乙"], "answerable": False}, r"row 1, a question that cannot be answered has"),
    ({"question": "甲是谁", "answers": ["乙"], "parent": "z"}, r"field 'parent': there is no question 'z'"),
    ({"qestion": "甲是谁", "answers": ["乙"]}, r"row 1, field 'question': Field required"),
    ({"question": "甲是谁", "answers": [[]]}, r"row 1, an answer or a piece of evidence is empty"),
    ({"question": "甲是谁", "evidence": [[]]}, r"row 1, an answer or a piece of evidence is empty"),
    ({"question": "甲是谁", "answers": ["★★"]}, r"row 1, the answer '★★' has neither letters nor digits"),
    ({"question": "甲" * 2001, "answers": ["乙"]}, r"row 1, field 'question': it has 2001 characters; at most 2000"),
    ({"question": "甲是谁", "answers": ["乙"], "history": [" "]}, r"row 1, field 'history': it asks nothing"),
    ({"question": "甲是谁", "answers": ["乙"], "variant": "typo"}, r"row 1, a variant names its parent"),
)


@pytest.mark.parametrize(("row", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named_with_row_and_field(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        read_dataset(write(tmp_path / "q.jsonl", row))


def test_all_problems_are_told_at_once_up_to_ten(tmp_path):
    rows = [{"question": f"第{at}问"} for at in range(12)]
    with pytest.raises(InputError) as caught:
        read_dataset(write(tmp_path / "q.jsonl", *rows))
    assert str(caught.value).count("row ") == 10
    assert "12 problems" in str(caught.value)
    assert "and 2 more" in str(caught.value)


def test_files_that_are_no_questions_are_named(tmp_path):
    (tmp_path / "q.jsonl").write_text("no json\n", encoding="utf-8")
    (tmp_path / "q.csv").write_text("frage,antwort\na,b\n", encoding="utf-8")
    (tmp_path / "typo.csv").write_text("question,anwsers\na,b\n", encoding="utf-8")
    (tmp_path / "empty.jsonl").write_text('{"question": ""}', encoding="utf-8")
    (tmp_path / "blank.csv").write_text(" \n", encoding="utf-8")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04...")
    for name, message in (
        ("q.jsonl", "row 1: not JSON"),
        ("q.csv", "no column 'question'"),
        ("typo.csv", "no field 'anwsers'. Did you mean 'answers'"),
        ("book.xlsx", "is a workbook. Save it"),
        ("blank.csv", "is empty"),
        ("empty.jsonl", "holds no question"),
        ("absent.csv", "cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            read_dataset(tmp_path / name)


def test_one_document_cannot_stand_in_two_splits(tmp_path):
    rows = [
        {"question": f"第{at}问", "answers": ["x"], "document": "a.txt", "split": split}
        for at, split in enumerate(("dev", "test"))
    ]
    with pytest.raises(InputError, match="a.txt belongs to dev already"):
        read_dataset(write(tmp_path / "q.jsonl", *rows))


def test_evidence_is_found_over_broken_lines_and_named_where_it_is_not(tmp_path):
    found = write(tmp_path / "a.jsonl", {"id": "a", "question": "多久？", "evidence": ["月球绕地球\n一周"]})
    ((place,),) = locate(read_dataset(found), [MOON]).values()
    assert [MOON.text[start:end] for _, start, end in place] == ["月球绕地球一周"]
    absent = write(tmp_path / "b.jsonl", {"id": "b", "question": "多久？", "evidence": ["火星"]})
    with pytest.raises(InputError, match=r"question b, field 'evidence': “火星” stands in no document"):
        locate(read_dataset(absent), [MOON])
    other = write(tmp_path / "c.jsonl", {"question": "多久？", "answers": ["x"], "document": "mars.txt"})
    with pytest.raises(InputError, match=r"field 'document': no 'mars.txt'; there are: moon.txt"):
        locate(read_dataset(other), [MOON])


def test_two_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    old = document_from_text("旧报告说甲。", source="/r/2023/report.txt")
    new = document_from_text("新报告说乙。", source="/r/2024/report.txt")
    both = write(tmp_path / "q.jsonl", {"question": "说什么？", "answers": ["乙"], "document": "report.txt"})
    with pytest.raises(InputError, match=r"'report.txt' may be each of: 2023/report.txt, 2024/report.txt"):
        locate(read_dataset(both), [old, new])
    one = read_dataset(
        write(tmp_path / "q.jsonl", {"question": "说什么？", "answers": ["乙"], "document": "2024/report.txt"})
    )
    places = locate(one, [old, new])
    assert list(documents_of(one, [old, new], places).values()) == ["2024/report.txt"]
    assert {row["document"] for row in template([old, new])} == {"2023/report.txt", "2024/report.txt"}


def test_one_document_is_one_cluster_however_it_is_named(tmp_path):
    rows = [
        {"question": f"第{name}问", "answers": ["两次"], "document": name} for name in ("moon.txt", "moon", MOON.id)
    ]
    dataset = read_dataset(write(tmp_path / "q.jsonl", *rows, {"question": "几次？", "answers": ["两次"]}))
    assert set(documents_of(dataset, [MOON], locate(dataset, [MOON])).values()) == {"moon.txt"}


def test_a_line_of_brackets_is_no_stack_overflow(tmp_path):
    (tmp_path / "q.jsonl").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match="row 1: not JSON"):
        read_dataset(tmp_path / "q.jsonl")


def test_a_template_row_with_separators_is_read_back_as_one(tmp_path):
    text = document_from_text("标题\n\n甲 | 乙 && 丙 共有123个部分。\n", source="/t/x.txt")
    rows = template([text])
    rows[0]["question"] = "有几个部分？"
    write_template(tmp_path / "q.csv", rows)
    assert read_dataset(tmp_path / "q.csv").questions[0].evidence == ("甲 | 乙 && 丙 共有123个部分。",)


def test_without_evidence_the_answer_tells_where_it_stands(tmp_path):
    path = write(tmp_path / "a.jsonl", {"question": "几次？", "answers": ["三次", "两次"]})
    ((place,),) = locate(read_dataset(path), [MOON]).values()
    assert [MOON.text[start:end] for _, start, end in place] == ["两次"]


# -- Our own set -----------------------------------------------------------------------------------


def test_our_set_is_what_its_description_promises():
    dataset = read_dataset(OUR_QUESTIONS)
    documents = [read_document(path) for path in our_documents()]
    places = locate(dataset, documents)
    questions = dataset.questions
    described = (OUR_QUESTIONS.parent / "README.md").read_text(encoding="utf-8")
    assert f"`{dataset.digest[:16]}…`" in described, "say the new version and digest in eval/data/README.md"
    assert len(questions) >= 150
    assert len({name for question in questions for name in question.document}) >= 12
    unanswerable = [question for question in questions if not question.answerable]
    assert len(unanswerable) * 3 >= len(questions)
    assert sum(question.trap in ("near-miss", "false-premise") for question in unanswerable) * 2 >= len(unanswerable)
    assert all(question.trap for question in unanswerable)
    kinds = {"list", "fact", "number", "date", "person", "reason", "yes-no", "summary", "follow-up", "multi-passage"}
    assert kinds <= {question.kind for question in questions}
    assert {"paraphrase", "typo", "traditional", "english", "pinyin"} <= {question.variant for question in questions}
    for split in ("dev", "test"):
        assert {question.split for question in dataset.of_split(split).questions} == {split}
    for question in questions:
        assert question.document
        assert bool(places[question.id]) == question.answerable == bool(question.answers)


# -- Templates and feedback ------------------------------------------------------------------------


def test_a_template_gives_sentences_to_ask_about_and_is_read_back_blank(tmp_path):
    rows = template([MOON])
    assert [row["answerable"] for row in rows] == ["yes", "yes", "no"]
    assert all(row["evidence"] in MOON.text for row in rows)
    path = tmp_path / "questions.csv"
    write_template(path, rows)
    with pytest.raises(InputError, match="holds no question"):
        read_dataset(path)
    with pytest.raises(InputError, match="exists already"):
        write_template(path, rows)


def test_a_template_holds_nothing_a_spreadsheet_would_run():
    hostile = document_from_text(
        "标题一行\n\n=HYPERLINK(1)是一个公式。\n\n+1234567是一个电话号码。\n\n普通的一句话有12个字。\n",
        source="/t/=x.txt",
    )
    rows = template([hostile])
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert rows[0]["evidence"] == "普通的一句话有12个字。"


def given(id_, answer, good, **more):
    return Feedback(id_, "2025-01-31T12:00:00Z", answer, good, **more)


def test_feedback_becomes_cases(tmp_path):
    right = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    wrong = answer_quoting(MOON, ["每天两次"], "月球多久一周？")
    unsaid = answer_quoting(MOON, ["每天两次"], "谁发现了潮汐？")
    no = refusal(MOON, "月球绕什么？")
    feedback = [
        given(1, right, True),
        given(2, wrong, False, correction="约需二十七天"),
        given(3, unsaid, False, unanswerable=True),
        given(4, refusal(MOON, "火星多大？"), True),
        given(5, no, False),
        given(6, answer_quoting(MOON, ["每天两次"], "月球是谁的？"), False),
    ]
    cases, left_out = from_feedback(feedback, [MOON])
    assert left_out == 1
    by_id = {case.id: case for case in cases}
    assert by_id["feedback-1"].answers == ("每天两次",)
    assert by_id["feedback-1"].evidence == ("每天两次",)
    assert by_id["feedback-2"].answers == by_id["feedback-2"].evidence == ("约需二十七天",)
    assert by_id["feedback-2"].document == ("moon.txt",)
    assert not by_id["feedback-3"].answerable
    assert not by_id["feedback-4"].answerable
    assert by_id["feedback-5"].answerable
    assert by_id["feedback-5"].answers == ()
    write_jsonl(tmp_path / "cases.jsonl", cases)
    again = read_dataset(tmp_path / "cases.jsonl")
    assert again.questions == tuple(cases)
    assert locate(again, [MOON])


def test_the_last_word_on_a_question_counts():
    answer = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    cases, _ = from_feedback([given(1, answer, True), given(2, answer, False, unanswerable=True)], [MOON])
    assert [(case.id, case.answerable) for case in cases] == [("feedback-2", False)]


def test_only_a_follow_up_keeps_the_questions_before_it():
    alone = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    later = answer_quoting(MOON, ["每天两次"], "那几次？", query="潮汐呢 那几次？")
    cases, _ = from_feedback(
        [given(1, alone, True, history=("甲？",)), given(2, later, True, history=("潮汐呢",))], [MOON]
    )
    assert [(case.kind, case.history) for case in cases] == [("", ()), ("follow-up", ("潮汐呢",))]


@pytest.mark.parametrize("about", [{"marker": 1}, {"sentence": 1}])
def test_a_thumb_for_one_citation_or_sentence_says_nothing_of_the_answer(about):
    answer = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    cases, left_out = from_feedback(
        [given(1, answer, False, unanswerable=True), given(2, answer, True, **about)], [MOON]
    )
    assert [case.id for case in cases] == ["feedback-1"]
    assert left_out == 1


def test_a_correction_of_one_sentence_is_gold_only_where_the_answer_says_no_more():
    one = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    two = answer_quoting(MOON, ["每天两次", "约需二十七天"], "潮汐和月球呢？")
    cases, left_out = from_feedback(
        [
            given(1, one, False, correction="每日二度", sentence=1),
            given(2, two, True),
            given(3, two, False, correction="每日二度", sentence=1),
            given(4, two, False, correction="每日二度", marker=1),
            given(5, two, False, unanswerable=True, sentence=1),
        ],
        [MOON],
    )
    assert [(case.id, case.answers) for case in cases] == [
        ("feedback-1", ("每日二度",)),
        ("feedback-2", ("每天两次\n约需二十七天",)),
    ]
    assert left_out == 3


def test_a_correction_that_stands_in_no_document_is_gold_without_evidence():
    answer = answer_quoting(MOON, ["每天两次"], "潮汐几次？")
    other = document_from_text("别的文章没有这些话。", source="/texts/other.txt")
    (case,), _ = from_feedback([given(1, answer, False, correction="每日二度")], [other])
    assert case.answers == ("每日二度",)
    assert case.evidence == case.document == ()
