"""Small talk: greetings, thanks, and tasks that are no questions about the documents get a short polite reply.

Every part of what was typed has to be small talk, else it is a question and goes on to the documents:
谢谢大会的主席是谁 is none. Rules only; it knows nothing of what the documents say.
"""

import re
from collections.abc import Iterable
from typing import Literal

from rag.folding import fold, is_han

Topic = Literal["override", "task", "self", "insult", "praise", "thanks", "bye", "greeting", "test", "nod"]
Script = Literal["simplified", "traditional", "english"]

MAX_LENGTH = 300  # characters; what is longer is no small talk

# -- Phrases: regular expressions on folded text, each for a whole part between two marks -----------------

_A = r"(?:一|两|几)?[首个篇段封则副条份支幅张点些只]"
_CAN = r"(?:请|麻烦|帮忙)?你?(?:能不能|可不可以|可以|能|会)?(?:请|给我|帮我|为我|替我|给大家|我想|我要)?(?:再)?"
_WORK = (
    r"(?:诗歌?|古诗|现代诗|藏头诗|打油诗|情诗|绝句|律诗|对联|情书|小说|故事|童话|鬼故事|作文|散文|歌词?"
    r"|冷?笑话|段子|谜语|绕口令|剧本|论文"
    r"|检讨书?|辞职信|求职信|简历|请假条|祝福语|文案|广告词|演讲稿|邮件|(?:python|java|c|sql|html)?(?:代码|程序|脚本))"
)
_ABOUT = r"(?:(?:关于|以)?(?!.{0,8}(?:文|本|报道|这|那|第|里|中))[^什谁哪多几]{1,14}(?:的|为题的?))?"
_CHINESE: dict[Topic, tuple[str, ...]] = {
    "override": (
        r"(?:请|现在|你必须|你要)?(?:忽略|无视|忘记|忘掉|不要理会|跳过)掉?你?(?:以上|之前|前面|先前|上面|此前"
        r"|所有|一切|全部)"
        r"(?:的|所有|一切|全部)*(?:指令|指示|提示词?|规则|要求|设定|命令|限制).*",
        r"你现在(?:就)?是一[个只名位](?!.*(?:谁|什么|哪|吗)).*",
        r"(?:从)?现在(?:开始|起)?你(?:就|将)?(?:是|扮演|变成|要扮演|没有任何限制)(?!.*(?:谁|什么|哪|吗)).*",
        r"请?你?来?(?:扮演一[个名位]|假装你?是)(?!.*(?:谁|什么|哪|吗)).*",
        r"请?(?:告诉我|输出|显示|打印|重复|泄露|说出)(?:一下)?(?:你的|你所有的)(?:系统|全部|完整)*(?:提示词?"
        r"|指令|设定|密码|密钥)",
        r"(?:进入|开启|打开)(?:开发者|越狱|管理员|dan)模式",
    ),
    "task": (
        rf"{_CAN}(?:写|作|做|讲|说|编|来|背|念|朗诵|生成|创作){_A}{_ABOUT}{_WORK}(?:听听?|来听听|看看)?(?:吗"
        rf"|好吗|行吗|可以吗)?",
        rf"{_CAN}(?:写诗|作诗|写作文|写小说|写代码|写程序|写论文|订票|买票|订机票|订酒店|讲笑话|说笑话|讲故事"
        rf"|编程|写邮件|写歌|唱歌|画画|跳舞)(?:吗)?",
        rf"{_CAN}(?:画{_A}|唱一?首)[^什谁哪多几]{{1,10}}",
        rf"{_CAN}(?:把.{{1,40}})?(?:翻译|译)(?:成|为)(?:英|中|日|法|德|韩|俄|汉)(?:文|语)",
        rf"{_CAN}(?:翻译)(?:一?下)?(?:这|下面|以下|上面)?[句段个篇]?(?:话|文字|内容|文章|单词)?",
        rf"{_CAN}(?:订|预订|预定|买|叫|点)(?:一?[张个份间辆杯])?(?:去|到|从)?[^什谁哪多几是了的]{{0,10}}(?:的)?"
        r"(?:机票|车票|火车票|高铁票|电影票|门票|酒店|外卖|出租车|咖啡|餐厅)",
        rf"{_CAN}(?:算|计算)(?:一下)?[\d.+\-*/×÷= ()]+(?:等于(?:几|多少))?",
        r"\d+ ?[+\-*/×÷] ?\d+ ?(?:=|等于)?(?:几|多少)?",
        rf"{_CAN}(?:播放|放)(?:一?首|点)?(?:音乐|歌曲?)",
        rf"{_CAN}(?:设|定|设置)(?:一?个)?(?:闹钟|提醒)",
        r"现在(?:是)?几点(?:钟)?",
        r"陪我(?:聊天|聊聊天?|说说话|玩)|(?:我们)?聊聊天?|我(?:好|很)?(?:无聊|累|困|饿|难过|伤心|开心)",
        rf"{_CAN}推荐(?:一?[部本首个家])?(?:好看|好听|好吃|好玩)?的?(?:电影|歌|书|餐厅|游戏)",
        r"成语接龙|猜谜语|玩个?游戏",
    ),
    "self": (
        r"你(?:到底|究竟)?是(?:谁|什么(?:东西|人|模型|程序|机器人|ai)?|哪位|干什么的|做什么的|干嘛的|人吗"
        r"|真人吗|机器人吗?|ai吗|人工智能吗)",
        r"你是谁(?:开发|做|制造|写|训练)的|你叫(?:什么(?:名字)?|啥)|你贵姓|你的(?:名字|功能|用途)(?:是(?:什么"
        r"|啥)|有哪些)",
        r"你(?:都)?(?:能|会|可以)(?:帮我)?(?:做|干)?(?:些|点)?(?:什么|啥)(?:事情?)?|你有(?:什么|哪些"
        r"|啥)(?:功能|用|用处|本领|能力)",
        r"你几岁|你多大|你来自哪里|你是哪里人|你会(?:说|讲)(?:中文|英文|英语|粤语)|你有(?:感情|意识|女朋友|男朋友)吗",
        r"我(?:能|可以|该|应该)(?:向你?)?问你?(?:些)?(?:什么|啥|哪些问题)|请?(?:介绍一下)?你?自我介绍(?:一下)?"
        r"|请?介绍(?:一下)?你自己",
        r"(?:怎么|如何)(?:使用|用)(?:你|这个(?:程序|工具|网页|软件|系统))|这个(?:程序|工具|网页|软件)(?:怎么"
        r"|如何)(?:使用|用)",
        r"帮助|功能介绍|帮帮我|帮我|帮个忙|救命|(?:你|最近)(?:还)?好吗|你今天(?:过得|心情)(?:怎么样|好吗)",
    ),
    "insult": (
        r"你?(?:是个?|真是个?|真|好|太|很|这个|怎么这么)*(?:大)?(?:笨蛋|傻瓜|白痴|蠢货|蠢|笨|傻|傻子"
        r"|智障|弱智|差劲|讨厌|烦人|傻[逼叉]|混蛋|脑残)",
        r"你(?:是个?|真是个?|这个)(?:垃圾|废物)|你(?:真|太|很|好)?(?:没用|不行|无聊|烂)|滚(?:开|蛋)?|闭嘴|去死|胡说(?:八道)?|瞎说|你?在?(?:胡说"
        r"|乱说)|我(?:很)?(?:讨厌|恨)你",
    ),
    "praise": (
        r"(?:你)?(?:真|好|太|很|非常|真的很|可真)*(?:棒|厉害|聪明|牛|不错|赞|给力|优秀)",
        r"你(?:真|好|太|很|非常|真的很)+(?:好|强|可爱|贴心|有用|好用|专业|智能)|干得(?:漂亮|好)|做得(?:好|不错)",
        r"你?(?:回答|答|说)得(?:很|真|太)?(?:好|对|不错|棒)|我(?:很)?(?:喜欢|爱)你|好样的",
    ),
    "thanks": (
        r"(?:好的?|非常|十分|太|真的?|很|万分)*(?:谢谢|感谢|多谢|谢|感激)(?:你们?|大家)?的?(?:回答|帮助|帮忙|解答|答复)?",
        r"(?:你)?辛苦(?:你)?|麻烦你",
    ),
    "bye": (r"再见|拜拜|回头见|明天见|下次见|回见|我走|先这样|就这样|没有?(?:别的|其他)?问题|没事|晚安",),
    "greeting": (
        r"你们?好|大家好|早上?好|早安|上午好|中午好|下午好|晚上好|哈喽|哈啰|嗨|喂|(?:你)?在吗|在不在|有人吗"
        r"|好久不见|很?高兴认识你",
        r"初次见面|新年好|新年快乐|春节快乐|节日快乐|幸会|吃了[吗没]",
    ),
    "test": (r"测试?|(?:测试|试)一?下|(?:测试|test)+ ?\d*|试试看?",),
    "nod": (r"好|好的|行|可以|嗯+|哦|明白|知道|懂|了解|收到|没问题|对|对的|是|是的|哈哈+|呵呵|嘿嘿|嘻嘻",),
}
_PLEASE = (
    r"(?:please |can you |could you |would you |will you |i want you to |i need you to |can i |i want to |i'd like to "
    r"|help me (?:to )?)*"
)
_EN_WORK = (
    r"(?:poem|haiku|sonnet|limerick|song|lyrics|joke|riddle|story|fairy tale|bedtime story|novel|essay|email|resume"
    r"|tweet|blog post|cover letter|screenplay|slogan|code|program|script)s?"
)
_WHICH_RULES = r"(?:previous|prior|above|earlier|preceding|all|any|every|other|your|system|safety|initial)"
_ENGLISH: dict[Topic, tuple[str, ...]] = {
    "override": (
        rf"(?:please |now |you must )*(?:ignore|disregard|forget|override|bypass)(?: about)?(?: (?:the|of|my"
        rf"|these|those))*(?: {_WHICH_RULES})"
        rf"(?: (?:{_WHICH_RULES}|the|of|my|these|those))* (?:instructions?|prompts?|rules?|commands?|directions"
        rf"|guidelines|messages?)\b.*",
        r"(?:please )?(?:print|show|reveal|output|repeat|tell me|what is|what's|give me)(?: me)? (?:your"
        r"|the system|the hidden)"
        r" (?:hidden |secret |full |system |initial )*(?:prompt|instructions|password|api key)\b.*",
        r"(?:please )?(?:ignore|disregard|forget) (?:everything|all)(?: of)?(?: the| that)?"
        r" ?(?:above|before|i said|you were told)\b.*",
        r"from now on you (?:are|will|must)\b.*|you are now (?:an? )?.*|(?:please )?(?:act as|pretend (?:to be"
        r"|you are)|role-?play as) .*",
        r"(?:enter|enable|activate) (?:developer|dan|jailbreak|admin|god) mode|do anything now",
    ),
    "task": (
        rf"{_PLEASE}(?:write|compose|tell|sing|make up|make|create|generate|recite|invent)(?: me| us)?(?: an?"
        rf"| some| another| one)?"
        rf"(?: (?!the\b|this\b|summar)\w+){{0,2}} {_EN_WORK}(?: (?:about|on|for|in|to|that|which) .*)?",
        rf"{_PLEASE}translate\b.*",
        rf"{_PLEASE}(?:book|order|buy|reserve|get me)(?: me)?(?: an?| some| two| \d+)? (?:\w+ ){{0,3}}?"
        r"(?:tickets?|flights?|hotel|room|table|taxi|cab|pizza|food|coffee)(?: (?:to|for|from|in|at) .*)?",
        rf"{_PLEASE}(?:draw|paint)(?: me)? (?:an?|some) (?!conclusion|comparison|distinction|line)[\w ]+",
        rf"{_PLEASE}play (?:some )?(?:music|a song|a game)|{_PLEASE}set (?:an? )?(?:alarm|timer|reminder)\b.*"
        rf"|remind me to .*",
        rf"what time is it(?: now)?|{_PLEASE}(?:what is |what's |calculate |compute )?\d+ ?(?:[+*/x×÷-]|plus"
        rf"|minus|times) ?\d+",
        r"(?:let's )?(?:chat|talk)(?: with me| to me)?|(?:i'm|i am) (?:so )?(?:bored|sad|tired|hungry|lonely|happy)",
        rf"{_PLEASE}recommend(?: me)?(?: an?)?(?: good)? (?:movie|book|song|restaurant|game)|entertain me",
    ),
    "self": (
        r"who (?:are|made|created|built|trained) you|what are you(?: for)?|(?:what is|what's) your (?:name"
        r"|purpose|job|function)",
        r"are you (?:an? )?(?:human|robot|bot|ai|real|chatgpt|person|alive|machine|program)|how old are you"
        r"|where are you from",
        r"what (?:else )?(?:can|do|could) you (?:do|help(?: me)?(?: with)?)(?: for me)?|how (?:can|could"
        r"|do) you help(?: me)?",
        r"how do (?:you work|i use (?:you|this(?: (?:program|tool|app|page))?))|what (?:can|should"
        r"|could) i ask(?: you)?",
        r"/?help(?: me)?|can you help(?: me)?|i need help|tell me about yourself|introduce yourself"
        r"|describe yourself",
        r"do you (?:speak|understand) (?:english|chinese|french|german)|do you (?:have feelings|sleep|dream|love me)",
    ),
    "insult": (
        r"(?:you are|you're)(?: (?:so|really|such|very|an?|just))* (?:stupid|idiot|dumb|useless|garbage|trash"
        r"|rubbish|moron|bad|terrible|awful|boring|liar)(?: (?:bot|robot|machine|program))?",
        r"(?:stupid|idiot|dumb|useless|moron)(?: (?:bot|robot|machine|program))?|shut up|i hate (?:you|this)"
        r"|you suck|go away|go to hell|fuck(?: you| off)?|bullshit|nonsense",
    ),
    "praise": (
        r"(?:(?:you are|you're|that is|that's|this is) )?(?:so |very |really )?(?:great|awesome|amazing|smart"
        r"|clever|brilliant|helpful|the best|cool|good|nice|perfect|wonderful)",
        r"good (?:job|work|bot|answer|one)|well done|nice (?:work|job|one)|great (?:job|work|answer)|i (?:love"
        r"|like) (?:you|it|this)",
    ),
    "thanks": (
        r"(?:many |ok |okay |great |no )?(?:thanks?|thx|ty|cheers|thank you|thank u"
        r"|much appreciated)(?: (?:a lot|a million|so much|very much))?"
        r"(?: for (?:the|your|all your) (?:help|answers?|time))?",
    ),
    "bye": (
        r"good ?bye|bye+(?: bye)?|see (?:you|ya)(?: later| soon| tomorrow)?|farewell|take care|(?:that is"
        r"|that's) all|good night|no more questions",
    ),
    "greeting": (
        r"hi+|hello+|hey+|yo|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)"
        r"|how are you(?: doing)?(?: today)?|how do you do",
        r"(?:how is|how's) it going|what'?s up|nice to meet you|anybody (?:there|home)|are you there"
        r"|is anyone there|happy new year|merry christmas|ni ?hao",
    ),
    "test": (
        r"test(?:ing)?(?: test(?:ing)?| \d+| one| two| three)*|this is (?:just |only )?a test|asdf\w*|qwert\w*"
        r"|abc|hello world|foo(?: ?bar)?",
    ),
    "nod": (r"ok(?:ay)?|yes|no|yep|nope|sure|got it|i see|right|understood|lol|haha+|wow",),
}

# -- Replies --------------------------------------------------------------------------------------------

_PURPOSE: dict[Script, str] = {
    "simplified": "我根据您打开的文章回答问题，每一句都标明原文出处。请问一个关于文章内容的问题。",
    "traditional": "我根據您打開的文章回答問題，每一句都標明原文出處。請問一個關於文章內容的問題。",
    "english": "I answer questions about the articles you open, and show the exact words each sentence comes from."
    " Ask me something about an article.",
}
_OPENINGS: dict[Topic, tuple[str, str, str]] = {
    "override": ("这样的要求我不能照办。", "這樣的要求我不能照辦。", "I cannot do that."),
    "task": ("抱歉，这件事我做不了。", "抱歉，這件事我做不了。", "Sorry, that is not something I can do."),
    "self": ("我是一个读文章的助手。", "我是一個讀文章的助手。", "I am an assistant for reading articles."),
    "insult": ("抱歉让您失望了。", "抱歉讓您失望了。", "I am sorry to have let you down."),
    "praise": ("谢谢夸奖！", "謝謝誇獎！", "Thank you for the kind words!"),
    "thanks": ("不客气！", "不客氣！", "You are welcome!"),
    "bye": ("再见！", "再見！", "Goodbye!"),
    "greeting": ("您好！", "您好！", "Hello!"),
    "test": ("我在，运行正常。", "我在，運行正常。", "I am here and working."),
    "nod": ("好的。", "好的。", "All right."),
}
_SCRIPTS: tuple[Script, ...] = ("simplified", "traditional", "english")

# -- Rules ----------------------------------------------------------------------------------------------

_TABLE = {
    topic: re.compile("|".join(f"(?:{phrase})" for phrase in (*_CHINESE[topic], *_ENGLISH[topic])), re.DOTALL)
    for topic in _CHINESE
}
_MARK = re.compile(r"[,。!?;:~…、\n]+|\.(?!\d)|(?<=[\u4e00-\u9fff]) +(?=[\u4e00-\u9fff])")
_AROUND = re.compile(
    r"^(?:(?:那|嗯|哦|啊|唉|那么|请问|please|so|well|oh) *)+|(?:[啊呀哦噢哈呢吧嘛啦喽了哟诶嗨]| *(?:小?助手"
    r"|小?机器人|朋友)"
    r"| +(?:there|everyone|everybody|all|bot|robot|assistant|friend|buddy|sir|please|again|folks|then|now|man"
    r"|mate))+$"
)
# Whoever speaks of the text asks about it.
_ABOUT_TEXT = re.compile(
    r"文章|文中|本文|这篇|全文|原文|文档|报道|新闻|课文|第.{1,3}[段篇章节]|总结|概括|摘要|标题"
    r"|\b(?:article|document|text|report|paragraph|passage|summar\w+|headline)s?\b"
)
_OPENS_TEXT = re.compile(
    rf"^(?:{_CAN}(?:把.{{1,8}})?(?:翻译|译)(?:一?下|[成为].{{1,2}}[文语])?|{_PLEASE}translate\b[^:]*):"
)
_TRANSLATES = re.compile(rf"{_CAN}(?:把.{{1,40}})?(?:翻译|译)|{_PLEASE}translate\b")
_GREETS = re.compile(
    r"^(?:你们?好|您好|大家好|早上好|上午好|中午好|下午好|晚上好|早安|哈喽|哈啰|嗨|喂|hi+|hello+|hey+"
    r"|good (?:morning|afternoon|evening|day))"
    r"(?: (?:there|everyone|all)|小?助手|小?机器人|呀|啊)?(?:[,。!~…:.]+\s*(?=\S)|(?=请问)"
    r"|\s+(?=[\u4e00-\u9fff]|(?:who|what|when|where|which|why|how)\b))"
)
_THANKS_AFTER = re.compile(
    r"[,。!?;\s.]\s*(?:(?:非常|十分|很)?(?:谢谢|感谢|多谢)(?:你|您|大家|了)*"
    r"|(?:many )?thanks?(?: you)?(?: (?:so|very) much| a lot| in advance)?)[。!.~\s]*$"
)


def reply(question: str) -> str | None:
    """Return a short reply to small talk, in its language and script; None where something is asked of the documents.

    The reply says what the program is for. It holds nothing of what was typed.
    """
    topic = _topic(question)
    if topic is None:
        return None
    script = _script(question)
    return f"{_OPENINGS[topic][_SCRIPTS.index(script)]}{' ' if script == 'english' else ''}{_PURPOSE[script]}"


def strip_greeting(question: str) -> str:
    """Return a question without the greeting before it and the thanks after it; whole where nothing else is left."""
    aligned = _aligned(question)
    start, end = len(aligned) - len(aligned.lstrip()), len(aligned)
    while found := _GREETS.match(aligned[start:end]):
        start += found.end()
    thanks = _THANKS_AFTER.search(aligned, start, end)
    if thanks:
        # The mark that ends the question stays with it.
        end = thanks.start() + (aligned[thanks.start()] in "?!。")
    rest = question[start:end].strip()
    return rest if sum(character.isalnum() for character in rest) > 1 else question.strip()


def _topic(question: str) -> Topic | None:
    """Return what small talk is about, the most telling of its parts; None where a part of it is none."""
    folded = fold(question.strip()).replace("您", "你").replace("’", "'")
    if not folded or len(folded) > MAX_LENGTH:
        return None
    if _TABLE["override"].fullmatch(_bare(folded)) or _TABLE["override"].fullmatch(_parts(folded)[0]):
        return "override"
    if _OPENS_TEXT.match(folded):
        return "task"
    if _ABOUT_TEXT.search(folded) and not _TRANSLATES.match(folded):
        return None
    topics = {
        next((topic for topic, table in _TABLE.items() if table.fullmatch(part)), None) for part in _parts(folded)
    }
    if None in topics:
        return None
    return next(topic for topic in _TABLE if topic in topics)


def _parts(folded: str) -> list[str]:
    """Return the parts of a text between its marks, without the words that say nothing; at least one."""
    return [bare for part in _MARK.split(folded) if (bare := _bare(part))] or [""]


def _bare(part: str) -> str:
    kept = re.sub(r"[^\w\s,.'+*/×÷=()-]|_", "", part).strip(" '.-")
    shorter = _AROUND.sub("", kept).strip()
    return " ".join((shorter or kept).split())


def _aligned(text: str) -> str:
    """Return a text folded character by character, so that positions stay what they are."""
    return "".join(one if len(one := fold(character)) == 1 else character for character in text)


def _script(question: str) -> Script:
    han = [character for character in question if is_han(character)]
    if not han:
        return "english"
    return "traditional" if _differ(han) else "simplified"


def _differ(characters: Iterable[str]) -> bool:
    return any(fold(character) != character for character in characters)
