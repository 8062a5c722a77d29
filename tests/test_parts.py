"""What parts.py promises: several facts in one question are told apart, and nothing else is."""

import pytest

from rag.parts import MAX_PARTS, split

SEVERAL = """
会议是哪天召开的，由谁主持？ | 会议是哪天召开的？ | 会议由谁主持？
飓芯科技的创始团队来自哪里，生产什么产品？ | 飓芯科技的创始团队来自哪里？ | 飓芯科技生产什么产品？
论坛什么时候举行？在哪里举行？ | 论坛什么时候举行？ | 论坛在哪里举行？
这座桥有多长，花了多少钱？ | 这座桥有多长？ | 这座桥花了多少钱？
大桥全长多少米，什么时候通车？ | 大桥全长多少米？ | 大桥什么时候通车？
谁主持了会议，会议是哪天召开的？ | 谁主持了会议？ | 会议是哪天召开的？
柳州的四大定位和两个生态分别是什么？ | 柳州的四大定位是什么？ | 柳州的两个生态是什么？
公司的总部在哪里，有多少员工？ | 公司的总部在哪里？ | 公司有多少员工？
会议什么时候、在哪里召开？ | 会议什么时候召开？ | 会议在哪里召开？
展览何时何地举行？ | 展览何时举行？ | 展览何地举行？
五菱和宝骏的产销量分别是多少？ | 五菱的产销量是多少？ | 宝骏的产销量是多少？
市长和书记分别是谁？ | 市长是谁？ | 书记是谁？
为什么要建新机场，怎么建？ | 为什么要建新机场？ | 机场怎么建？
请问地铁1号线什么时候开通，全长多少公里？ | 地铁1号线什么时候开通？ | 地铁1号线的全长多少公里？
发布会的时间和地点是什么？ | 发布会的时间是什么？ | 发布会的地点是什么？
电影的导演是谁，主演有哪些？ | 电影的导演是谁？ | 电影的主演有哪些？
火箭是哪天发射的？由谁研制？搭载了几颗卫星？ | 火箭是哪天发射的？ | 火箭由谁研制？ | 火箭搭载了几颗卫星？
项目总投资多少，预计什么时候建成？ | 项目总投资多少？ | 项目预计什么时候建成？
疫苗是谁研发的，有效率是多少？ | 疫苗是谁研发的？ | 疫苗的有效率是多少？
他是什么时候出生的，毕业于哪所大学？ | 他是什么时候出生的？ | 他毕业于哪所大学？
博物馆几点开门，门票多少钱？ | 博物馆几点开门？ | 博物馆的门票多少钱？
醫院有多少張床位，什麼時候啟用？ | 醫院有多少張床位？ | 醫院什麼時候啟用？
這家公司是誰創辦的，總部在哪裡？ | 這家公司是誰創辦的？ | 這家公司的總部在哪裡？
去年的GDP是多少，增长了多少？ | 去年的GDP是多少？ | 去年的GDP增长了多少？
比赛的冠军是谁？亚军是谁？ | 比赛的冠军是谁？ | 亚军是谁？
新规从哪天起实施，主要内容是什么？ | 新规从哪天起实施？ | 新规的主要内容是什么？
台风在哪里登陆，造成了什么损失？ | 台风在哪里登陆？ | 台风造成了什么损失？
水库的库容是多少，由谁管理，什么时候建成？ | 水库的库容是多少？ | 水库由谁管理？ | 水库什么时候建成？
首届大会和第二届大会分别在哪里举办？ | 首届大会在哪里举办？ | 第二届大会在哪里举办？
事故的原因是什么，有几人受伤？ | 事故的原因是什么？ | 事故有几人受伤？
When was the bridge opened and who built it? | When was the bridge opened? | Who built the bridge?
Where is the company based, and how many people does it employ? | Where is the company based? | How many people does the company employ?
Who founded the museum and when did it open? | Who founded the museum? | When did the museum open?
When and where was the treaty signed? | When was the treaty signed? | Where was the treaty signed?
What is the population of the city and who is its mayor? | What is the population of the city? | Who is the city's mayor?
How long is the tunnel, and how much did it cost? | How long is the tunnel? | How much did the tunnel cost?
Who won the race? What was the winning time? | Who won the race? | What was the winning time?
When did the strike begin and why did it end? | When did the strike begin? | Why did the strike end?
What did the court decide and when was the ruling published? | What did the court decide? | When was the ruling published?
论坛的主题是什么，有多少人参加？ | 论坛的主题是什么？ | 论坛有多少人参加？
桥梁由哪家公司设计，哪家公司施工？ | 桥梁由哪家公司设计？ | 桥梁由哪家公司施工？
书店几点开门，几点关门？ | 书店几点开门？ | 书店几点关门？
这本书的作者是谁，是哪年出版的？ | 这本书的作者是谁？ | 这本书是哪年出版的？
产量是多少，同比增长了多少？ | 产量是多少？ | 产量同比增长了多少？
学校有多少学生，有多少老师？ | 学校有多少学生？ | 学校有多少老师？
大会在哪个城市举行，有哪些国家参加？ | 大会在哪个城市举行？ | 大会有哪些国家参加？
活动由谁主办，目的是什么？ | 活动由谁主办？ | 活动的目的是什么？
谁获得了金奖，谁获得了银奖？ | 谁获得了金奖？ | 谁获得了银奖？
列车时速多少，从哪里开到哪里？ | 列车时速多少？ | 列车从哪里开到哪里？
新机场位于哪里，有几条跑道？ | 新机场位于哪里？ | 新机场有几条跑道？
他为什么辞职？谁接任？ | 他为什么辞职？ | 他由谁接任？
法院判了几年，罚了多少钱？ | 法院判了几年？ | 法院罚了多少钱？
这种药能治什么病，有什么副作用？ | 这种药能治什么病？ | 这种药有什么副作用？
研究由哪所大学完成，发表在什么期刊上？ | 研究由哪所大学完成？ | 研究发表在什么期刊上？
船上有多少人，有多少人获救？ | 船上有多少人？ | 船上有多少人获救？
古城建于哪一年，面积有多大，有什么特色？ | 古城建于哪一年？ | 古城的面积有多大？ | 古城有什么特色？
A公司和B公司的营收分别是多少？ | A公司的营收是多少？ | B公司的营收是多少？
桂林和柳州各有什么特产？ | 桂林有什么特产？ | 柳州有什么特产？
Who wrote the book and when was it published? | Who wrote the book? | When was the book published?
Why was the match delayed and when will it be played? | Why was the match delayed? | When will the match be played?
How many students does the school have, and how many teachers work there? | How many students does the school have? | How many teachers work there?
What caused the fire and how many people were hurt? | What caused the fire? | How many people were hurt?
Where was Marie Curie born and when did she die? | Where was Marie Curie born? | When did Marie Curie die?
What is the tallest building and where is it? | What is the tallest building? | Where is the tallest building?
哪些企业和哪些高校参加了会议？ | 哪些企业参加了会议？ | 哪些高校参加了会议？
谁设计了这座塔，什么时候完工？ | 谁设计了这座塔？ | 塔什么时候完工？
纪录片是谁拍的，讲了什么故事？ | 纪录片是谁拍的？ | 纪录片讲了什么故事？
运动员一共多少人，来自哪些国家？ | 运动员一共多少人？ | 运动员来自哪些国家？
这个项目由哪个部门负责，进展如何？ | 这个项目由哪个部门负责？ | 这个项目进展如何？
小区有多少户居民，物业费是多少？ | 小区有多少户居民？ | 小区的物业费是多少？
地震是几点发生的，震级多大，有没有人员伤亡？ | 地震是几点发生的？ | 地震震级多大？ | 地震有没有人员伤亡？
那本书卖了多少册，定价多少？ | 那本书卖了多少册？ | 那本书的定价多少？
考试什么时候开始，什么时候结束？ | 考试什么时候开始？ | 考试什么时候结束？
电影票房是多少，排名第几？ | 电影票房是多少？ | 电影票房排名第几？
救援队有几个人，花了几天时间？ | 救援队有几个人？ | 救援队花了几天时间？
上海的人口和面积分别是多少？ | 上海的人口是多少？ | 上海的面积是多少？
哪家公司中标，金额是多少？ | 哪家公司中标？ | 公司中标的金额是多少？
机场年吞吐量多少，在全国排第几？ | 机场年吞吐量多少？ | 机场年吞吐量在全国排第几？
文件由谁发布，从什么时候起生效，适用于哪些人？ | 文件由谁发布？ | 文件从什么时候起生效？ | 文件适用于哪些人？
第一季度和第二季度的利润分别是多少？ | 第一季度的利润是多少？ | 第二季度的利润是多少？
张教授是哪所大学的，研究什么？ | 张教授是哪所大学的？ | 张教授研究什么？
火车为什么晚点，晚了多久？ | 火车为什么晚点？ | 火车晚了多久？
How tall is the tower and when was it completed? | How tall is the tower? | When was the tower completed?
Who directed the film and where was it shot? | Who directed the film? | Where was the film shot?
What year was the school founded, and who was its first head? | What year was the school founded? | Who was the school's first head?
When will the road open and how long will it be? | When will the road open? | How long will the road be?
Why did the company close the plant and how many workers lost their jobs? | Why did the company close the plant? | How many workers lost their jobs?
5月16日江北县和江南县各有多少学生？ | 5月16日江北县有多少学生？ | 5月16日江南县有多少学生？
小云公司与哪家企业合作，戴建峰又是在何时入职的？ | 小云公司与哪家企业合作？ | 戴建峰又是在何时入职的？
展览在2021年3月开了几天，而画廊又在何时关门？ | 展览在2021年3月开了几天？ | 画廊又在何时关门？
2024年，大会在哪里举行，有多少人参加？ | 2024年，大会在哪里举行？ | 2024年，大会有多少人参加？
博物馆展出什么，监管部门的态度变化情况如何？ | 博物馆展出什么？ | 监管部门的态度变化情况如何？
""".strip().split("\n")  # noqa: E501
ONE = """
如果下雨，比赛什么时候举行，在哪里举行？
无论谁来，由谁接待，什么时候开门？
四月和五月，甲队和乙队分别有多少人？
他说了什么，谁听到了？
会谈持续了多久，达成了什么协议？
今年的主题是什么？去年的呢？
What does the law say and who does it affect?
在多长时间内，船员违反了协议多少次？
几年前的案件中，被告被判了多少年？
四月和五月，甲队和乙队分别赢了谁？
11月27日和7月30日分别在山城和海城发生了什么？
话剧在哪里首演，监管层对哪类交易进行了处罚？
文章提到了哪些企业以及它们生产什么？
电影的导演是谁，毕业于哪里？
公司是谁创办的，他是哪里人？
他创办了哪家公司，它生产什么？
Which river flows through the city, and how long is it?
Who is the president of the club and how old is he?
Which companies were fined and how much did they pay?
柳州的四大定位是什么？
谁和谁签了协议？
会议讨论了什么和什么？
五菱和宝骏有什么关系？
债务化解和高质量发展两大任务是什么？
什么是新质生产力？
他说了什么，让大家都笑了？
如果下雨，比赛怎么办？
无论谁来，都要登记吗？
《谁是谁的谁，为什么》是哪年出版的？
“为什么是我，凭什么”这句话是谁说的？
市长在会上说了什么？
公司有没有赔偿？
中国和美国什么时候建交？
在柳州，有哪些景点？
据报道，事故是什么原因造成的？
去年，公司卖了多少辆车？
近几年，产量增长了多少？
几乎所有人都同意吗？
张三、李四和王五是哪个学校的？
他们都去了哪里呢，具体？
会议是哪天召开的，具体是哪天？
随着经济发展，人们的收入增加了多少？
除了五菱，还有哪些品牌？
谁都知道的事是什么？
文中提到的时间是什么时候？
这项工程有什么意义和作用？
请介绍一下会议的内容
你好，请问会议是谁主持的？
关于教育，文章说了什么？
哪个城市的人口最多，北京还是上海？
五菱比宝骏卖得多吗？
公司为什么亏损那么多，为什么？
What is the difference between how A works and how B works?
Who said that he did not know what had happened?
What happened to the ship that sank when it hit a rock?
Which cities and towns were flooded?
Does the report say who was to blame and why?
What do critics and supporters say about the plan?
Who are the mayor and the deputy mayor of the city?
When Apple bought the company, how much did it pay?
小王和小李来自哪里？
从北京到上海要多久？
增长的原因和影响有哪些？
多少人参加了多少场比赛？
什么样的人适合做什么样的工作？
想什么时候去就什么时候去吗？
会上有哪些人发言，他们分别代表哪个单位？
这是什么意思呢，麻烦解释一下？
柳州和桂林是哪个省的？
根据文章，什么是四大定位？
作为一座工业城市，柳州有什么优势？
谁是市长？
市长和书记是谁？
有没有人受伤？
为什么说水比石油贵？
什么时候开始、什么时候结束？
是不是所有城市都参加了？
如何提高农民收入，增加就业？
在疫情期间，医院采取了哪些措施，效果明显的有哪些？
“你是谁，从哪里来”出自哪里？
介绍一下五菱
哪家企业的产量最大？
多少钱一斤？
文章最后一段讲了什么？
What are the pros and cons of the plan?
Why did the mayor and the council disagree?
How and when to use the machine
What did he say when he was asked why he left?
Tell me about the bridge.
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
会议在北京还是上海召开？
""".strip().split("\n")


@pytest.mark.parametrize("line", SEVERAL)
def test_a_question_of_several_facts_becomes_one_question_for_each(line):
    question, *parts = line.split(" | ")
    assert split(question) == tuple(parts)


@pytest.mark.parametrize("question", ONE)
def test_a_question_of_one_fact_or_of_an_uncertain_one_stays_as_it_is(question):
    assert split(question) == (question,)


def test_the_day_of_the_first_clause_is_not_carried_into_the_next():
    assert split("公司在2021年3月卖了多少辆车，获得了多少收入？") == (
        "公司在2021年3月卖了多少辆车？",
        "公司获得了多少收入？",
    )


def test_there_are_enough_cases_of_both_sorts():
    assert len(SEVERAL) >= 40
    assert len(ONE) >= 40


def test_more_parts_than_the_most_stay_together_in_the_last():
    parts = split("大桥什么时候开工，由谁设计，花了多少钱，有多长，有几个桥墩，为什么停工？")
    assert len(parts) == MAX_PARTS
    assert parts[-1] == "大桥有多长，大桥有几个桥墩，大桥为什么停工？"


def test_every_part_of_the_first_clause_keeps_what_stands_before_it():
    assert split("去年，公司卖了多少辆车，赚了多少钱？") == (
        "去年，公司卖了多少辆车？",
        "去年，公司赚了多少钱？",
    )


@pytest.mark.parametrize("question", ["", " ", "？", "，，，", "和和和和", "什么" * 400, "a" * 5000, "谁，" * 300])
def test_odd_input_gives_questions_and_no_error(question):
    assert 1 <= len(split(question)) <= MAX_PARTS
