"""The chat page: `python app.py` or `rag serve`. It builds on a Pipeline and only formats its answers.

Everything a document or a user wrote is escaped before it becomes HTML. The page asks nothing of any
host but its own: system fonts, no analytics, and a policy header that makes the browser refuse the rest.
"""

import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

# Gradio reads these when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag import Answer, Citation, Document, Hit, InputError, Pipeline, RagError
from rag.settings import PACKAGE

logger = logging.getLogger(__name__)

TITLE = "文章问答"
EXAMPLES = ("柳州的四大定位是什么", "会议是哪一天召开的", "“两个生态”指什么", "柳州的债务总额是多少")
NEAREST = 3  # passages shown with a refusal
PASSAGE_SIZE = 120  # characters shown of each
TITLE_SIZE = 30  # characters shown of a title beside a citation; the source shows all
CONTEXT = 20_000  # characters of a long document shown on each side of the marked words

# Generic names must stay unquoted, and Gradio quotes what it is given as a Font.
CHINESE_FONTS = (
    *("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC"),
    *("Source Han Sans SC", "WenQuanYi Micro Hei"),
)
FONTS: list[gr.themes.Font | str] = ["system-ui", *map(gr.themes.Font, CHINESE_FONTS), "sans-serif"]

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; base-uri 'self'; "
    "form-action 'self'"
)

TALK_JS = """
let turns = 0;
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button || button.form) return;  // the button of a form sends it
  const {example, turn, good, citation, hit} = button.dataset;
  if (example !== undefined) return trigger('example', {question: example});
  if (good !== undefined)
    return trigger('feedback', {turn: Number(turn), good: true, marker: null, correction: '', unanswerable: false});
  element.querySelectorAll('.open').forEach(other => other.classList.remove('open'));
  button.classList.add('open');
  trigger('cite', {turn: Number(turn), citation: Number(citation || 0), hit: Number(hit || 0)});
});
element.addEventListener('submit', event => {
  event.preventDefault();
  const {turn} = event.target.dataset;
  if (event.target.matches('.searched'))
    return trigger('again', {turn: Number(turn), query: event.target.elements.query.value});
  const {marker, correction, unanswerable} = event.target.elements;
  const untold = Boolean(unanswerable?.checked);  // the page hides the correction then
  trigger('feedback', {
    turn: Number(turn), good: false, marker: Number(marker?.value) || null,
    correction: untold ? '' : correction.value, unanswerable: untold,
  });
});
element.addEventListener('toggle', event => {
  const details = event.target;
  if (details.open && !details.unfolded) details.scrollIntoView({block: 'nearest'});
  details.unfolded = details.open;
}, true);
watch('value', () => {
  // A new value folds what was unfolded, and keeps what was typed.
  element.querySelectorAll('details').forEach(details => { details.open = Boolean(details.unfolded); });
  element.querySelectorAll('form.searched').forEach(form => form.reset());
  const shown = element.querySelectorAll('.turn');
  if (shown.length > turns) shown[shown.length - 1].scrollIntoView({block: 'nearest'});
  turns = shown.length;
});
"""
MESSAGE_JS = "watch('value', () => element.querySelector('p')?.scrollIntoView({block: 'nearest'}));"
SOURCE_JS = """
element.addEventListener('click', event => {
  if (event.target.closest('.back'))
    document.querySelector('#talk .open')?.scrollIntoView({block: 'center'});
});
watch('value', () => element.querySelector('mark')?.scrollIntoView({block: 'center'}));
"""


# -- The page --------------------------------------------------------------------------------------


def build(chat: Pipeline) -> gr.Blocks:
    """Return the page over a pipeline. Each visitor has a conversation of their own."""

    def ask(question: str) -> dict[str, Any]:
        """Answer a question; returns the answer object that `rag ask --json` prints."""
        try:
            return chat.ask(question).to_dict()
        except RagError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def on_question(question: str, answers: list[Answer], judged: set[int]) -> tuple[list[Answer], str, str, str]:
        answers, message = reply(chat, question, answers)
        return answers, show_conversation(chat, answers, judged), show_message(message), question if message else ""

    def on_example(event: gr.EventData, answers: list[Answer], judged: set[int]) -> tuple[list[Answer], str, str, str]:
        return on_question(str(event.question), answers, judged)

    def on_again(event: gr.EventData, answers: list[Answer], judged: set[int]) -> tuple[list[Answer], str, str]:
        answers, message = search_again(chat, answers, judged, event.turn, event.query)
        return answers, show_conversation(chat, answers, judged), show_message(message)

    def on_feedback(event: gr.EventData, answers: list[Answer], judged: set[int]) -> tuple[str, str]:
        said = (event.good, event.marker, event.correction, event.unanswerable)
        message = take_feedback(chat, answers, judged, event.turn, *said)
        return show_conversation(chat, answers, judged), show_message(message, "未能记下")

    def on_cite(event: gr.EventData, answers: list[Answer]) -> str:
        return show_source(chat, answers, event.turn, event.citation, event.hit)

    page = gr.Blocks(title=TITLE, analytics_enabled=False)
    with page:
        answers = gr.State([])
        judged = gr.State(set())  # the turns with feedback; changed in place, so that a question under way sees it
        gr.HTML(f'<h1 lang="zh">{TITLE} <small lang="en">Ask the articles</small></h1>', elem_id="title")
        with gr.Row(elem_id="room"):
            with gr.Column(scale=5, min_width=320):
                talk = gr.HTML(show_conversation(chat, []), elem_id="talk", js_on_load=TALK_JS)
                message = gr.HTML("", elem_id="message", js_on_load=MESSAGE_JS)
                with gr.Row(elem_id="ask"):
                    box = gr.Textbox(
                        label="问题 (question)",
                        placeholder="问一个关于文章的问题…",
                        show_label=False,
                        container=False,
                        autofocus=True,
                        max_lines=6,
                        scale=8,
                        elem_id="question",
                    )
                    send = gr.Button("提问", variant="primary", scale=1, min_width=72, elem_id="send")
            with gr.Column(scale=4, min_width=320):
                source = gr.HTML(EMPTY_SOURCE, elem_id="source", js_on_load=SOURCE_JS)
        shown = [answers, talk, message, box]
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        gr.on([box.submit, send.click], on_question, [box, answers, judged], shown, **hidden)
        talk.example(on_example, [answers, judged], shown, **hidden)
        # One after the other, so that a double click says it once.
        one = {"concurrency_limit": 1, "trigger_mode": "multiple"}
        talk.again(on_again, [answers, judged], [answers, talk, message], **one, **hidden)
        talk.feedback(on_feedback, [answers, judged], [talk, message], **one, **hidden)
        talk.cite(on_cite, answers, source, queue=False, **hidden)
        gr.events.api(ask, api_name="ask")
    return page


def reply(chat: Pipeline, question: str, answers: Sequence[Answer]) -> tuple[list[Answer], str]:
    """Answer a message: return the conversation with its answer, or as it was with what to tell the user."""
    try:
        return [*answers, chat.ask(question, history=answers)], ""
    except RagError as error:
        return list(answers), str(error)
    except Exception:
        logger.exception("A question could not be answered.")
        return list(answers), "The program failed; its log says why. Ask again, or differently."


def search_again(
    chat: Pipeline, answers: Sequence[Answer], judged: set[int], turn: object, query: object
) -> tuple[list[Answer], str]:
    """Answer a turn by another search: return the conversation, or as it was with what to tell the user.

    The last turn is replaced: its answer was to a question misunderstood, and nothing followed from it. An earlier one
    stays, since later turns were asked with it in mind; the search is then a turn of its own.

    Args:
        chat: Answers.
        answers: The conversation.
        judged: The turns that have feedback; a replaced one has none any more.
        turn: Which answer, from 0. This and the next come from the browser, which may send anything.
        query: What to search for, as it stands: it is not completed from the turns before.
    """
    if not (
        isinstance(turn, int) and not isinstance(turn, bool) and 0 <= turn < len(answers) and isinstance(query, str)
    ):
        return list(answers), "The page sent what is no search. Load it again."
    if query.strip() == answers[turn].query:
        return list(answers), ""
    found, message = reply(chat, query, [])
    if message:
        return list(answers), message
    if turn < len(answers) - 1:
        return [*answers, *found], ""
    judged.discard(turn)
    return [*answers[:turn], replace(found[0], question=answers[turn].question)], ""


def take_feedback(
    chat: Pipeline,
    answers: Sequence[Answer],
    judged: set[int],
    turn: object,
    good: object,
    marker: object,
    correction: object,
    unanswerable: object,
) -> str:
    """Keep what a user said of an answer; return what to tell the user, or nothing where it is kept.

    Args:
        chat: Keeps it.
        answers: The conversation.
        judged: The turns that have feedback; `turn` is added.
        turn: Which answer, from 0. This and the rest come from the browser, which may send anything.
        good: As all that follows, what `Pipeline.add_feedback` takes.
        marker: Of a citation, or None.
        correction: What should have been said, or "".
        unanswerable: Whether the text does not tell.
    """
    if not (
        isinstance(turn, int)
        and 0 <= turn < len(answers)
        and isinstance(good, bool)
        and (marker is None or (isinstance(marker, int) and not isinstance(marker, bool)))
        and isinstance(correction, str)
        and isinstance(unanswerable, bool)
    ):
        return "The page sent what is no feedback. Load it again."
    if turn in judged:
        return ""
    try:
        chat.add_feedback(
            answers[turn],
            good,
            correction=correction,
            marker=marker,
            unanswerable=unanswerable,
            history=answers[:turn],
        )
    except RagError as error:
        return str(error)
    except Exception:
        logger.exception("Feedback could not be kept.")
        return "The program failed; its log says why. Try again."
    judged.add(turn)
    return ""


def serve(chat: Pipeline, host: str, port: int, announce: Callable[[str], None] = lambda _: None) -> None:
    """Serve the page until it is interrupted, telling `announce` its address once it can be opened.

    Raises:
        InputError: The address cannot be listened on.
        StoreError: The store cannot be read.
    """
    chat.ask(EXAMPLES[0])  # loads models and indexes, so that the first visitor need not wait for them
    page, url = launch(chat, host, port)
    announce(url)
    page.block_thread()


def launch(chat: Pipeline, host: str, port: int) -> tuple[gr.Blocks, str]:
    """Start serving the page in a thread; return it and its address. Raises InputError as `serve` does."""
    _check_address(host, port)
    # Gradio asks its own server whether it is up; a proxy in the environment must not see that.
    direct = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1", "localhost", host]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, direct))
    page = build(chat)
    page.queue(default_concurrency_limit=4)
    _, url, _ = page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=True,
        footer_links=[],
        ssr_mode=False,
        mcp_server=False,
        theme=gr.themes.Base(font=FONTS, font_mono=["monospace"]),
        css_paths=PACKAGE / "page.css",
        app_kwargs={"middleware": [Middleware(OwnOrigin)]},
    )
    return page, url


def _check_address(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere this option would let two programs share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"Cannot listen on {host}, port {port}: {reason}. Name another with --port.") from error


class OwnOrigin:
    """ASGI middleware: the browser loads nothing from other hosts, and the page names none.

    Gradio's HTML carries share previews with addresses of its makers, and calls itself English.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        held: list[Message] = []  # the start of an HTML response, whose length is about to change

        async def mended(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["Referrer-Policy"] = "no-referrer"
                if headers.get("content-type", "").startswith("text/html"):
                    held.append(message)
                    return
            elif held and not message.get("more_body"):
                start = held.pop()
                message = {**message, "body": _without_previews(message.get("body", b""))}
                MutableHeaders(scope=start)["content-length"] = str(len(message["body"]))
                await send(start)
            elif held:  # comes in pieces: pass it on as it is
                await send(held.pop())
            await send(message)

        await self._app(scope, receive, mended if scope["type"] == "http" else send)


def _without_previews(html: bytes) -> bytes:
    html = re.sub(rb"<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*>\s*", b"", html)
    return html.replace(b'lang="en"', b'lang="zh-CN"', 1)


# -- HTML ------------------------------------------------------------------------------------------

THANKS = '<p class="thanks">已记下，谢谢<small lang="en">noted, thank you</small></p>'
EMPTY_SOURCE = (
    '<div class="empty" lang="zh">点回答里的编号，这里就显示原文，并标出所引的字句。'
    '<small lang="en">Click a number to read the source.</small></div>'
)


def show_conversation(chat: Pipeline, answers: Sequence[Answer], judged: Collection[int] = ()) -> str:
    """Return the whole conversation as HTML; `judged` are the turns, from 0, that have feedback."""
    if answers:
        turns = "".join(_turn(chat, number, answer, number in judged) for number, answer in enumerate(answers))
        return f'<div role="log" aria-live="polite" lang="zh">{turns}</div>'
    examples = "".join(f'<button data-example="{escape(text)}">{escape(text)}</button>' for text in EXAMPLES)
    return (
        '<div class="welcome" lang="zh"><p>回答只用文章里的原话，每一句都能点开核对。'
        '<small lang="en">Every answer quotes its source.</small></p>'
        f'<div class="examples">{examples}</div></div>'
    )


def show_message(message: str, heading: str = "未能回答") -> str:
    """Return what went wrong as HTML; nothing where nothing did."""
    return f'<p role="alert"><b lang="zh">{escape(heading)}</b> {escape(message)}</p>' if message else ""


def _turn(chat: Pipeline, number: int, answer: Answer, is_judged: bool) -> str:
    searched = _searched(number, answer) if answer.query != answer.question.strip() else ""
    if answer.verdict == "chat":
        body, feedback = f'<div class="answer"><p>{escape(answer.text)}</p></div>', ""
    else:
        body = _refusal(chat, number, answer) if answer.verdict == "refused" else _answered(number, answer)
        feedback = THANKS if is_judged else _feedback(number, answer)
    return (
        f'<article class="turn {answer.verdict}"><p class="question">{escape(answer.question)}</p>'
        f"{searched}{body}{feedback}</article>"
    )


def _searched(turn: int, answer: Answer) -> str:
    """Return what was searched for, which may be edited and asked again."""
    return (
        f'<form class="searched" data-turn="{turn}" aria-label="按此检索 (searched for)">'
        f'<label>按此检索：<input name="query" value="{escape(answer.query)}" autocomplete="off"></label>'
        '<button class="again">重新检索<small lang="en">search again</small></button></form>'
    )


def _answered(turn: int, answer: Answer) -> str:
    sentences = "".join(
        f"<p>{escape(text)}{''.join(_marker(turn, marker) for marker in markers)}</p>"
        if markers
        else f'<p class="untold">{escape(text)}</p>'
        for text, markers in answer.said()
    )
    part = '<p class="part">文章只回答了一部分 (partial answer)</p>' if answer.verdict == "partial" else ""
    said = {sentence.text for sentence in answer.sentences}
    citations = "".join(_citation(turn, citation, citation.quote in said) for citation in answer.citations)
    return (
        f'<div class="answer">{part}{sentences}{_contradictions(turn, answer)}</div>{_notice(answer)}'
        f'<ol class="citations" aria-label="出处">{citations}</ol>'
    )


def _contradictions(turn: int, answer: Answer) -> str:
    """Return what documents say differently of the same, side by side."""
    rows = []
    for contradiction in answer.contradictions:
        both = zip(contradiction.markers, contradiction.values, strict=True)
        rows.append("；".join(f"{escape(value)}{_marker(turn, marker)}" for marker, value in both))
    if not rows:
        return ""
    heading = '<b>说法不一<small lang="en">the texts differ</small></b>'
    return f'<div class="differ">{heading}{"".join(f"<p>{row}</p>" for row in rows)}</div>'


def _notice(answer: Answer) -> str:
    return f'<p class="remark">{escape(answer.notice)}</p>' if answer.notice else ""


def _marker(turn: int, marker: int) -> str:
    return (
        f'<button class="marker" data-turn="{turn}" data-citation="{marker}" aria-label="出处 {marker}">'
        f"{marker}</button>"
    )


def _citation(turn: int, citation: Citation, is_said: bool) -> str:
    quote = "" if is_said else f"<q>{escape(citation.quote)}</q>"
    where = _where(citation.document, citation.start)
    return (
        f'<li><button class="place" data-turn="{turn}" data-citation="{citation.marker}">'
        f"<b>[{citation.marker}]</b> {escape(where)}</button>{quote}</li>"
    )


def _refusal(chat: Pipeline, turn: int, answer: Answer) -> str:
    unnamed = [word for word in answer.missing if word not in answer.text]  # the notice may name them
    missing = "".join(f"<b>{escape(word)}</b>" for word in unnamed)
    said = f'<p class="missing">文中没有：{missing}</p>' if missing else ""
    nearest = "".join(_nearest(chat, turn, hit) for hit in answer.hits[:NEAREST])
    heading = '<p class="heading">最接近的段落 <small lang="en">nearest passages</small></p>' if nearest else ""
    notice = f'<p class="notice">{escape(answer.text)}</p>'
    return f'<div class="refusal">{notice}{_notice(answer)}{said}{heading}<ul>{nearest}</ul></div>'


def _nearest(chat: Pipeline, turn: int, hit: Hit) -> str:
    text = _shorten(hit.passage.text, PASSAGE_SIZE)
    try:
        where = _where(chat.store.document(hit.passage.document_id), hit.passage.start)
    except RagError:  # removed since
        return f"<li>{escape(text)}</li>"
    return (
        f'<li><button class="place" data-turn="{turn}" data-hit="{hit.rank}">{escape(where)}</button>'
        f"{escape(text)}</li>"
    )


def _feedback(turn: int, answer: Answer) -> str:
    about = untold = ""
    if len(answer.citations) > 1:
        options = "".join(f"<option value='{cited.marker}'>[{cited.marker}]</option>" for cited in answer.citations)
        about = (
            '<label>关于<small lang="en">about</small>'
            f'<select name="marker"><option value="">全部回答</option>{options}</select></label>'
        )
    if answer.verdict != "refused":  # a refusal says just that
        untold = (
            '<label><input type="checkbox" name="unanswerable">原文没有说'
            '<small lang="en">the text does not tell</small></label>'
        )
    return (
        '<div class="feedback">'
        f'<button class="right" data-turn="{turn}" data-good="1" aria-label="对 (right)">✓ 对</button>'
        '<details><summary aria-label="不对 (wrong)">✗ 不对</summary>'
        f'<form data-turn="{turn}" aria-label="哪里不对 (what is wrong)">{about}'
        '<label class="correction">应该是<small lang="en">it should say</small>'
        f'<textarea name="correction" rows="2"></textarea></label>{untold}'
        '<button class="send">发送<small lang="en">send</small></button></form></details></div>'
    )


def _where(document: Document, position: int) -> str:
    title = document.article_at(position).title or document.title
    return f"{_shorten(title, TITLE_SIZE)}，第{document.paragraph_at(position).number}段"


def _shorten(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


# -- The source ------------------------------------------------------------------------------------


def show_source(chat: Pipeline, answers: Sequence[Answer], turn: object, citation: object, hit: object) -> str:
    """Return the document of a citation or a hit as HTML, with its words marked.

    Args:
        chat: Holds the documents of hits.
        answers: The conversation.
        turn: Which answer, from 0. This and the next two come from the browser, which may send anything.
        citation: Its marker, or 0.
        hit: Its rank, or 0.
    """
    for answer in answers[turn : turn + 1] if isinstance(turn, int) and turn >= 0 else ():
        for cited in answer.citations:
            if cited.marker == citation:
                return _source(cited.document, cited.start, cited.end)
        for found in answer.hits:
            if found.rank == hit:
                try:
                    document = chat.store.document(found.passage.document_id)
                except RagError as error:
                    return show_message(str(error))
                return _source(document, found.passage.start, found.passage.end)
    return EMPTY_SOURCE


def _source(document: Document, start: int, end: int) -> str:
    article = document.article_at(start).title
    headline = f'<p class="headline">{escape(article)}</p>' if article != document.title else ""
    line, _ = document.place_in_file(start)
    where = f"第{document.paragraph_at(start).number}段 · {Path(document.source).name} 第{line}行"
    first, last = max(0, start - CONTEXT), min(len(document.text), end + CONTEXT)
    paragraphs = "".join(
        f'<p class="{paragraph.kind}" data-number="{paragraph.number}">'
        + _marked(document.text, max(first, paragraph.start), min(last, paragraph.end), start, end)
        + "</p>"
        for paragraph in document.paragraphs
        if paragraph.start < last and paragraph.end > first
    )
    before = '<p class="cut">前文略</p>' if first else ""
    after = '<p class="cut">后文略</p>' if last < len(document.text) else ""
    header = (
        f'<header><button class="back">↑ 回到回答</button><h2>{escape(document.title)}</h2>{headline}'
        f'<p class="where">{escape(where)}</p></header>'
    )
    return f'<section lang="zh">{header}<div class="text">{before}{paragraphs}{after}</div></section>'


def _marked(text: str, first: int, last: int, start: int, end: int) -> str:
    """Return `text[first:last]` escaped, with what lies within `[start, end)` marked."""
    start, end = min(max(start, first), last), min(max(end, first), last)
    marked = f"<mark>{escape(text[start:end])}</mark>" if start < end else ""
    return escape(text[first:start]) + marked + escape(text[end:last])


def main() -> int:
    """Serve the page; takes the options of `rag serve`."""
    from rag.cli import main as run

    return run(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
