"""Hub: from the name of a model to the folder that holds its files, fetching them where they are missing.

A name is a folder, an id of the Hugging Face hub (`ORG/NAME`, or of the mirror in $HF_ENDPOINT), or
`modelscope:ORG/NAME`; an id may carry its revision, `ORG/NAME@REVISION`. A folder is taken as it is and
nobody is asked. This module does not know what kind of model it fetches.

The libraries of the hubs wait without end for a server that does not answer and try again for minutes
where there is none. So the first questions are asked here, each with a deadline, before a download is begun.
"""

import errno
import fnmatch
import glob
import importlib
import importlib.util
import json
import logging
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from rag.errors import ModelError

PATIENCE = 6.0  # seconds for each question to a hub, its host's name looked up included
MODELSCOPE = "modelscope:"  # before an id of that hub
MODELSCOPE_ENDPOINT = "https://modelscope.cn"
NAMED = 20  # cached models named in a message
# What the libraries load: configuration, tokenizer, weights. Hubs keep the same weights in other forms beside them.
FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.safetensors", "*.bin", "README.md")
WEIGHTS = (".safetensors", ".bin")
OTHER_FORMS = ("onnx", "openvino", "coreml", "tflite", "gguf")  # folders
OTHER_BIN = ("training_args.bin", "optimizer.bin", "scheduler.bin", "openvino_model*.bin")

Said = tuple[str, str]  # the same in English and in Chinese
_KINDS = {"embedder": "检索模型", "reader": "阅读模型", "reranker": "重排模型", "generator": "语言模型"}
_NOT_CACHED: Said = ("is not in the cache", "不在缓存里")
_NOT_CACHED_THERE: Said = ("is not in the cache of ModelScope", "不在 ModelScope 的缓存里")
_NO_WEIGHTS: Said = ("no weights are among its files", "它的文件中没有权重")

logger = logging.getLogger(__name__)
T = TypeVar("T")


def resolve(model: str, revision: str | None = None, offline: bool = False, what: str = "model") -> Path:
    """Return the folder of a model, fetching what is missing of it.

    Args:
        model: A folder, `ORG/NAME`, `ORG/NAME@REVISION`, or one of the latter after "modelscope:".
        revision: Branch, tag or commit of an id. A commit that is in the cache is taken without asking the hub;
            otherwise the hub is asked for the newest state, and the cache stands in where it cannot be reached.
        offline: Look into the cache only, as with HF_HUB_OFFLINE=1.
        what: What the model is for, for the messages: "embedder", "reader", "reranker".

    Raises:
        ModelError: There is no such model or revision, access is refused, the hub cannot be reached and the
            cache does not hold it, or the files cannot be written. It says which, and what to do.
    """
    folder = Path(model)
    with suppress(OSError, RuntimeError):  # too long for the name of a file; the home of a user who is not there
        folder = folder.expanduser()
        if folder.is_dir():
            return folder
    name, at, named = model.removeprefix(MODELSCOPE).partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name, re.ASCII) or model.startswith((".", "~")):
        raise ModelError(
            f"There is no {what} in the folder {folder}. Name a folder that holds a model, or an id of a hub: "
            "ORG/NAME.",
            f"文件夹 {folder} 里没有{_KINDS.get(what, '模型')}。"
            "请指定放有模型的文件夹，或者模型网站上的编号：ORG/NAME。",
        )
    if at and revision and named != revision:
        raise ModelError(
            f"The {what} {model!r} names one revision and the settings another, {revision!r}. Name one.",
            f"{_KINDS.get(what, '模型')} {model!r} 自己写了版本，设置里又写了另一个版本 {revision!r}。请只写一个。",
        )
    source: type[_Source] = _ModelScope if model.startswith(MODELSCOPE) else _HuggingFace
    return source(name, named or revision, what).folder(offline)


def needed_files(names: Iterable[str]) -> list[str]:
    """Return those of a model's files (relative, with /) that are needed to load it, sorted.

    Left out are the same weights in another form: folders of other runtimes, and pickled weights (.bin)
    where the same folder has safetensors.
    """
    kept = {
        name
        for name in names
        if any(fnmatch.fnmatchcase(PurePosixPath(name).name, pattern) for pattern in FILES)
        and not set(PurePosixPath(name).parts[:-1]) & set(OTHER_FORMS)
        and not any(fnmatch.fnmatchcase(PurePosixPath(name).name, pattern) for pattern in OTHER_BIN)
    }
    safe = {PurePosixPath(name).parent for name in kept if name.endswith(".safetensors")}
    return sorted(name for name in kept if not (name.endswith(".bin") and PurePosixPath(name).parent in safe))


def files_of(folder: Path) -> list[str]:
    """Return the needed files of a model's folder, see `needed_files`."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return needed_files(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))


def _missing(folder: Path) -> str:
    """Return what a fetched folder lacks to be loaded, "" for nothing."""
    names = files_of(folder)
    if not any(name.endswith(WEIGHTS) for name in names):
        return "weights"
    for index in (name for name in names if name.endswith((".safetensors.index.json", ".bin.index.json"))):
        if index.endswith(".bin.index.json") and any(name.endswith(".safetensors") for name in names):
            continue
        try:
            parts = set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError, AttributeError):
            return f"a readable {index}"
        absent = sorted(part for part in parts if not (folder / index).with_name(str(part)).is_file())
        if absent:
            return str(absent[0])
    return ""


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns; raise TimeoutError when it takes longer.

    It runs in a thread, since looking up the name of a host obeys no timeout, and since the timeouts of the
    libraries start anew with each byte. A thread that comes too late is left behind.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again by the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return results[0]


class _Source(ABC):
    """A model of a hub, by id and revision."""

    def __init__(self, name: str, revision: str | None, what: str) -> None:
        self.name = name
        self.revision = revision
        self.title = f"The {what} {name!r}" + (f" (revision {revision})" if revision else "")
        self.chinese = f"{_KINDS.get(what, '模型')} {name!r}" + (f"（版本 {revision}）" if revision else "")

    @abstractmethod
    def folder(self, offline: bool) -> Path:
        """Return the folder of the model. Raises ModelError as `resolve` does."""

    def _unreachable(self, endpoint: str, error: BaseException, mirror: Said, missing: Said) -> ModelError:
        cached = _cached_models()
        return ModelError(
            f"{self.title} {missing[0]}, and {endpoint} cannot be reached ({_first_line(error)}). "
            f"{cached[0]} Check the network, {mirror[0]}, name a folder that holds the model, take a model that "
            "is in the cache (with `offline` nothing is asked), or go back to the bundled models.",
            f"{self.chinese}{missing[1]}，又连不上 {endpoint}（{_first_line(error)}）。{cached[1]}"
            f"请检查网络，{mirror[1]}，指定放有模型的文件夹，改用缓存里的模型（用 `offline` 就不会联网），"
            "或者换回自带的模型。",
        )

    def _offline(self, missing: Said) -> ModelError:
        cached = _cached_models()
        return ModelError(
            f"{self.title} {missing[0]}, and nothing may be fetched (`offline`, or HF_HUB_OFFLINE=1). {cached[0]} "
            "Fetch it once with the network on, name a folder that holds the model, take a model that is in the "
            "cache, or go back to the bundled models.",
            f"{self.chinese}{missing[1]}，而现在不许联网（`offline` 或 HF_HUB_OFFLINE=1）。{cached[1]}"
            "请联网下载一次，指定放有模型的文件夹，改用缓存里的模型，或者换回自带的模型。",
        )

    def _broken(self, error: Exception, cache: str, variable: str) -> ModelError:
        """Say why a download ended early: a full disk, a folder that takes no files, a lost connection."""
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT):
            return ModelError(
                f"{self.title} cannot be stored: the disk of {cache} is full. Free some of it, or set {variable} to a "
                "folder on another disk.",
                f"无法保存{self.chinese}：{cache} 所在的磁盘已满。"
                f"请腾出空间，或者把 {variable} 设为另一个磁盘上的文件夹。",
            )
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            return ModelError(
                f"{self.title} cannot be stored: {error}. Set {variable} to a folder that may be written to.",
                f"无法保存{self.chinese}：{error}。请把 {variable} 设为可以写入的文件夹。",
            )
        return ModelError(
            f"The download of {self.title[0].lower()}{self.title[1:]} broke off: {error}. Give the command again: what "
            "has come is kept, and the download goes on from there.",
            f"{self.chinese}的下载中断了：{error}。请再试一次：已下载的部分会保留，从那里继续。",
        )

    def _no_weights(self, lacking: Said) -> ModelError:
        return ModelError(
            f"{self.title} cannot be loaded here: {lacking[0]}. Only weights in .safetensors or .bin files can be; "
            "name another model, or a conversion of this one.",
            f"无法载入{self.chinese}：{lacking[1]}。只能载入 .safetensors 或 .bin 格式的权重；"
            "请换一个模型，或者换用它的转换版。",
        )


class _HuggingFace(_Source):
    """A model of the Hugging Face hub, or of the mirror in $HF_ENDPOINT."""

    def folder(self, offline: bool) -> Path:
        """Return the folder of the model in the cache. Raises ModelError as `resolve` does."""
        from huggingface_hub import HfApi, constants, snapshot_download

        cached, missing = self._cached()
        if cached and self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision):
            return cached  # a commit never changes
        if offline or constants.HF_HUB_OFFLINE:
            if cached:
                return cached
            raise self._offline(missing)
        api, endpoint = HfApi(), constants.ENDPOINT
        try:
            commit = _within(PATIENCE, lambda: api.model_info(self.name, revision=self.revision, timeout=PATIENCE).sha)
            if cached and cached.name == commit:
                return cached
            tree = _within(PATIENCE, lambda: list(api.list_repo_tree(self.name, recursive=True, revision=commit)))
        except Exception as error:  # no network has many names: httpx's, the system's, ours
            if cached:
                logger.warning("%s does not give %s (%s); the cache is used.", endpoint, self.name, _first_line(error))
                return cached
            mirror = "set HF_ENDPOINT to a mirror that you can reach", "把 HF_ENDPOINT 设为连得上的镜像"
            raise self._refused(error, endpoint) or self._unreachable(endpoint, error, mirror, missing) from error
        names = needed_files(entry.path for entry in tree if hasattr(entry, "size"))
        if not any(name.endswith(WEIGHTS) for name in names):
            raise self._no_weights(_NO_WEIGHTS)
        try:
            # The library shows a progress bar where standard error is a terminal.
            found = snapshot_download(
                self.name, revision=self.revision, allow_patterns=[glob.escape(name) for name in names]
            )
        except Exception as error:
            raise self._refused(error, endpoint) or self._broken(error, constants.HF_HUB_CACHE, "HF_HOME") from error
        if lacking := _missing(Path(found)):
            raise self._no_weights((f"its files lack {lacking}", f"它的文件中缺少{_in_chinese(lacking)}"))
        return Path(found)

    def _refused(self, error: Exception, endpoint: str) -> ModelError | None:
        """Say why the hub answered but did not give the model; None where it was not that."""
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RevisionNotFoundError

        if isinstance(error, HFValidationError):
            return ModelError(
                f"{self.title} is no id of a hub: {error} Name ORG/NAME, or a folder.",
                f"{self.chinese}不是模型网站上的编号：{error} 请写 ORG/NAME，或者文件夹。",
            )
        if not isinstance(error, HfHubHTTPError):
            return None
        status = error.response.status_code
        if isinstance(error, RevisionNotFoundError):
            return ModelError(
                f"{self.title} is not there: {endpoint} knows the model, but not this revision. Name a branch, a tag "
                "or a whole commit that its page lists, or none for the newest state.",
                f"找不到{self.chinese}：{endpoint} 上有这个模型，但没有这个版本。"
                "请写它的页面上列出的分支、标签或完整的提交号；不写就取最新的。",
            )
        if isinstance(error, GatedRepoError) or status == 403:
            return ModelError(
                f"{self.title} is gated: {endpoint} gives it to those who accepted its terms (HTTP {status}). "
                f"Accept them on {endpoint}/{self.name} and set HF_TOKEN to your token, or name another model.",
                f"{self.chinese}需要授权：{endpoint} 只提供给接受了其条款的人（HTTP {status}）。"
                f"请在 {endpoint}/{self.name} 上接受，并把 HF_TOKEN 设为自己的令牌，或者换一个模型。",
            )
        if status == 401:
            return ModelError(
                f"{self.title} is not given to us: {endpoint} answers HTTP 401, as it does for private models, for a "
                "wrong token, and for ids there are none of. Check the id, and HF_TOKEN where the model is private.",
                f"{endpoint} 不提供{self.chinese}（HTTP 401）：私有的模型、错误的令牌、不存在的编号都会这样。"
                "请检查编号；如果是私有模型，请检查 HF_TOKEN。",
            )
        if status == 404:
            return ModelError(
                f"{self.title} is not there: {endpoint} knows no model of this id (HTTP 404). Check the spelling: "
                "ORG/NAME, with capitals as on its page. A private model needs HF_TOKEN.",
                f"找不到{self.chinese}：{endpoint} 上没有这个编号的模型（HTTP 404）。"
                "请检查拼写：ORG/NAME，大小写与它的页面一致。私有模型需要 HF_TOKEN。",
            )
        return None

    def _cached(self) -> tuple[Path | None, Said]:
        """Return the cached folder of the model where it is complete, and what is the matter where it is not."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        # Pickled weights are left out of the question, since they may stand beside safetensors unfetched.
        asked = [pattern for pattern in FILES if pattern != "*.bin"]
        beside = [f"{form}/*" for form in OTHER_FORMS]
        try:
            folder = Path(
                snapshot_download(
                    self.name,
                    revision=self.revision,
                    local_files_only=True,
                    allow_patterns=asked,
                    ignore_patterns=[*beside, *(f"*/{pattern}" for pattern in beside)],
                )
            )
        except LocalEntryNotFoundError as error:
            incomplete = getattr(error, "snapshot_path", None)
            return None, ("is in the cache, but not all of it", "在缓存里不完整") if incomplete else _NOT_CACHED
        except (HFValidationError, OSError):
            return None, _NOT_CACHED
        lacking = _missing(folder)
        if lacking:
            return None, (f"is in the cache, but without {lacking}", f"在缓存里缺少{_in_chinese(lacking)}")
        return folder, ("", "")


class _ModelScope(_Source):
    """A model of ModelScope, through its own client, which is installed by those who want it."""

    def folder(self, offline: bool) -> Path:
        """Return the folder of the model in the client's cache. Raises ModelError as `resolve` does."""
        if importlib.util.find_spec("modelscope") is None:
            raise ModelError(
                f"{self.title} is asked of ModelScope, whose client is not installed. Install it: pip install "
                "modelscope. Or name the model of the Hugging Face hub, or a folder.",
                f"{self.chinese}要从 ModelScope 获取，而它的客户端没有安装。请安装：pip install modelscope。"
                "或者改用 Hugging Face 上的模型，或者文件夹。",
            )
        fetch = importlib.import_module("modelscope").snapshot_download
        try:
            cached = self._fetched(fetch, local=True)
        except Exception:  # the client's kinds of error differ by its version; any of them means: not there
            cached = None
        if cached and offline:
            return cached
        if offline:
            raise self._offline(_NOT_CACHED_THERE)
        endpoint = os.environ.get("MODELSCOPE_ENDPOINT") or MODELSCOPE_ENDPOINT
        try:
            _within(PATIENCE, lambda: _knock(endpoint))
        except Exception as error:
            if cached:
                logger.warning("%s does not give %s (%s); the cache is used.", endpoint, self.name, _first_line(error))
                return cached
            mirror = (
                "set MODELSCOPE_ENDPOINT to an address that you can reach",
                "把 MODELSCOPE_ENDPOINT 设为连得上的地址",
            )
            raise self._unreachable(endpoint, error, mirror, _NOT_CACHED_THERE) from error
        try:
            found = self._fetched(fetch, local=False)
        except OSError as error:
            if getattr(getattr(error, "response", None), "status_code", None) is None and error.errno is not None:
                raise self._broken(error, "the cache of ModelScope", "MODELSCOPE_CACHE") from error
            raise self._not_given(endpoint, error) from error
        except Exception as error:
            raise self._not_given(endpoint, error) from error
        if found is None:
            raise self._no_weights(_NO_WEIGHTS)
        return found

    def _not_given(self, endpoint: str, error: Exception) -> ModelError:
        return ModelError(
            f"{self.title} cannot be fetched from {endpoint}: {error}. Check the id and the revision (ModelScope calls "
            "its main branch master), and log in with the client where the model is private.",
            f"无法从 {endpoint} 获取{self.chinese}：{error}。请检查编号和版本（ModelScope 的主分支叫 master）；"
            "如果是私有模型，请用它的客户端登录。",
        )

    def _fetched(self, fetch: Callable[..., str], local: bool) -> Path | None:
        """Return the folder that the client gives for the needed files, None where it is not complete."""
        folders = [f"{form}/*" for form in OTHER_FORMS]
        rest = [pattern for pattern in FILES if pattern != "*.bin"]
        # The client tells no names before it fetches: pickled weights are asked for where safetensors did not come.
        # Those of subfolders, heads of a few kilobytes, are always taken.
        for patterns in ([*rest, "*/*.bin"], list(FILES)):
            wanted: dict[str, Sequence[str] | str | bool | None] = {
                "revision": self.revision,
                "allow_patterns": patterns,
                "ignore_patterns": [*folders, *OTHER_BIN],
            }
            folder = Path(fetch(self.name, **wanted, **({"local_files_only": True} if local else {})))
            if folder.is_dir() and not _missing(folder):
                return folder
        return None


def _knock(endpoint: str) -> None:
    """Raise OSError where nothing answers at an address; any answer will do."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 - the address is ours or the user's own
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except urllib.error.HTTPError as answer:
        answer.close()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _in_chinese(lacking: str) -> str:
    """Return in Chinese what `_missing` found."""
    return "权重文件" if lacking == "weights" else f" {lacking.removeprefix('a readable ')}"


def _cached_models() -> Said:
    """Say which models with weights are in the cache of the Hugging Face hub."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories: Iterable[Any] = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except (CacheNotFound, OSError, ValueError):
        repositories = ()
    names = sorted(
        repository.repo_id
        for repository in repositories
        if repository.repo_type == "model"
        and any(file.file_name.endswith(WEIGHTS) for revision in repository.revisions for file in revision.files)
    )
    if not names:
        return f"The cache ({constants.HF_HUB_CACHE}) holds no model.", f"缓存（{constants.HF_HUB_CACHE}）里没有模型。"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    chinese = f"等 {len(names)} 个" if more else ""
    return (
        f"The cache ({constants.HF_HUB_CACHE}) holds: {', '.join(names[:NAMED])}{more}.",
        f"缓存（{constants.HF_HUB_CACHE}）里有：{'、'.join(names[:NAMED])}{chinese}。",
    )
