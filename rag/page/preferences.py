"""The settings page: which models answer, what each costs, its test, how strict answers are, and how much is read."""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from rag.errors import InputError, RagError
from rag.generator import SERVER
from rag.page.change import Change, Making, change, changed_meanwhile
from rag.page.choices import (
    K_BOUNDS,
    MEASURED,
    OF_NAMED,
    PARTS,
    Choice,
    Kind,
    Part,
    choices,
    kind_of,
    level_of,
    model_size,
    privacy,
    strictness,
)
from rag.page.guard import owner_of, permissions_of
from rag.page.requests import language, page, part
from rag.page.service import Service
from rag.page.serving import Said
from rag.page.trial import try_out
from rag.settings import CHOSEN, Plain, Settings

AGREED = "agreed"  # to what has to be indexed, and that a model which fails its test is used


@dataclass(frozen=True)
class Section:
    """One kind of model, as the page offers it."""

    part: Part
    choices: tuple[Choice, ...]
    chosen: Kind
    name: str  # what is typed in for a folder, a hub or a server
    url: str


def router(service: Service) -> APIRouter:
    """Return the routes of the settings page."""
    routes = APIRouter(prefix="/settings")
    begun: list[Making] = []  # the last change
    beginning = threading.Lock()

    @routes.get("")
    def settings(request: Request) -> HTMLResponse:
        return page(request, "settings.html", "settings", **_shown(service, request))

    @routes.post("/try/{of}")
    async def try_(request: Request, of: Part) -> HTMLResponse:
        _may_change(request)
        given = {key: str(value) for key, value in (await request.form()).items()}
        return await run_in_threadpool(_tried, service, request, of, given)

    @routes.post("")
    async def look(request: Request) -> HTMLResponse:
        """Say what a change takes; make it where nothing has to be indexed anew, or that was agreed to."""
        _may_change(request)
        given = {key: str(value) for key, value in (await request.form()).items()}
        return await run_in_threadpool(looked, request, given)

    def looked(request: Request, given: Mapping[str, str]) -> HTMLResponse:
        anyway = given.get("anyway", "")
        now = service.pipeline.settings
        if given.get("seen", digest_of(now)) != digest_of(now):  # a form in an old tab would undo what others changed
            raise changed_meanwhile()
        wanted = change(service, _chosen(now, given))
        if wanted.before != now:
            raise changed_meanwhile()
        if not wanted.names:
            return part(request, "change.html", change=wanted, making=None)
        if wanted.reindex and not given.get("agreed") and anyway != AGREED:
            failed = _unfit_embedder(wanted, given.get("embedder-kind", ""))
            if failed is not None:
                return part(request, "trial.html", ok=False, message=failed.said(language(request)))
            wanted = change(service, wanted.chosen)  # how long it takes is known now
            return part(request, "change.html", change=wanted, making=None)
        with beginning:
            if begun and not begun[0].is_over:  # it would be lost from view, and could not be stopped
                raise InputError(
                    "The settings are being changed already. Wait until that is done.", "设置正在更改中，请等它完成。"
                )
            begun[:] = [Making(service, wanted, anyway=bool(anyway))]
        return under_way(request)

    @routes.post("/stop")
    def stop(request: Request) -> HTMLResponse:
        _may_change(request)
        for making in begun:
            making.stop()
        return under_way(request)

    @routes.get("/progress")
    def progress(request: Request) -> HTMLResponse:
        _may_change(request)
        return under_way(request)

    def under_way(request: Request) -> HTMLResponse:
        making = next(iter(begun), None)
        seen = "" if making is None else digest_of(making.change.settings)
        return part(request, "change.html", change=None, making=making, seen=seen)

    return routes


def digest_of(settings: Settings) -> str:
    """Return what tells whether a form shows settings as they are."""
    chosen = json.dumps({name: getattr(settings, name) for name in CHOSEN}, sort_keys=True)
    return hashlib.sha256(chosen.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _shown(service: Service, request: Request) -> dict[str, object]:
    chosen = service.pipeline.settings
    may_change = permissions_of(request).settings
    admins_only = permissions_of(request).documents and not may_change
    return {
        "sections": [_section(chosen, one, may_change) for one in PARTS],
        "levels": strictness(),
        "level": level_of(chosen.threshold),
        "threshold": chosen.threshold,
        "measured": MEASURED,
        "of_named": OF_NAMED,
        "privacy": privacy(chosen, remote=bool(owner_of(request))),
        "admins_only": admins_only,
        "k": chosen.k,
        "k_bounds": K_BOUNDS,
        "may_change": may_change,
        "seen": digest_of(chosen) if may_change else "",
    }


def _unfit_embedder(wanted: Change, kind: str) -> Said | None:
    """Return why all documents should not be indexed with an embedder, as far as it is on this machine."""
    if kind == "hub" and model_size(wanted.settings, "embedder") is None:
        return None  # it has to be fetched first, which is not done unasked
    trial = try_out(wanted.settings, "embedder")
    return None if trial.ok else trial.said


def _section(chosen: Settings, of: Part, may_change: bool) -> Section:
    kind = kind_of(chosen, of)
    if not may_change:  # folders of this machine and addresses of its network are nobody else's business
        return Section(of, choices(of), kind, "", "")
    named = getattr(chosen, of) or ""
    name = "" if kind in ("bundled", "none") else named.removeprefix(SERVER) if kind == "server" else named
    return Section(of, choices(of), kind, name, chosen.generator_url or "" if of == "generator" else "")


def _chosen(now: Settings, given: Mapping[str, str]) -> dict[str, Plain]:
    """Return what a form chooses that is not so now.

    Raises:
        InputError: It chooses what there is not.
    """
    chosen: dict[str, Plain] = {}
    for of in PARTS:
        chosen |= _model(of, given)
    level = given.get("level")
    if level:
        found = next((one for one in strictness() if one.key == level), None)
        if found is None:
            raise InputError(f"There is no strictness {level[:50]!r}.", f"没有“{level[:50]}”这种严格程度。")
        chosen["threshold"] = found.threshold
    if given.get("k"):
        try:
            chosen["k"] = int(given["k"])
        except ValueError:
            raise InputError(
                f"The number of passages is {given['k'][:20]!r}; give a whole number.",
                f"段落数“{given['k'][:20]}”不是整数。",
            ) from None
    return {name: value for name, value in chosen.items() if name in CHOSEN and value != getattr(now, name)}


def _model(of: Part, given: Mapping[str, str]) -> dict[str, Plain]:
    kind, name = given.get(f"{of}-kind", ""), given.get(f"{of}-name", "").strip()
    if not kind:
        return {}
    found = next((one for one in choices(of) if one.kind == kind), None)
    if found is None:
        raise InputError(f"There is no choice {kind[:50]!r}.", f"没有“{kind[:50]}”这个选项。")
    if found.example and not name:
        title = found.title
        raise InputError(f"{title.en}: which one? Type its name.", f"{title.zh}：是哪一个？请填写名称。")
    if kind == "server":
        return {
            of: f"{SERVER}{name.removeprefix(SERVER)}",
            "generator_url": given.get("generator-url", "").strip() or None,
        }
    return {of: name if found.example else found.value or None}


def _tried(service: Service, request: Request, of: Part, given: Mapping[str, str]) -> HTMLResponse:
    spoken = language(request)
    try:
        now = service.pipeline.settings
        trial = try_out(now.changed({of: getattr(now, of), **_model(of, given)}), of)
        return part(request, "trial.html", ok=trial.ok, message=trial.said.said(spoken))
    except RagError as error:
        return part(request, "trial.html", ok=False, message=error.said(spoken))


def _may_change(request: Request) -> None:
    allowed = permissions_of(request)
    if allowed.settings:
        return
    if allowed.documents:
        raise InputError("Only administrators can change the settings.", "只有管理员能更改设置。")
    raise InputError("The settings cannot be changed on this page.", "这里不能更改设置。")
