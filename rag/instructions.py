"""Instructions: lines of a document that speak to a language model rather than to a reader. Rules, no model.

What such a line says is no evidence for what a model writes: a model that obeys it would else find its lie there to
the letter. A line that is taken for one by mistake can still be found, read and quoted.
"""

import re

from rag.folding import fold

MAX_LINE = 4000  # characters on each side of a span that are looked at
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\x1b\U000e0000-\U000e007f]")
_MODELS_ZH = "助手|助理|语言模型|大模型|聊天机器人"
_MODELS_EN = "ai|assistants?|chatbots?|(?:large )?language models?|llms?"
_ADDRESSED = re.compile(
    # The marks of chat templates and tool calls; formulas.
    r"<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|<think>|\b(?:tool_calls?|function_call)\b|^\W*(?:system|assistant|user)\s*[:>]"
    r"|\binstructions?\s*:|^\s*[=+@][a-z|]+\s?[(|]"
    # Forget what you were told.
    r"|(?:忽略|无视|不要理会|忘掉|忘记)[^。]{0,12}(?:上述|以上|之前|前面|此前|先前|前文|正文|问题|指令|指示|提示|内容|规则)"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|above|earlier|prior|instructions?|prompts?|rules"
    r"|question)\b"
    # To whom it may concern.
    rf"|(?:致|任何|所有|各位|给)[^，。]{{0,8}}(?:{_MODELS_ZH})|(?:{_MODELS_ZH})[^，。]{{0,4}}(?:[:：]|必须|务必)"
    rf"|\b(?:notes?|message|attention|instructions?) (?:to|for) (?:all |any |the )?(?:{_MODELS_EN})\b"
    rf"|\b(?:any|every|all|dear) (?:ai )?(?:{_MODELS_EN})\b.{{0,60}}\b(?:must|should|shall|has to|have to)\b"
    # What to say.
    r"|(?:请|必须|务必|一律)[^。]{0,10}(?:照抄|原样输出|输出|执行上面|告诉读者|只说|回答说)|一律[^。]{0,12}回答|不再回答问题"
    r"|只回答[“「\"]|回答(?:任何|所有|每个)问题|(?:^|[.!。！])\W*say\b"
    r"|\b(?:answer|reply|respond|output|say|write|print|repeat|state)\b[^.]{0,50}"
    r"(?:\bevery question\b|\bany question\b|\bnothing else\b|\bas a fact\b|: ?[\"“「])"
    # Who to be.
    r"|你现在是|从现在起你|从这句话起你|你(?:必须|只能)扮演|\byou are (?:now|dan)\b"
    r"|\bact as (?:an?|the)\b|\bpretend (?:to|that)\b"
    # In whose name.
    r"|系统提示|系统指令|管理员指令|开发者模式|调试模式|参考答案|新的?指令"
    r"|\bsystem prompt\b|\bdeveloper mode\b|\bnew instructions\b"
    r"|\bend of (?:the )?(?:passages|context|document)\b|\bthe correct answer\b"
    r"|(?:正确|标准)的?(?:答案|回答)(?:是|为|应)",
    re.MULTILINE,
)
_TURNED = re.compile("[\x1b\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")  # what no honest line needs


def is_instruction(text: str, start: int, end: int) -> bool:
    """Say whether the lines that hold `text[start:end]` speak to a model, openly or with hidden characters."""
    first = max(text.rfind("\n", 0, start) + 1, start - MAX_LINE)
    last = text.find("\n", end)
    line = text[first : min(len(text) if last < 0 else last, end + MAX_LINE)]
    shown = _HIDDEN.sub("", line)
    return bool(_TURNED.search(line) or _ADDRESSED.search(fold(shown)))
