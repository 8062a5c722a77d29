"""Change: of the settings while the page is served. First it is said what it takes, then it is made.

Another pipeline is built, and takes the place of the one in use only when all its models work.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from rag.embedder import load_embedder
from rag.errors import InputError, Language, ModelError, RagError
from rag.generator import load_generator
from rag.page.choices import NAMING, Part, kind_of
from rag.page.service import Service
from rag.page.serving import Said
from rag.page.trial import pace_of, try_out
from rag.pipeline import Pipeline, reindex
from rag.reranker import load_reranker
from rag.settings import Plain, Settings
from rag.span_model import load_span_model

# Seconds that the test of a model may take before it is used: one of a server, and one that may have to be loaded.
SERVER_SECONDS, MODEL_SECONDS = 15.0, 600.0
TRIED: tuple[Part, ...] = ("reader", "reranker", "generator")  # an embedder shows itself when all is indexed
WARM_UP = "柳州的四大定位是什么"  # searched for, so that indexes are loaded before the next visitor asks

logger = logging.getLogger(__name__)


class UnfitError(ModelError):
    """A model that was chosen does not do its work; it can be chosen all the same."""


_changing = threading.Lock()


@dataclass(frozen=True)
class Change:
    """What a change of settings needs; nothing is done before `apply`."""

    before: Settings
    settings: Settings
    chosen: Mapping[str, Plain]
    names: tuple[str, ...]  # of the settings that change
    reindex: bool  # all documents have to be cut and embedded anew
    documents: int
    passages: int
    seconds: float | None  # that this takes, about; None where the new embedder's speed is not known
    said: Said

    def apply(
        self,
        service: Service,
        progress: Callable[[int, int], None] | None = None,
        stop: threading.Event | None = None,
        anyway: bool = False,
    ) -> Pipeline:
        """Build the other pipeline, use it, and keep what was chosen; return it.

        Args:
            service: Gets the pipeline.
            progress: Told how many documents of how many are indexed anew.
            stop: Ends that when it is set; everything stays as it was.
            anyway: Models that change are not tested first.

        Raises:
            InputError: The settings were changed meanwhile, or are being changed.
            UnfitError: A model that changes fails its test; the pipeline before stays in use.
            ModelError: A model cannot be loaded; the pipeline before stays in use.
            StoreError: The store cannot be read or written, or `stop` was set; the same.
        """
        if not _changing.acquire(blocking=False):
            raise InputError(
                "The settings are being changed already. Wait until that is done.",
                "设置正在更改中，请等它完成。",
            )
        try:
            before = service.pipeline
            if before.settings != self.before:
                raise changed_meanwhile()
            if not self.names:
                return before
            if not anyway:
                self._try_models()
            kept = {**before.store.kept_settings(), **self.chosen}
            made = self._built(before, progress, stop)
            try:
                if not self.reindex:
                    _load(made, self.names)
                    made.store.keep_settings(kept)
            except BaseException:
                made.close()
                raise
            service.use(made)
            if self.reindex:  # the store belongs to the new embedder from here on, whatever comes
                made.store.keep_settings(kept)
                _load(made, ())
            return made
        finally:
            _changing.release()

    def _try_models(self) -> None:
        for part in TRIED:
            kind = kind_of(self.settings, part)
            if kind in ("bundled", "none") or not set(self.names) & set(NAMING[part]):
                continue
            trial = try_out(self.settings, part, SERVER_SECONDS if kind == "server" else MODEL_SECONDS)
            if not trial.ok:
                failed = UnfitError if trial.loaded else ModelError
                raise failed(f"{trial.said.en} Nothing was changed.", f"{trial.said.zh}设置没有更改。")

    def _built(
        self, before: Pipeline, progress: Callable[[int, int], None] | None, stop: threading.Event | None
    ) -> Pipeline:
        folder = before.store.folder
        if self.reindex:
            _check_parts(self.settings, self.names)
            embedder = load_embedder(self.settings)
            if embedder.fingerprint != before.embedder.fingerprint:
                made = reindex(folder, self.settings, progress, stop, embedder)
            else:  # the same model by another name
                made = Pipeline(folder, self.settings, embedder)
        else:
            made = Pipeline(folder, self.settings, before.embedder)
        # What stays the same need not be loaded again; both are loaded when they are first asked for.
        loaded: Mapping[Part, str] = {"reader": "spans", "generator": "generator"}
        for part, name in loaded.items():
            if name in vars(before) and not set(self.names) & set(NAMING[part]):
                vars(made)[name] = vars(before)[name]
        if not set(self.names) & set(NAMING["reranker"]):
            made.retriever._reranker = before.retriever._reranker
        return made


def change(service: Service, chosen: Mapping[str, Plain]) -> Change:
    """Say what it takes to change settings, without changing any.

    Args:
        service: Its pipeline is looked at.
        chosen: As `Settings.changed` takes it.

    Raises:
        InputError: A name is not one that can be chosen, or a value cannot be used.
    """
    chat = service.pipeline
    for name, revision, *_ in NAMING.values():
        is_other = name in chosen and chosen[name] != getattr(chat.settings, name)
        if is_other and revision not in chosen and getattr(chat.settings, revision) is not None:
            chosen = {**chosen, revision: None}  # that of the model before
    settings = chat.settings.changed(chosen)
    names = tuple(
        one.name for one in fields(Settings) if getattr(settings, one.name) != getattr(chat.settings, one.name)
    )
    anew = any(name in names for name in NAMING["embedder"])
    if not anew:
        said = (
            Said("不需要重新编制索引，马上生效。", "Nothing has to be re-indexed; it counts at once.")
            if names
            else Said("没有要更改的。", "Nothing changes.")
        )
        return Change(chat.settings, settings, dict(chosen), names, False, 0, 0, 0.0, said)
    listed = chat.listed()
    passages = sum(one.passages for one in listed)
    pace = pace_of(settings)
    seconds = None if pace is None else pace * passages
    about_zh, about_en = ("，时间未知，测试这个模型后可知", "; how long that takes is known once the model was tested")
    if seconds is not None:
        about_zh, about_en = f"，大约 {_time(seconds, 'zh')}", f", in about {_time(seconds, 'en')}"
    said = Said(
        f"检索模型变了，需要重新编制 {len(listed)} 份文档（{passages} 个段落）的索引{about_zh}。"
        "完成之前照常回答；文档、对话和反馈都会保留。",
        f"Another embedder: {len(listed)} documents ({passages} passages) have to be re-indexed{about_en}. "
        "Questions are answered as before meanwhile; documents, conversations and feedback stay.",
    )
    return Change(chat.settings, settings, dict(chosen), names, True, len(listed), passages, seconds, said)


def changed_meanwhile() -> InputError:
    """Return what is raised where the settings are not those that somebody chose from."""
    return InputError(
        "The settings were changed by somebody else meanwhile. Look at them, and choose again.",
        "设置刚刚被别人更改过。请重新载入，再选一次。",
    )


class Making:
    """A change that is being made, in a thread of its own, for a page that looks at it from time to time."""

    def __init__(self, service: Service, change: Change, anyway: bool = False) -> None:
        """Begin; `anyway`: models that change are not tested first."""
        self.change = change
        self._anyway = anyway
        self.done = self.total = 0  # documents indexed anew, and of how many
        self.error: RagError | None = None  # why it failed; everything is as it was then
        self._stop = threading.Event()
        self._over = threading.Event()
        self._service = service
        threading.Thread(target=self._run, name="change", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether it is made, has failed or was stopped."""
        return self._over.is_set()

    @property
    def can_be_forced(self) -> bool:
        """Whether it failed for a reason that does not keep it from being made."""
        return isinstance(self.error, UnfitError)

    def wait(self, seconds: float) -> bool:
        """Wait until it is over, not longer than so many seconds; say whether it is."""
        return self._over.wait(seconds)

    def stop(self) -> None:
        """End it soon, and leave everything as it was, where it is not made already."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self.change.apply(self._service, self._show, self._stop, self._anyway)
        except RagError as error:
            self.error = error
        except Exception as error:
            logger.exception("The settings could not be changed.")
            self.error = RagError(
                f"The settings could not be changed ({type(error).__name__}). The log says why.",
                f"设置没有更改（{type(error).__name__}），日志里写着原因。",
            )
        finally:
            self._over.set()

    def _show(self, done: int, total: int) -> None:
        self.done, self.total = done, total


def _check_parts(settings: Settings, names: Sequence[str]) -> None:
    """Load the models besides the embedder that change. Raises ModelError."""
    loaders: Mapping[Part, Callable[[Settings], object]] = {
        "reader": load_span_model,
        "reranker": load_reranker,
        "generator": load_generator,
    }
    for part, load in loaders.items():
        if set(names) & set(NAMING[part]):
            load(settings)


def _load(chat: Pipeline, names: Sequence[str]) -> None:
    """Load what changes of a pipeline, and its indexes; what was broken before is no reason to refuse a change.

    Raises:
        ModelError: A model cannot be loaded.
        StoreError: The store cannot be read.
    """
    if set(names) & set(NAMING["reader"]):
        _ = chat.spans
    if set(names) & set(NAMING["generator"]):
        _ = chat.generator
    try:
        if not chat.search(WARM_UP) and chat.settings.reranker:  # nothing to put in order: it was not loaded
            load_reranker(chat.settings)
    except ModelError:
        if set(names) & set(NAMING["reranker"]):
            raise


def _time(seconds: float, language: Language) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} 秒" if language == "zh" else f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} 分钟" if language == "zh" else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} 小时" if language == "zh" else f"{seconds / 3600:.1f} h"
