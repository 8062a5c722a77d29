"""What comparison.py promises: two things set side by side are found, with a question for each."""

import pytest

from rag.comparison import compare

# question | first | second | aspect | adjective | question of the first | question of the second
COMPARES = """
五菱和宝骏哪个销量更高？|五菱|宝骏|销量|高|五菱的销量是多少？|宝骏的销量是多少？
北京和上海，哪个城市的人口更多？|北京|上海|人口|多|北京的人口是多少？|上海的人口是多少？
五菱的销量比宝骏高吗？|五菱|宝骏|销量|高|五菱的销量是多少？|宝骏的销量是多少？
五菱比宝骏卖得多吗？|五菱|宝骏|卖得|多|五菱卖了多少？|宝骏卖了多少？
长江和黄河哪个更长？|长江|黄河||长|长江有多长？|黄河有多长？
五菱和宝骏有什么不同？|五菱|宝骏|||五菱是什么？|宝骏是什么？
五菱与宝骏的区别是什么？|五菱|宝骏|||五菱是什么？|宝骏是什么？
北京和上海在房价上有什么差别？|北京|上海|房价||北京的房价是多少？|上海的房价是多少？
哪个更大，北京还是上海？|北京|上海||大|北京有多大？|上海有多大？
是长江长还是黄河长？|长江|黄河||长|长江有多长？|黄河有多长？
对比一下北京和上海的人口|北京|上海|人口||北京的人口是多少？|上海的人口是多少？
2019年和2020年的产量相比如何？|2019年|2020年|产量||2019年的产量是多少？|2020年的产量是多少？
第一期工程和第二期工程哪个投资更大？|第一期工程|第二期工程|投资|大|第一期工程的投资是多少？|第二期工程的投资是多少？
张三和李四谁的年龄更大？|张三|李四|年龄|大|张三的年龄是多少？|李四的年龄是多少？
张三和李四谁更早入职？|张三|李四|入职|早|张三是什么时候入职的？|李四是什么时候入职的？
南昌和武汉哪个先通地铁？|南昌|武汉|通地铁|先|南昌是什么时候通地铁的？|武汉是什么时候通地铁的？
北京与天津相比，哪个的面积更大？|北京|天津|面积|大|北京的面积是多少？|天津的面积是多少？
長江和黃河哪個更長？|長江|黃河||长|長江有多长？|黃河有多长？
北京和上海的GDP哪个更高？|北京|上海|GDP|高|北京的GDP是多少？|上海的GDP是多少？
Which is longer, the Nile or the Amazon?|the Nile|the Amazon||longer|How long is the Nile?|How long is the Amazon?
Is the Nile longer than the Amazon?|the Nile|the Amazon||longer|How long is the Nile?|How long is the Amazon?
Who is older, Mr. Smith or Mr. Jones?|Mr. Smith|Mr. Jones||older|How old is Mr. Smith?|How old is Mr. Jones?
What is the difference between cats and dogs?|cats|dogs|||What is cats?|What is dogs?
Compare the first phase and the second phase.|the first phase|the second phase|||What is the first phase?|What is the second phase?
How does Shanghai compare to Beijing in population?|Shanghai|Beijing|population||What is the population of Shanghai?|What is the population of Beijing?
Which city has the larger population, Lyon or Nice?|Lyon|Nice|population|larger|What is the population of Lyon?|What is the population of Nice?
Which company sold more cars, Ford or Toyota?|Ford|Toyota|cars|more|How many cars did Ford sell?|How many cars did Toyota sell?
Did Ford sell more cars than Toyota?|Ford|Toyota|cars|more|How many cars did Ford sell?|How many cars did Toyota sell?
Which opened earlier, the museum or the library?|the museum|the library||earlier|When did the museum open?|When did the library open?
What are the differences between Smith and Sons and Brown and Co?|Smith and Sons|Brown and Co|||What is Smith and Sons?|What is Brown and Co?
Which is larger, Trinidad and Tobago or Malta?|Trinidad and Tobago|Malta||larger|How large is Trinidad and Tobago?|How large is Malta?
What is the main difference between research and development?|research|development|||What is research?|What is development?
五菱和宝骏的共同点|五菱|宝骏|||五菱是什么？|宝骏是什么？
哪个城市的人口最多，北京还是上海？|北京|上海|人口|多|北京的人口是多少？|上海的人口是多少？
Did the north produce less steel than the south?|the north|the south|steel|less|How much steel did the north produce?|How much steel did the south produce?
Which was built earlier, the tower or the bridge?|the tower|the bridge|built|earlier|When was the tower built?|When was the bridge built?
Who is taller, Ann or Bob?|Ann|Bob||taller|How tall is Ann?|How tall is Bob?
高铁和飞机哪个更快？|高铁|飞机||快|高铁有多快？|飞机有多快？
A方案与B方案有哪些不同之处？|A方案|B方案|||A方案是什么？|B方案是什么？
請問五菱和寶駿哪個更便宜？|五菱|寶駿||便宜|五菱的价格是多少？|寶駿的价格是多少？
火箭发射和空间站对接哪个事件发生得更早？|火箭发射|空间站对接|发生|早|火箭发射是什么时候发生的？|空间站对接是什么时候发生的？
新条例和旧城的新规定哪个实施得更早？|新条例|旧城的新规定|实施|早|新条例是什么时候实施的？|旧城的新规定是什么时候实施的？
甲队对乙队的比赛和丙队对丁队的决赛，哪个更晚？|甲队对乙队的比赛|丙队对丁队的决赛||晚|甲队对乙队的比赛是什么时候？|丙队对丁队的决赛是什么时候？
选举和地震这两个事件，哪个发生得更早？|选举|地震|发生|早|选举是什么时候发生的？|地震是什么时候发生的？
大桥的开工时间和地铁的开工时间哪个更早？|大桥的开工时间|地铁的开工时间||早|大桥的开工时间是什么时候？|地铁的开工时间是什么时候？
五菱和宝骏的成立时间谁更早？|五菱|宝骏|成立时间|早|五菱是什么时候成立的？|宝骏是什么时候成立的？
五菱的销量和宝骏的产量哪个更高？|五菱的销量|宝骏的产量||高|五菱的销量是多少？|宝骏的产量是多少？
北京的人口与上海的人口相比，哪个更多？|北京|上海|人口|多|北京的人口是多少？|上海的人口是多少？
""".strip().split("\n")  # noqa: E501
COMPARES_NOTHING = """
五菱和五菱哪个更大？
选举、地震以及会议哪个发生得更早？
大会的召开、书记的辞职和市长的讲话，哪个最早？
去年和今年哪个月销量最高？
产量比去年多吗？
五菱和宝骏是哪家公司的品牌？
比赛比分是多少？
北京比较大吗？
哪个城市的人口最多？
谁和谁参加了比赛？
哪一年的产量最高？
去年和今年的产量分别是多少？
柳州和谁签了协议？
比起去年，今年的销量如何？
销量同比增长多少？
男性和女性的比例是多少？
谁和谁签了协议？
会议讨论了什么和什么？
五菱和宝骏有什么关系？
债务化解和高质量发展两大任务是什么？
哪些企业和哪些高校参加了会议？
如果下雨，比赛怎么办？
中国和美国什么时候建交？
张三、李四和王五是哪个学校的？
这项工程有什么意义和作用？
What is the difference between how A works and how B works?
Which cities and towns were flooded?
Does the report say who was to blame and why?
What do critics and supporters say about the plan?
Who are the mayor and the deputy mayor of the city?
小王和小李来自哪里？
增长的原因和影响有哪些？
多少人参加了多少场比赛？
柳州和桂林是哪个省的？
市长和书记是谁？
为什么说水比石油贵？
哪家企业的产量最大？
文章最后一段讲了什么？
What are the pros and cons of the plan?
Why did the mayor and the council disagree?
How and when to use the machine
Is it true that nobody knows who built it and why?
Who knows what will happen and when?
二期和一期有什么关系？
他比别人早到多少分钟？
比赛的冠军比亚军快多少？
今年比去年增长了多少？
与去年相比，产量增加了多少？
五菱和宝骏的关系是什么？
最大的城市是哪个？
What was the score of the match between Spain and Italy?
Which team did Ford and Toyota sponsor?
Is it more than 100?
哪个国家更早？
谁比较高？
他更喜欢北京还是上海？
柳州的四大定位和两个生态分别是什么？
五菱和宝骏的产销量分别是多少？
市长和书记分别是谁？
发布会的时间和地点是什么？
比赛的冠军是谁？亚军是谁？
首届大会和第二届大会分别在哪里举办？
When was the bridge opened and who built it?
Where is the company based, and how many people does it employ?
Who founded the museum and when did it open?
When and where was the treaty signed?
What is the population of the city and who is its mayor?
How long is the tunnel, and how much did it cost?
When did the strike begin and why did it end?
What did the court decide and when was the ruling published?
产量是多少，同比增长了多少？
A公司和B公司的营收分别是多少？
桂林和柳州各有什么特产？
Which river flows through the city, and how long is it?
Who wrote the book and when was it published?
Why was the match delayed and when will it be played?
Who is the president of the club and how old is he?
Which companies were fined and how much did they pay?
How many students does the school have, and how many teachers work there?
What caused the fire and how many people were hurt?
Where was Marie Curie born and when did she die?
What is the tallest building and where is it?
""".strip().split("\n")


@pytest.mark.parametrize("line", COMPARES)
def test_a_comparison_gives_its_two_sides_and_a_question_for_each(line):
    question, first, second, aspect, adjective, *questions = line.split("|")
    found = compare(question)
    assert found is not None
    assert found.sides == (first, second)
    assert (found.aspect, found.adjective) == (aspect, adjective)
    assert list(found.questions) == questions


@pytest.mark.parametrize("question", COMPARES_NOTHING)
def test_what_compares_no_two_things_is_no_comparison(question):
    assert compare(question) is None


def test_there_are_enough_cases_of_both_sorts():
    assert len(COMPARES) >= 40
    assert len(COMPARES_NOTHING) >= 40


@pytest.mark.parametrize(
    ("question", "sign", "in_time"),
    [
        ("五菱和宝骏哪个销量更高？", 1, False),
        ("长江和黄河哪个更短？", -1, False),
        ("张三和李四谁更早入职？", -1, True),
        ("五菱和宝骏有什么不同？", 0, False),
        ("Which is longer, the Nile or the Amazon?", 1, False),
        ("Which opened earlier, the museum or the library?", -1, True),
        ("Which cost less money, the tower or the bridge?", -1, False),
    ],
)
def test_the_sign_says_which_value_is_asked_for(question, sign, in_time):
    found = compare(question)
    assert found is not None
    assert (found.sign, found.in_time) == (sign, in_time)


@pytest.mark.parametrize("question", ["", "？", "和", "比" * 300, "a or b" * 500, "五菱和" * 300 + "哪个大"])
def test_odd_input_compares_nothing_and_raises_nothing(question):
    assert compare(question) is None
