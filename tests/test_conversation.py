import json
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rag.answers import Answer, Sentence, Verdict
from rag.citations import cite
from rag.conversation import MAX_OWNER, MAX_TITLE, Conversations, Turn
from rag.documents import document_from_text
from rag.errors import InputError, NotFoundError, StoreError
from rag.followups import complete
from rag.generator import Draft
from rag.pipeline import Pipeline, reindex
from rag.question import INHERITED_FACTOR, analyse
from rag.retriever import ArmRank, Hit
from rag.settings import Settings
from tests.fakes import WordCountEmbedder

# Each: turns as "question => answer" (no answer: refused), the new question, and the queries that are right for it.
Case = tuple[tuple[str, ...], str, tuple[str, ...]]

TUNED: tuple[Case, ...] = (
    # -- Follow-ups
    (
        ("上汽通用五菱有哪些品牌 => 五菱和宝骏", "柳州的主导产业是什么 => 汽车、钢铁、机械"),
        "那它有哪两个品牌？",
        ("上汽通用五菱有哪两个品牌？",),
    ),
    (
        ("自治区党委常委会扩大会议研究了什么 => 专题研究柳州市债务化解和经济社会发展工作",),
        "是哪天开的？",
        ("自治区党委常委会扩大会议是哪天开的？",),
    ),
    (("柳州的主导产业是什么 => 汽车、钢铁、机械",), "那桂林呢？", ("桂林的主导产业是什么？",)),
    (("蓝鲸科技公司的总部在哪里 => 成都",), "该公司有多少员工？", ("蓝鲸科技公司有多少员工？",)),
    (("谁主持了会议 => 市长李明华主持了会议",), "他的职务是什么？", ("李明华的职务是什么？",)),
    (("飓芯科技生产什么 => 半导体激光器",), "它的累计产销量呢", ("飓芯科技的累计产销量是多少",)),
    (
        ("这次比赛有哪两个冠军 => 王小虎和张大山", "王小虎是哪个队的 => 火箭队"),
        "第二个呢？",
        ("张大山是哪个队的？",),
    ),
    (("青海湖的面积是多少 => 4625平方公里",), "它在哪里？", ("青海湖在哪里？",)),
    (("开幕式什么时候举行 => 9月23日晚",), "闭幕式呢？", ("闭幕式什么时候举行？",)),
    (("公司裁员了吗 => 公司裁员了300人",), "为什么？", ("公司为什么裁员了？", "为什么公司裁员了？")),
    (("会议审议了什么 => 化债方案",), "还有呢？", ("会议还审议了什么？",)),
    (("《流浪地球2》的导演是谁 => 郭帆",), "主演呢？", ("《流浪地球2》的主演是谁？",)),
    (("優必選在柳州下線了什麼機器人 => 工業人形機器人",), "它有多高？", ("工業人形機器人有多高？", "優必選有多高？")),
    (("柳州有机场吗 => 柳州有白莲机场",), "在哪里？", ("柳州的机场在哪里？", "白莲机场在哪里？")),
    (("Where was the climate summit held? => In Paris",), "When was it held?", ("When was the climate summit held?",)),
    (
        ("What is the leading industry of Liuzhou? => Cars",),
        "What about Guilin?",
        ("What is the leading industry of Guilin?",),
    ),
    # -- New topics
    (("上汽通用五菱有哪些品牌 => 五菱和宝骏",), "陈刚到鹿寨县做什么", ()),
    (("柳州的主导产业是什么 => 汽车",), "其他城市的情况怎么样", ()),
    (("柳州的主导产业是什么 => 汽车",), "亚运会的开幕式是哪天举行的？", ()),
    (("青海湖的面积是多少 => 4625平方公里",), "长江有多长？", ()),
    (("公司裁员了吗 => 裁了",), "广西应该怎样发展人工智能？", ()),
    (("会议审议了什么 => 化债方案",), "尤其重要的三项任务是什么", ()),
    (("李明华是谁 => 市长",), "其实火星上有水吗", ()),
    (("蓝鲸科技公司的总部在哪里 => 成都",), "谁发明了电话", ()),
    (("柳州有机场吗 => 有",), "谢谢", ()),
    (("柳州有机场吗 => 有",), "哪个城市的人口最多？", ()),
    (("王小虎是哪个队的 => 火箭队",), "中国空间站什么时候建成的，它有多重？", ()),
    (("谁主持了会议 => 李明华",), "怎么这么多人去看花灯展", ()),
    (("Where was the climate summit held? => In Paris",), "Who wrote the first Chinese encyclopedia?", ()),
    (("What is the leading industry of Liuzhou? => Cars",), "Is it true that Mars has water?", ()),
    (("Where was the climate summit held? => In Paris",), "What is the capital of Mongolia?", ()),
    (("優必選在柳州下線了什麼機器人 => 人形機器人",), "臺北一零一有多少層？", ()),
)

# Written before the rules were, and not looked at while they were made.
HELD_OUT: tuple[Case, ...] = (
    # -- Follow-ups
    (("比亚迪去年卖了多少辆车 => 427万辆",), "前年呢？", ("比亚迪前年卖了多少辆车？",)),
    (("比亚迪去年卖了多少辆车 => 427万辆",), "那特斯拉呢", ("特斯拉去年卖了多少辆车",)),
    (("南山中学的校长是谁 => 周婉清",), "她是哪年上任的？", ("周婉清是哪年上任的？",)),
    (("这项技术是哪所大学研发的 => 浙江大学",), "这所大学在哪里？", ("浙江大学在哪里？",)),
    (("港珠澳大桥是哪年通车的 => 2018年",), "全长多少公里？", ("港珠澳大桥全长多少公里？",)),
    (("港珠澳大桥是哪年通车的 => 2018年",), "花了多少钱？", ("港珠澳大桥花了多少钱？",)),
    (("世界互联网大会在哪里召开 => 浙江乌镇",), "那里有什么景点？", ("浙江乌镇有什么景点？", "乌镇有什么景点？")),
    (
        ("乡村振兴座谈会的主题是什么 => 农村人居环境整治",),
        "会上谁发了言？",
        ("乡村振兴座谈会上谁发了言？",),
    ),
    (
        ("五粮液和茅台哪个市值高 => 茅台",),
        "后者的总部在哪里？",
        ("茅台的总部在哪里？",),
    ),
    (
        ("神舟十八号乘组有谁 => 叶光富、李聪、李广苏",),
        "他们什么时候返回的？",
        (
            "叶光富、李聪和李广苏什么时候返回的？",
            "神舟十八号乘组什么时候返回的？",
            "叶光富、李聪、李广苏什么时候返回的？",
        ),
    ),
    (
        ("苏州博物馆的设计师是谁 => 贝聿铭", "苏州博物馆的设计师是谁 =>"),
        "其占地面积是多少？",
        ("苏州博物馆的占地面积是多少？", "苏州博物馆占地面积是多少？"),
    ),
    (("小米汽车的首款车型叫什么 => SU7",), "它的续航是多少？", ("SU7的续航是多少？",)),
    (
        ("颱風山竹在哪裡登陸 => 廣東台山",),
        "是哪一天？",
        ("颱風山竹是哪一天？", "颱風山竹登陸是哪一天？", "颱風山竹是哪一天登陸？"),
    ),
    (("華為的創始人是誰 => 任正非",), "那聯想呢？", ("聯想的創始人是誰？",)),
    (
        ("Who founded Tesla Motors? => Martin Eberhard and Marc Tarpenning",),
        "Where is it based?",
        ("Where is Tesla Motors based?",),
    ),
    (
        ("Who chairs the Riverside Council? => Helen Park",),
        "How old is she?",
        ("How old is Helen Park?",),
    ),
    (("When was the bridge built? => In 1932",), "Why?", ("Why was the bridge built?",)),
    # -- New topics
    (("比亚迪去年卖了多少辆车 => 427万辆",), "港珠澳大桥是哪年通车的？", ()),
    (("南山中学的校长是谁 => 周婉清",), "苏州博物馆的设计师是谁？", ()),
    (("港珠澳大桥是哪年通车的 => 2018年",), "其中一名航天员叶光富来自哪里", ()),
    (("神舟十八号乘组有谁 => 叶光富、李聪、李广苏",), "为什么茅台的股价下跌了？", ()),
    (("茅台的总部在哪里 => 遵义",), "有哪些国家参加了巴黎奥运会？", ()),
    (("小米汽车的首款车型叫什么 => SU7",), "应该如何预防流感？", ()),
    (("乡村振兴座谈会的主题是什么 => 人居环境",), "那英的代表作是什么", ()),
    (("世界互联网大会在哪里召开 => 乌镇",), "是谁发现了青霉素？", ()),
    (("世界互联网大会在哪里召开 => 乌镇",), "你好", ()),
    (("华为的创始人是谁 => 任正非",), "吉他有几根弦？", ()),
    (("比亚迪去年卖了多少辆车 => 427万辆",), "总结一下全文", ()),
    (("颱風山竹在哪裡登陸 => 廣東台山",), "故宮的鎮館之寶是什麼？", ()),
    (("華為的創始人是誰 => 任正非",), "他山之石可以攻玉出自哪本书", ()),
    (("Who founded Tesla Motors? => Martin Eberhard",), "How many moons does Jupiter have?", ()),
    (("Who chairs the Riverside Council? => Helen Park",), "What do pandas eat?", ()),
    (("When was the bridge built? => In 1932",), "How long does it take to fly from Beijing to London?", ()),
    (
        ("When was the bridge built? => In 1932",),
        "Which team won the Champions League last year, and who is its captain?",
        (),
    ),
)

# A second set, written after the first had been looked at.
FRESH: tuple[Case, ...] = (
    (
        ("敦煌研究院是哪年成立的 => 1944年",),
        "首任院长是谁？",
        ("敦煌研究院的首任院长是谁？", "敦煌研究院首任院长是谁？"),
    ),
    (("敦煌研究院是哪年成立的 => 1944年",), "那一年还发生了什么？", ("1944年还发生了什么？",)),
    (
        ("中国女排在决赛中击败了谁 => 塞尔维亚队",),
        "比分是多少？",
        (
            "中国女排的比分是多少？",
            "中国女排比分是多少？",
            "中国女排在决赛中击败了谁，比分是多少？",
            "决赛的比分是多少？",
        ),
    ),
    (("市教育局发布了什么通知 => 关于中小学暑期托管的通知",), "什么时候发布的？", ("市教育局什么时候发布的？",)),
    (("鸿蒙系统是哪家公司开发的 => 华为公司",), "它的创始人是谁？", ("华为公司的创始人是谁？", "华为的创始人是谁？")),
    (("王亚平在太空停留了多少天 => 183天",), "她的家乡在哪里？", ("王亚平的家乡在哪里？",)),
    (("张桂梅创办了什么学校 => 华坪女子高级中学",), "这所学校在哪里？", ("华坪女子高级中学在哪里？",)),
    (("长江有多长 => 6300公里",), "黄河呢？", ("黄河有多长？",)),
    (("特斯拉上海工厂去年的产量是多少 => 95万辆",), "今年呢？", ("特斯拉上海工厂今年的产量是多少？",)),
    (("学校为什么停课 => 因为台风",), "停几天？", ("学校停几天？",)),
    (("广州地铁十八号线全长多少 => 58公里",), "有多少个车站？", ("广州地铁十八号线有多少个车站？",)),
    (("歐洲杯的冠軍是哪個隊 => 西班牙隊",), "亞軍呢？", ("歐洲杯的亞軍是哪個隊？", "歐洲杯的亞軍是誰？")),
    (("Where is the Tate Museum? => In London",), "Is there a fee?", ("Is there a fee?",)),
    (("Who directed Parasite? => Bong Joon-ho",), "Where was he born?", ("Where was Bong Joon-ho born?",)),
    (("How many employees does Siemens have? => 320,000",), "And Bosch?", ("How many employees does Bosch have?",)),
    (
        ("What did the city council decide? => To close the airport",),
        "Why?",
        ("Why did the city council decide?", "Why did the city council decide to close the airport?"),
    ),
    (("敦煌研究院是哪年成立的 => 1944年",), "莫高窟有多少个洞窟？", ()),
    (("中国女排在决赛中击败了谁 => 塞尔维亚队",), "为什么北极熊不吃企鹅？", ()),
    (("市教育局发布了什么通知 => 通知",), "当前的经济形势怎么样", ()),
    (("长江有多长 => 6300公里",), "该怎么申请护照？", ()),
    (("王亚平在太空停留了多少天 => 183天",), "李白和杜甫谁的年纪大？", ()),
    (("学校为什么停课 => 因为台风",), "《红楼梦》里他最喜欢谁", ()),
    (("广州地铁十八号线全长多少 => 58公里",), "当年红军长征走了多少里？", ()),
    (("张桂梅创办了什么学校 => 华坪女高",), "文章的主要内容是什么？", ()),
    (("鸿蒙系统是哪家公司开发的 => 华为公司",), "苹果公司的市值是多少，它的手机卖得好吗？", ()),
    (("歐洲杯的冠軍是哪個隊 => 西班牙隊",), "那達慕大會在哪裡舉行？", ()),
    (("Who directed Parasite? => Bong Joon-ho",), "When did World War II end?", ()),
    (("How many employees does Siemens have? => 320,000",), "Is there life on Mars?", ()),
    (("What did the city council decide? => To close the airport",), "What is the tallest building in the world?", ()),
    (("Where is the Tate Museum? => In London",), "thanks", ()),
)


def turn(said: str) -> Answer:
    question, _, told = (part.strip() for part in said.partition("=>"))
    verdict: Verdict = "answered" if told else "refused"
    sentences = (Sentence(told, (1,)),) if told else ()
    return Answer(question, question, told or "原文没有提到", verdict, sentences, (), (), 0.9, (), (), {}, {})


def completed(turns, question):
    return complete(analyse(question), [turn(said) for said in turns]).query


def identify(case):
    return f"{case[0][-1].partition(' => ')[0]} {case[1]}"


# -- Follow-ups ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in (*TUNED, *HELD_OUT, *FRESH) if case[2]], ids=identify)
def test_a_follow_up_is_completed_into_a_question_that_stands_alone(case):
    turns, question, right = case
    assert completed(turns, question) in right


@pytest.mark.parametrize("case", [case for case in (*TUNED, *HELD_OUT, *FRESH) if not case[2]], ids=identify)
def test_a_new_topic_inherits_nothing(case):
    turns, question, _ = case
    asked = analyse(question)
    assert complete(asked, [turn(said) for said in turns]) == asked


def test_words_that_the_question_did_not_say_weigh_less():
    asked = complete(analyse("那它有哪两个品牌？"), [turn("飓芯科技累计产销量是多少 => 3000万辆")])
    assert (asked.question, asked.query) == ("那它有哪两个品牌？", "飓芯科技有哪两个品牌？")
    whole = {term.text: term.weight for term in analyse("飓芯科技有哪两个品牌？").terms}
    inherited = {term.text: term for term in asked.terms if term.inherited}
    assert set(inherited) == {"飓芯", "科技"}
    assert all(term.weight == whole[text] * INHERITED_FACTOR for text, term in inherited.items())
    assert {term.text: term.weight for term in asked.terms if not term.inherited} == {"品牌": whole["品牌"]}


def test_turns_are_chained_through_what_was_searched():
    first = turn("青海湖的面积是多少 => 4625平方公里")
    second = turn("青海湖在哪里？ => 青海省")
    assert complete(analyse("有多深？"), [first, second]).query == "青海湖有多深？"


def test_the_topic_of_a_refused_question_counts_less_but_counts():
    refused = "青海湖的深度是多少 =>"
    assert completed([refused], "它的面积是多少？") == "青海湖的面积是多少？"


def test_the_topic_of_a_refused_question_is_meant_before_an_older_one():
    assert completed(["柳州的四大定位是什么 => 现代制造城", "桂林的四大定位是什么 =>"], "它的主导产业是什么") == (
        "桂林的主导产业是什么"
    )


def test_the_topic_asked_about_last_is_meant():
    turns = ["柳州的面积是多少 => 1.8万平方公里", "桂林的人口是多少 => 495万"]
    assert completed(turns, "它的面积是多少？") == "桂林的面积是多少？"


def test_why_and_what_else_go_on_with_the_turn_before_however_long_its_answer_is():
    turns = [f"自治区党委常委会扩大会议上审议了什么 => {'审议了许多很长的方案，' * 9}"]
    assert completed(turns, "为什么？") == "自治区党委常委会扩大会议上为什么审议这些？"
    assert completed(turns, "还有呢？") == "自治区党委常委会扩大会议上还审议了什么？"


def test_a_place_does_not_take_the_place_of_a_meeting():
    assert completed(["会议是哪天召开的 => 6月25日"], "那桂林呢？") == "桂林的会议是哪天召开的？"
    assert completed(["Why was the meeting held? => To plan"], "What about Guilin?") == "What about Guilin?"


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("它的董事长是谁", "蓝鲸科技公司的董事长是谁"),
        ("那白鹭集团呢", "白鹭集团累计产销量是多少"),
        ("利润呢", "蓝鲸科技公司利润是多少"),
        ("董事长呢", "蓝鲸科技公司董事长是谁"),
    ],
)
def test_owner_and_property_are_told_apart_where_the_particle_is_left_out(question, right):
    assert completed(["蓝鲸科技公司累计产销量是多少 => 3000万辆"], question) == right


def test_a_chat_turn_is_looked_through():
    chat = Answer("谢谢", "谢谢", "不客气", "chat", (), (), (), 1.0, (), (), {}, {})
    asked = complete(analyse("它在哪里？"), [turn("青海湖的面积是多少 => 4625平方公里"), chat])
    assert asked.query == "青海湖在哪里？"


def test_without_turns_before_a_question_is_left_as_it_is():
    assert complete(analyse("它是什么"), []) == analyse("它是什么")


def test_a_long_question_and_a_long_answer_are_bounded():
    long = "它" + "很大" * 100 + "吗"
    assert completed(["青海湖在哪里 => 青海"], long) == long
    assert completed([f"青海湖在哪里 => {'青海省，' * 100_000}"], "它多大？") == "青海湖多大？"


# -- Kept conversations ----------------------------------------------------------------------------

TEXT = "天文\n\n潮汐每天两次。\n\n月亮离地球三十八万公里。"
MOON = document_from_text(TEXT, source="moon.txt")
QUOTE = "月亮离地球三十八万公里"


def open_chat(folder):
    chat = Pipeline(folder, Settings(), WordCountEmbedder())
    if not chat.store.document_ids():
        chat.add_document(MOON)
    return chat


def answer_from(chat, question="月亮有多远"):
    passages = chat.passages(MOON.id)
    start = MOON.text.index(QUOTE)
    citation = cite(1, chat.document(MOON.id), passages[-1], start, start + len(QUOTE))
    hits = tuple(Hit(p, n, 1.0 / n, {"dense": ArmRank(n, 0.5)}) for n, p in enumerate(reversed(passages), 1))
    return Answer(
        question,
        question,
        QUOTE,
        "answered",
        (Sentence(QUOTE, (1,)),),
        (citation,),
        hits,
        0.9,
        (),
        (),
        {"read": 1.5},
        {},
    )


def changed(chat, text):
    chat.add_document(document_from_text(text, source="moon.txt"))


def test_a_conversation_is_reopened_with_its_answer_as_it_was(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    answer = answer_from(chat)
    assert kept.append(started.id, answer) == Turn(1, answer, {1: "alive"})
    chat.close()
    again = Conversations(open_chat(folder).store).load(started.id)
    assert again.turns == (Turn(1, answer, {1: "alive"}),)
    assert again.answers == (answer,)
    assert again.title == "月亮有多远"


def test_a_kept_turn_does_not_hold_the_document(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    kept.append(started.id, answer_from(chat))
    ((_, record),) = chat.store.turns(started.id)[1]
    assert "潮汐每天两次" not in record
    assert json.loads(record)["citations"][0]["quote"] == QUOTE


def test_a_turn_of_an_older_version_is_reopened_without_the_terms_of_its_hits(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    answer = answer_from(chat)
    ((hit, *rest), terms) = (answer.hits, ("月亮", "三十"))
    kept.append(started.id, replace(answer, hits=(replace(hit, arms={"dense": ArmRank(1, 0.5, terms)}), *rest)))
    assert kept.load(started.id).answers[0].hits[0].arms == {"dense": ArmRank(1, 0.5, terms)}
    ((_, record),) = chat.store.turns(started.id)[1]
    older = json.loads(record)
    older["hits"][0]["arms"] = {"dense": [1, 0.5]}
    chat.store.replace_turn(started.id, 1, json.dumps(older))
    assert kept.load(started.id).answers[0].hits[0].arms == {"dense": ArmRank(1, 0.5)}


def test_a_citation_follows_its_words_in_a_changed_document(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    kept.append(started.id, answer_from(chat))
    changed(chat, "新的一段在前面。\n\n" + TEXT)
    (reopened,) = kept.load(started.id).turns
    (citation,) = reopened.answer.citations
    assert reopened.states == {1: "moved"}
    assert citation.document == chat.document(MOON.id)
    assert citation.document.text[citation.start : citation.end] == citation.quote == QUOTE
    assert str(citation.place) == "第4段"
    assert citation.passage_id == chat.passages(MOON.id)[-1].id
    assert reopened.answer.hits == ()  # their words stand elsewhere now


@pytest.mark.parametrize("text", ["月亮很远。", f"{QUOTE}。\n\n{QUOTE}。"], ids=["gone", "twice"])
def test_a_citation_whose_words_are_not_there_once_is_marked_and_keeps_quote_and_place(folder, text):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    kept.append(started.id, answer_from(chat))
    changed(chat, text)
    (reopened,) = kept.load(started.id).turns
    (citation,) = reopened.answer.citations
    assert (reopened.states, reopened.changed) == ({1: "changed"}, (1,))
    assert (citation.quote, str(citation.place)) == (QUOTE, "第3段")
    assert citation.document.text[citation.start : citation.end] == QUOTE
    assert Answer.from_json(reopened.answer.to_json()) == reopened.answer


def test_a_citation_of_a_removed_document_keeps_quote_place_and_title(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    kept.append(started.id, answer_from(chat))
    chat.remove(MOON.id)
    (reopened,) = kept.load(started.id).turns
    (citation,) = reopened.answer.citations
    assert reopened.states == {1: "removed"}
    assert (citation.quote, citation.document.title, str(citation.place)) == (QUOTE, MOON.title, "第3段")
    assert citation.document.place_in_file(citation.start) == (1, 1)


def test_a_document_that_comes_back_unchanged_brings_its_citations_to_life(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    answer = answer_from(chat)
    kept.append(started.id, answer)
    chat.remove(MOON.id)
    chat.add_document(MOON)
    assert kept.load(started.id).turns == (Turn(1, answer, {1: "alive"}),)


def test_a_citation_stays_alive_where_its_document_is_cut_anew_for_another_embedder(folder):
    class Letters(WordCountEmbedder):
        """Takes a few characters at once."""

        max_tokens: int | None = 8

        def count_tokens(self, passage):
            return len(passage)

    chat = open_chat(folder)
    kept = chat.start_conversation()
    answer = answer_from(chat)
    chat.kept.append(kept.id, answer)
    chat.close()
    again = reindex(folder, Settings(), embedder=Letters("letters"))
    (reopened,) = again.conversation(kept.id).turns
    (citation,) = reopened.answer.citations
    assert reopened.states == {1: "alive"}
    passages = {passage.id: passage for passage in again.passages(MOON.id)}
    assert answer.citations[0].passage_id not in passages
    assert passages[citation.passage_id].text == "月亮离地球三十八"
    assert replace(citation, passage_id=answer.citations[0].passage_id) == answer.citations[0]


def test_conversations_are_listed_renamed_and_deleted(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    one, two = kept.start("第一个"), kept.start()
    kept.append(two.id, answer_from(chat, "很长的问题" * 20))
    kept.rename(one.id, " 新 名字\n")
    listed = {conversation.id: conversation for conversation in kept.all()}
    assert [listed[id_].title for id_ in (one.id, two.id)] == ["新 名字", ("很长的问题" * 20)[:39] + "…"]
    assert [listed[id_].length for id_ in (one.id, two.id)] == [0, 1]
    kept.delete(two.id)
    assert [conversation.id for conversation in kept.all()] == [one.id]
    assert chat.store._one("SELECT count(*) FROM turn") == (0,)
    assert len({one.id, two.id}) == 2
    assert len(one.id) == 32


@pytest.mark.parametrize(
    "act",
    [
        lambda kept, answer: kept.load("nothing"),
        lambda kept, answer: kept.append("nothing", answer),
        lambda kept, answer: kept.replace("nothing", 1, answer),
        lambda kept, answer: kept.rename("nothing", "x"),
        lambda kept, answer: kept.delete("nothing"),
    ],
    ids=["load", "append", "replace", "rename", "delete"],
)
def test_a_conversation_that_is_not_there_is_one_clear_error(folder, act):
    chat = open_chat(folder)
    with pytest.raises(NotFoundError) as raised:
        act(Conversations(chat.store), answer_from(chat))
    assert str(raised.value) == "There is no conversation with the id 'nothing'; it may have been deleted."
    assert raised.value.said("zh") == "这段对话不存在，可能已被删除。"


def test_only_the_last_turn_can_be_replaced(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start("远近")
    first, second = answer_from(chat, "一"), answer_from(chat, "二")
    kept.append(started.id, first)
    kept.append(started.id, second)
    better = answer_from(chat, "三")
    assert kept.replace(started.id, 2, better).number == 2
    assert kept.load(started.id).answers == (first, better)
    with pytest.raises(InputError, match="Turn 1 .* cannot be replaced: the last one is 2"):
        kept.replace(started.id, 1, better)
    assert kept.load(started.id).answers == (first, better)


def test_a_conversation_does_not_grow_without_bound(folder, monkeypatch):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    monkeypatch.setattr("rag.conversation.MAX_TURNS", 2)
    monkeypatch.setattr("rag.conversation.MAX_CONVERSATIONS", 1)
    started = kept.start()
    answer = answer_from(chat)
    kept.append(started.id, answer)
    kept.append(started.id, answer)
    with pytest.raises(InputError, match="has 2 turns, and keeps 2 at most. Start another"):
        kept.append(started.id, answer)
    with pytest.raises(InputError, match="^1 conversations are kept, and 1 at most can be. Delete some"):
        kept.start()
    with pytest.raises(InputError, match=f"at most {MAX_TITLE}"):
        kept.rename(started.id, "长" * (MAX_TITLE + 1))
    monkeypatch.setattr("rag.conversation.MAX_RECORD", 100)
    with pytest.raises(InputError, match="keeps 100 at most"):
        kept.replace(started.id, 2, answer)
    assert kept.load(started.id).answers == (answer, answer)


@pytest.mark.parametrize("record", ["{", "[]", '{"question": 1}', "null"])
def test_a_damaged_turn_is_named_and_nothing_is_lost(folder, record):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started, other = kept.start(), kept.start()
    for id_ in (started.id, started.id, other.id):
        kept.append(id_, answer_from(chat))
    chat.store._connection.execute(
        "UPDATE turn SET record = ? WHERE conversation_id = ? AND number = 2", (record, started.id)
    )
    with pytest.raises(StoreError, match=f"Turn 2 of the conversation {started.id}.*damaged. Nothing was deleted"):
        kept.load(started.id)
    assert len(kept.load(other.id).turns) == 1
    assert [len(chat.store.turns(id_)[1]) for id_ in (started.id, other.id)] == [2, 1]


def test_two_processes_add_turns_to_one_conversation(folder):
    chat = open_chat(folder)
    kept = Conversations(chat.store)
    started = kept.start()
    program = f"""
        from pathlib import Path
        from rag.conversation import Conversations
        from tests.test_conversation import answer_from, open_chat

        chat = open_chat(Path({str(folder)!r}))
        for _ in range(5):
            Conversations(chat.store).append({started.id!r}, answer_from(chat))
        """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    running = [subprocess.Popen(command, cwd=Path(__file__).parents[1]) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert [turn.number for turn in kept.load(started.id).turns] == list(range(1, 11))


def test_a_conversation_is_no_change_of_the_documents(folder):
    chat = open_chat(folder)
    before = chat.store.generation()
    kept = Conversations(chat.store)
    started = kept.start()
    kept.append(started.id, answer_from(chat))
    kept.delete(started.id)
    assert chat.store.generation() == before


# -- Owners ----------------------------------------------------------------------------------------


def test_a_conversation_is_kept_for_its_owner_and_listed_for_nobody_else(folder):
    kept = Conversations(open_chat(folder).store)
    own, other, local = kept.start("甲的", "甲"), kept.start("乙的", "乙"), kept.start("自己的")
    assert [one.owner for one in (own, other, local)] == ["甲", "乙", ""]
    assert [one.id for one in kept.all("甲")] == [own.id]
    assert [one.id for one in kept.all("")] == [local.id]
    assert {one.id for one in kept.all()} == {own.id, other.id, local.id}
    assert kept.load(own.id, "甲") == kept.load(own.id) == own


@pytest.mark.parametrize(
    "act",
    [
        lambda chat, id_, answer, owner: chat.conversation(id_, owner),
        lambda chat, id_, answer, owner: chat.rename_conversation(id_, "x", owner),
        lambda chat, id_, answer, owner: chat.delete_conversation(id_, owner),
        lambda chat, id_, answer, owner: chat.replace_turn(id_, 1, answer, owner),
        lambda chat, id_, answer, owner: chat.kept.append(id_, answer, owner),
        lambda chat, id_, answer, owner: chat.ask("月亮有多远", conversation=id_, owner=owner),
        lambda chat, id_, answer, owner: chat.ask("月亮有多远", conversation=id_, owner=owner, replace=True),
    ],
    ids=["load", "rename", "delete", "replace", "append", "ask", "ask again"],
)
@pytest.mark.parametrize("owner", ["乙", ""])
def test_a_conversation_of_another_owner_is_as_one_that_is_not_there(folder, act, owner):
    chat = open_chat(folder)
    answer = answer_from(chat)
    own = chat.start_conversation("甲的", owner="甲")
    chat.kept.append(own.id, answer, "甲")
    before = chat.conversation(own.id)
    with pytest.raises(NotFoundError) as refused:
        act(chat, own.id, answer, owner)
    with pytest.raises(NotFoundError) as absent:
        act(chat, "nothing", answer, owner)
    assert str(refused.value).replace(own.id, "nothing") == str(absent.value)
    assert refused.value.said("zh").replace(own.id, "nothing") == absent.value.said("zh")
    assert chat.conversation(own.id) == before
    act(chat, own.id, answer, "甲")


def test_conversations_are_bounded_for_each_owner_and_for_all(folder, monkeypatch):
    kept = Conversations(open_chat(folder).store)
    monkeypatch.setattr("rag.conversation.MAX_CONVERSATIONS", 2)
    monkeypatch.setattr("rag.conversation.MAX_ALL_CONVERSATIONS", 3)
    kept.start(owner="甲")
    kept.start(owner="甲")
    with pytest.raises(InputError, match="^2 conversations are kept, and 2 at most can be"):
        kept.start(owner="甲")
    kept.start(owner="乙")
    with pytest.raises(InputError, match="^3 conversations of all users are kept, and 3 at most can be"):
        kept.start(owner="丙")
    with pytest.raises(InputError, match=f"at most {MAX_OWNER}"):
        kept.start(owner="甲" * (MAX_OWNER + 1))


def test_conversations_of_visitors_give_way_the_one_changed_longest_ago_first(folder, monkeypatch):
    chat = open_chat(folder)
    kept, answer = chat.kept, answer_from(chat)
    monkeypatch.setattr("rag.conversation.MAX_ALL_CONVERSATIONS", 4)
    known = kept.start(owner="user:visitor:甲")
    first, second = kept.start(owner="visitor:1"), kept.start(owner="visitor:2")
    third = kept.start(owner="visitor:2")
    kept.append(first.id, answer)
    with chat.store._transaction() as connection:
        for number, one in enumerate((known, second, third, first)):
            connection.execute("UPDATE conversation SET changed = ? WHERE id = ?", (f"202{number}", one.id))
    new = kept.start(owner="visitor:3")
    assert {one.id for one in kept.all()} == {known.id, third.id, first.id, new.id}
    mine = [kept.start(owner="user:乙").id for _ in range(3)]
    assert {one.id for one in kept.all()} == {known.id, *mine}
    with pytest.raises(InputError, match="^4 conversations of all users are kept"):
        kept.start(owner="visitor:4")


# -- Asking in a conversation ----------------------------------------------------------------------


class Scripted:
    """A generator that writes the sentences of the document one by one, and keeps what it was asked."""

    name = "scripted"

    def __init__(self):
        self.asked = []

    def write(self, task, stop):
        self.asked.append(task.asked.query)
        for sentence in ("月亮离地球三十八万公里。", "潮汐每天两次。"):
            if stop.is_set():
                return
            yield Draft(sentence, (), (), 0)


def open_scripted(folder):
    chat = Pipeline(folder, Settings(generator="scripted"), WordCountEmbedder())
    chat.add_document(MOON)
    chat.generator = Scripted()
    return chat


def test_an_answer_is_kept_when_all_of_it_was_taken_and_its_turn_is_returned(folder):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    shown = []

    def take():
        turn = yield from chat.stream("月亮和潮汐怎么样", conversation=id_)
        shown.append(turn)

    *_, last = take()
    assert shown == [Turn(1, last, {citation.marker: "alive" for citation in last.citations})]
    assert chat.conversation(id_).answers == (last,)
    assert [one.text for one in last.sentences] == ["月亮离地球三十八万公里。", "潮汐每天两次。"]


def test_a_caller_who_leaves_keeps_nothing(folder):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    stream = chat.stream("月亮和潮汐怎么样", conversation=id_)
    next(stream)
    stream.close()
    kept = chat.conversation(id_)
    assert (kept.length, kept.title) == (0, "")


def test_a_stopped_answer_is_kept_as_far_as_it_was_said(folder):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    stop = threading.Event()
    stream = chat.stream("月亮和潮汐怎么样", conversation=id_, stop=stop)
    next(stream)
    stop.set()
    list(stream)
    (kept,) = chat.conversation(id_).answers
    assert [one.text for one in kept.sentences] == ["月亮离地球三十八万公里。"]
    assert kept.notice == "回答已停止。"


def test_asking_again_and_stopping_at_once_leaves_the_answer_before(folder):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    chat.ask("月亮和潮汐怎么样", conversation=id_)
    before = chat.conversation(id_)
    stop = threading.Event()
    stop.set()
    *_, shown = chat.stream("月亮和潮汐怎么样", conversation=id_, stop=stop, replace=True)
    assert (shown.sentences, shown.notice) == ((), "回答已停止。")
    assert chat.conversation(id_) == before
    *_, shown = chat.stream("月亮和潮汐怎么样", conversation=id_, stop=stop)
    assert chat.conversation(id_).answers[-1] == replace(shown, hits=chat.conversation(id_).answers[-1].hits)


def test_asking_again_puts_the_answer_in_the_place_of_the_last_turn(folder):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    chat.ask("潮汐怎么样？", conversation=id_)
    chat.ask("月亮离地球多远？", conversation=id_)
    chat.generator.asked.clear()
    chat.ask("它每天几次？", conversation=id_, replace=True)
    kept = chat.conversation(id_)
    assert [turn.answer.question for turn in kept.turns] == ["潮汐怎么样？", "它每天几次？"]
    assert [turn.number for turn in kept.turns] == [1, 2]
    # The history is what stood before: "it" is the tide, not the moon of the turn that was replaced.
    assert chat.generator.asked == ["潮汐每天几次？"]


def test_asking_the_first_question_differently_gives_the_title_that_was_made_of_it(folder):
    chat = open_scripted(folder)
    made, given = chat.start_conversation().id, chat.start_conversation("月亮").id
    for id_ in (made, given):
        chat.ask("潮汐怎么样？", conversation=id_)
        chat.ask("潮汐每天几次？", conversation=id_, replace=True)
    assert [chat.conversation(id_).title for id_ in (made, given)] == ["潮汐每天几次？", "月亮"]
    chat.ask("月亮离地球多远？", conversation=made)
    chat.ask("潮汐怎么样？", conversation=made, replace=True)
    assert chat.conversation(made).title == "潮汐每天几次？"


def test_a_turn_that_was_added_meanwhile_is_not_replaced(folder):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    chat.ask("潮汐怎么样？", conversation=id_)
    stream = chat.stream("潮汐每天几次？", conversation=id_, replace=True)
    next(stream)
    chat.ask("月亮离地球多远？", conversation=id_)
    with pytest.raises(InputError, match="the last one is 2"):
        list(stream)
    assert [answer.question for answer in chat.conversation(id_).answers] == ["潮汐怎么样？", "月亮离地球多远？"]


def test_what_cannot_be_kept_is_told_before_anything_is_answered(folder, monkeypatch):
    chat = open_scripted(folder)
    id_ = chat.start_conversation().id
    with pytest.raises(InputError, match="has no turn that could be replaced"):
        chat.ask("潮汐怎么样？", conversation=id_, replace=True)
    with pytest.raises(InputError, match="Name the conversation"):
        chat.ask("潮汐怎么样？", replace=True)
    answer = chat.ask("潮汐怎么样？", conversation=id_)
    with pytest.raises(InputError, match="Leave one of the two out"):
        chat.ask("潮汐怎么样？", [answer], conversation=id_)
    monkeypatch.setattr("rag.conversation.MAX_TURNS", 1)
    chat.generator.asked.clear()
    with pytest.raises(InputError, match="has 1 turns, and keeps 1 at most") as raised:
        chat.ask("月亮离地球多远？", conversation=id_)
    assert raised.value.said("zh") == "这段对话已有 1 轮，最多只能保存 1 轮。请开始新的对话。"
    assert chat.generator.asked == []
    chat.ask("月亮离地球多远？", conversation=id_, replace=True)
    assert chat.conversation(id_).length == 1
