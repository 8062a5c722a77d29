"""What summary.py promises: it knows a wish for a summary, and picks sentences of the text that say most."""

from itertools import pairwise

import pytest

from rag.documents import document_from_text, read_document
from rag.embedder import load_embedder
from rag.settings import ARTICLE, Settings
from rag.summary import MAX_LENGTH, MAX_SENTENCES, SummaryRequest, locate, parts_of, request, summarise
from tests.fakes import WordCountEmbedder

WHOLE = """
文章大意
这篇文章说的是什么
这个新闻讲的是什么事
帮我总结全文
请用三句话概括这篇报道
给出文章的摘要
文章主旨是什么
summarise this
can you summarize the article for me?
give me the key points
what's the article about?
What is the text about
这篇文章讲了什么？
文章讲了什么
这篇报道主要讲了什么内容？
概括全文
总结一下
请总结一下这篇文章
主要内容是什么？
文章的主要内容是什么
全文大意
给我写个摘要
用一句话总结这篇文章
帮我概括一下这篇新闻的主要内容
這篇文章講了什麼？
請總結一下
这份文件的要点有哪些？
讲了啥
Summarize
Please summarize this article.
What is this article about?
what's it about
Give me a summary
Summary
TL;DR
What are the main points?
What is the main idea of the text?
""".strip().split("\n")
PARTS = [
    ("第五段的大意", SummaryRequest("paragraph", 5, "")),
    ("请概括第二自然段的内容", SummaryRequest("paragraph", 2, "")),
    ("第一篇新闻说了些什么", SummaryRequest("article", 1, "")),
    ("最后一篇文章讲了什么", SummaryRequest("article", -1, "")),
    ("这篇文章对于就业问题讲了什么", SummaryRequest("document", 0, "就业问题")),
    ("文章里关于房价的内容有哪些", SummaryRequest("document", 0, "房价")),
    ("总结一下关于养老的内容", SummaryRequest("document", 0, "养老")),
    ("summarize paragraph 3", SummaryRequest("paragraph", 3, "")),
    ("what does the first article say", SummaryRequest("article", 1, "")),
    ("what does the report say on inflation?", SummaryRequest("document", 0, "inflation")),
    ("第二段讲了什么？", SummaryRequest("paragraph", 2, "")),
    ("第2段的主要内容", SummaryRequest("paragraph", 2, "")),
    ("Summarize the second paragraph", SummaryRequest("paragraph", 2, "")),
    ("What is paragraph 2 about?", SummaryRequest("paragraph", 2, "")),
    ("总结第三段", SummaryRequest("paragraph", 3, "")),
    ("What does the third paragraph say?", SummaryRequest("paragraph", 3, "")),
    ("最后一段说了什么？", SummaryRequest("paragraph", -1, "")),
    ("What does the last paragraph say?", SummaryRequest("paragraph", -1, "")),
    ("文章的第一段讲了什么内容", SummaryRequest("paragraph", 1, "")),
    ("开头第一段写了什么", SummaryRequest("paragraph", 1, "")),
    ("第二篇报道讲了什么？", SummaryRequest("article", 2, "")),
    ("第二篇的主要内容是什么", SummaryRequest("article", 2, "")),
    ("第二篇文章讲了什么", SummaryRequest("article", 2, "")),
    ("Summarize the second article", SummaryRequest("article", 2, "")),
    ("概括一下第一篇文章", SummaryRequest("article", 1, "")),
    ("关于营商环境说了什么？", SummaryRequest("document", 0, "营商环境")),
    ("文章关于营商环境说了什么", SummaryRequest("document", 0, "营商环境")),
    ("关于营商环境，文章讲了哪些内容？", SummaryRequest("document", 0, "营商环境")),
    ("文中对债务问题说了什么？", SummaryRequest("document", 0, "债务问题")),
    ("总结一下债务化解的内容", SummaryRequest("document", 0, "债务化解")),
    ("概括会议的情况", SummaryRequest("document", 0, "会议")),
    ("What does the article say about the economy?", SummaryRequest("document", 0, "the economy")),
    ("What does it say about Trump?", SummaryRequest("document", 0, "Trump")),
    ("summarize what it says about climate change", SummaryRequest("document", 0, "climate change")),
]
OTHER = """
会议讲了什么
这个故事讲了什么道理？
他在文章里讲了什么故事？
文章的第一句话是什么？
报告的作者是谁
新闻发布会的主要内容是什么？
第三篇论文发表在哪里？
第二段高速什么时候开通
关于此事，他说了什么？
对于这个问题，专家有什么看法？
总结会上谁发了言？
教育改革的主要内容是什么？
the summary of the meeting was written by whom?
What is the article's author called?
what does the article's author think?
What does the sign say?
市长在会上讲了什么？
会议的主要内容是什么？
四大定位的内容是什么？
他说了什么？
第二季度讲了什么成绩
第二段路什么时候通车？
第二届大会讲了什么？
关于谁的报道最多？
文章的作者是谁？
这篇文章是谁写的？
文章提到了哪些企业？
这篇文章是什么时候发表的？
报道中提到的四大定位是什么？
公司的主要产品是什么？
主要问题是什么？
总结会议由谁主持？
总结大会什么时候召开？
对于失败的原因，他怎么说？
关于开展教育的意见是哪年发布的？
会议对经济工作提出了什么要求？
中心思想家是谁？
第三条规定了什么？
第一篇论文是谁写的？
文章第三段提到的公司是哪家？
什么是营商环境？
说到底是为什么？
你好
What did the mayor say?
What is the bridge about to become?
What is the population?
What are the four positions?
Who wrote the article?
When was the second article published?
What does the mayor say about taxes?
What is the main reason?
What is the subject of the painting?
Which paragraph mentions taxes?
What does the third witness say?
Who gave a summary of the report?
说了什么？
他们关于税收谈了什么？
Summarily dismissed workers numbered how many?
谢谢
柳州
""".strip().split("\n")


@pytest.mark.parametrize("question", WHOLE)
def test_a_wish_for_a_summary_of_the_text_is_known(question):
    assert request(question) == SummaryRequest("document")


@pytest.mark.parametrize(("question", "wanted"), PARTS)
def test_a_wish_for_a_part_or_a_topic_says_which(question, wanted):
    assert request(question) == wanted


@pytest.mark.parametrize("question", OTHER)
def test_what_asks_for_a_fact_is_no_wish_for_a_summary(question):
    assert request(question) is None


@pytest.mark.parametrize("question", ["", "？", "总" * 500, "关于" * 300, "的" * 400 + "讲了什么", "what does " * 200])
def test_odd_input_is_no_wish_and_no_error(question):
    assert request(question) is None


TWO = """海边的潮汐

6月24日，月亮绕着地球转，每月一圈，这是人们早就知道的事实。月亮使海水涨落，潮汐因此每天发生两次。潮汐的大小随月亮的位置而变。

渔民根据潮汐安排出海的时间，这样比较安全。有的人家里养了一只猫，猫不关心大海。

（本报记者李四）

营商环境持续改善

6月25日，市政府宣布，办理企业开办手续的时间已缩短到一天。企业对营商环境的满意度上升。"""


@pytest.fixture
def two():
    return document_from_text(TWO)


def texts(document, spans):
    return [document.text[start:end] for start, end in spans]


def test_a_summary_is_made_of_sentences_of_the_text_in_their_order(two):
    spans = summarise(two, WordCountEmbedder())
    assert 3 <= len(spans) <= MAX_SENTENCES
    assert list(spans) == sorted(spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert all(text in TWO and text.endswith("。") for text in texts(two, spans))


def test_a_summary_holds_no_headline_and_no_byline(two):
    said = "".join(texts(two, summarise(two, WordCountEmbedder())))
    assert "本报记者" not in said
    assert "营商环境持续改善" not in said


def test_every_article_of_a_file_is_heard(two):
    assert len(two.articles) == 2
    spans = summarise(two, WordCountEmbedder())
    assert any(start >= two.articles[1].start for start, _ in spans)
    assert any(start < two.articles[1].start for start, _ in spans)


def test_a_part_is_summarised_from_its_own_sentences(two):
    wanted = locate(two, SummaryRequest("paragraph", 2))
    assert wanted is not None
    assert texts(two, summarise(two, WordCountEmbedder(), *wanted)) == [
        "渔民根据潮汐安排出海的时间，这样比较安全。",
        "有的人家里养了一只猫，猫不关心大海。",
    ]


def test_paragraphs_are_counted_without_headlines_and_bylines(two):
    assert len(parts_of(two, "paragraph")) == 3
    third = locate(two, SummaryRequest("paragraph", 3))
    assert third == locate(two, SummaryRequest("paragraph", -1))
    assert third is not None
    assert two.text[third[0] :].startswith("6月25日，市政府")


def test_an_article_is_found_by_its_number(two):
    assert locate(two, SummaryRequest("article", 2)) == (two.articles[1].start, two.articles[1].end)


@pytest.mark.parametrize("wanted", [SummaryRequest("paragraph", 4), SummaryRequest("article", 3)])
def test_a_part_that_is_not_there_is_none(two, wanted):
    assert locate(two, wanted) is None


def test_a_topic_gives_only_sentences_that_mention_it(two):
    assert texts(two, summarise(two, WordCountEmbedder(), topic="营商环境")) == ["企业对营商环境的满意度上升。"]


def test_a_topic_is_found_in_the_other_script(two):
    assert texts(two, summarise(two, WordCountEmbedder(), topic="營商環境")) == ["企业对营商环境的满意度上升。"]


def test_a_topic_of_several_words_needs_all_of_them(two):
    assert texts(two, summarise(two, WordCountEmbedder(), topic="渔民和潮汐")) == [
        "渔民根据潮汐安排出海的时间，这样比较安全。"
    ]
    assert summarise(two, WordCountEmbedder(), topic="渔民和猫") == ()


def test_a_topic_that_the_text_does_not_mention_gives_nothing(two):
    assert summarise(two, WordCountEmbedder(), topic="火星") == ()


def test_an_english_topic_is_matched_at_the_beginning_of_words():
    document = document_from_text("The moon makes tides. A catalogue was printed. The tide turned at noon in the bay.")
    said = texts(document, summarise(document, WordCountEmbedder(), topic="the tides"))
    assert said == ["The moon makes tides.", "The tide turned at noon in the bay."]


def test_the_likeliest_of_two_equal_sentences_is_the_earlier():
    sentences = [f"月亮第{number}次升起来的时候，海边的人都看到了潮汐的变化和远处的灯塔。" for number in range(40)]
    document = document_from_text("".join(sentences))
    spans = summarise(document, WordCountEmbedder())
    assert texts(document, spans)[0] == sentences[0]


def test_a_summary_keeps_to_its_length():
    sentences = [f"第{number}条消息说，月亮照着大海，潮汐来了又去，渔民们都在岸边等待。" for number in range(80)]
    document = document_from_text("".join(sentences))
    spans = summarise(document, WordCountEmbedder())
    assert sum(end - start for start, end in spans) <= MAX_LENGTH


def test_a_very_long_sentence_gives_its_telling_clauses():
    long = "，".join(f"第{number}个村庄的渔民在那一天看见了月亮和潮汐" for number in range(30)) + "。"
    document = document_from_text(long)
    spans = summarise(document, WordCountEmbedder())
    assert len(spans) >= 3
    assert sum(end - start for start, end in spans) <= MAX_LENGTH
    assert not any(text.endswith("，") for text in texts(document, spans))


def test_what_repeats_is_said_once():
    document = document_from_text(
        "月亮今晚又圆又亮地升起来了。" * 6 + "猫在屋顶上安静地睡着了一整天。" + "潮汐在清晨六点达到了最高的位置。"
    )
    said = texts(document, summarise(document, WordCountEmbedder(), 0))
    assert "猫在屋顶上安静地睡着了一整天。" in said
    assert "潮汐在清晨六点达到了最高的位置。" in said


def test_what_is_new_goes_before_more_of_the_same():
    moons = [f"月亮第{number}次升起" + "，大家都在岸边静静地看着它照亮远处的山和树" * 5 + "。" for number in range(3)]
    tide = "潮汐在清晨涨到最高" + "，没有谁知道它从什么地方来又要到哪里去过冬" * 5 + "。"
    document = document_from_text("海边的一夜\n\n6月2日，" + "".join([*moons[:2], tide, moons[2]]))
    said = texts(document, summarise(document, WordCountEmbedder()))
    assert len(said) == 3
    assert tide in said


@pytest.mark.parametrize("text", ["月亮", "。。。", "a", "月亮\n\n潮汐", "x" * 3000])
def test_a_text_of_almost_nothing_is_summarised_without_error(text):
    document = document_from_text(text)
    for start, end in summarise(document, WordCountEmbedder()):
        assert 0 <= start < end <= len(document.text)


def test_the_bundled_embedder_finds_the_gist_of_the_bundled_article():
    document = read_document(ARTICLE)
    said = "".join(texts(document, summarise(document, load_embedder(Settings()))))
    assert "债务化解" in said
    assert "调研" in said
