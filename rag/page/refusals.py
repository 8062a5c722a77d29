"""Refusals: what a request is told that is not answered, in the form and the language of whoever sent it.

People get their browser's language, programs JSON: below /v1 as OpenAI's servers say it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope, Send

from rag.page.render import language_of
from rag.page.serving import Said

API = "/gradio_api/"  # what Gradio serves to programs
FAILED = "The program failed. Its log says more."  # what programs are told of an error of ours
_OPENAI = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


@dataclass(frozen=True)
class Refusal:
    """What a request is told that is not answered."""

    status: int
    said: Said
    code: str  # for programs
    headers: Mapping[str, str] = field(default_factory=dict)


_ASK_PASSWORD = {"WWW-Authenticate": 'Basic realm="cited answers", charset="UTF-8"'}
NO_PASSWORD = Refusal(
    401,
    Said(
        "请用账号和密码登录。程序请把“名字:密码”作为密钥（Bearer），或用 HTTP Basic。",
        "Sign in with your name and password. Programs give NAME:PASSWORD as the key (Bearer), or use HTTP Basic.",
    ),
    "password_needed",
    _ASK_PASSWORD,
)
WRONG_PASSWORD = Refusal(
    401,
    Said("名字或密码不对。请检查后再试。", "The name or the password is wrong. Check them and try again."),
    "wrong_password",
    _ASK_PASSWORD,
)
OTHER_SITE = Refusal(
    403,
    Said(
        "这个请求来自其他网站的页面，已拒绝。请直接打开本页再操作。",
        "This request came from another site's page and was refused. Open this page itself and try there.",
    ),
    "other_site",
)
NO_PAGE = Refusal(404, Said("没有这一页。", "There is no such page."), "not_found")


def other_host(host: str) -> Refusal:
    """Refuse a name that is not ours."""
    shown = "".join(c for c in host if c.isprintable())[:80] or "-"
    return Refusal(
        421,
        Said(
            f"这里不以“{shown}”这个名字应答。请用启动时显示的地址打开；名字如果没有错，启动时请加上 --allowed-host。",
            f"This server does not answer to the name {shown!r}. Open the address it showed when it was started; if "
            "the name is right, start it with --allowed-host.",
        ),
        "wrong_host",
    )


def passed_on() -> Refusal:
    """Refuse what a proxy passes on to a server that is for its own machine."""
    return Refusal(
        403,
        Said(
            "本服务只供这台机器使用，而这个请求是由代理从别处转来的。请在启动时加上 --auth-file，或 "
            "--public-without-password。",
            "This server is for its own machine, and a proxy passed this request on from elsewhere. Start it with "
            "--auth-file, or with --public-without-password.",
        ),
        "passed_on",
    )


def too_many(wait: float) -> Refusal:
    """Refuse one request too many; `wait` in seconds."""
    seconds = math.ceil(wait)
    return Refusal(
        429,
        Said(f"请求太多。请过 {seconds} 秒再试。", f"Too many requests. Try again in {seconds} s."),
        "rate_limit_exceeded",
        {"Retry-After": str(seconds)},
    )


def too_often(wait: float) -> Refusal:
    """Refuse to listen to one more password; `wait` in seconds."""
    seconds = math.ceil(wait)
    return Refusal(
        429,
        Said(
            f"密码错误次数太多。请过 {seconds} 秒再试。",
            f"Too many wrong passwords. Try again in {seconds} s.",
        ),
        "rate_limit_exceeded",
        {"Retry-After": str(seconds)},
    )


def too_large(limit: int) -> Refusal:
    """Refuse a request of more than `limit` bytes."""
    size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit} B"
    return Refusal(
        413,
        Said(f"内容太大：最多 {size}。请分成几份。", f"This is too large: {size} at most. Send it in parts."),
        "too_large",
        {"Connection": "close"},  # the rest of it is not read
    )


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer a request with a refusal, in the form and the language of whoever sent it."""
    headers = Headers(scope=scope)
    accepted = headers.get("accept-language", "")
    cookies = HTTPConnection(scope).cookies
    language = language_of(cookies, accepted)
    either = accepted or "language" in cookies
    # A program that says no language gets both.
    text = refusal.said.said(language) if either else f"{refusal.said.zh} {refusal.said.en}"
    kind = "application/json"
    path: str = scope["path"]
    if is_below(path, ("/v1",)):
        error = {"message": text, "type": _OPENAI.get(refusal.status, "invalid_request_error"), "param": None}
        body = json.dumps({"error": error | {"code": refusal.code}}, ensure_ascii=False)
    elif path.startswith(API) or headers.get("accept", "").startswith("application/json"):
        body = json.dumps({"detail": text, "code": refusal.code}, ensure_ascii=False)
    elif "text/html" in headers.get("accept", "") and "hx-request" not in headers:
        kind = "text/html; charset=utf-8"
        tag = "en" if language == "en" else "zh-CN"
        body = f'<!doctype html><html lang="{tag}"><meta charset="utf-8"><title>{refusal.status}</title>'
        body += f"<p>{escape(text)}</p></html>"
    else:
        kind = "text/plain; charset=utf-8"
        body = text + "\n"
    data = body.encode()
    sent = {"content-type": kind, "content-length": str(len(data)), "vary": "Accept-Language, Cookie"} | dict(
        refusal.headers
    )
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": data})


def is_below(path: str, folders: tuple[str, ...]) -> bool:
    """Say whether a path is one of the folders, or in one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
