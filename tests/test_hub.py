import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import huggingface_hub
import pytest

from rag import hub
from rag.cli import main
from rag.errors import ModelError
from rag.hub import files_of, needed_files, resolve
from tests.hub_server import hub_server

ROOT = Path(__file__).parents[1]
MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}",
    "model.safetensors": b"weights " * 100,
    "pytorch_model.bin": b"the same, pickled",
    "1_Pooling/config.json": b"{}",
    "onnx/model.onnx": b"the same, for another runtime",
    "onnx/config.json": b"{}",
    "README.md": b"# A model",
}


def written(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of one's own, and no token."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "")
    yield tmp_path / "cache"
    huggingface_hub.close_session()  # connections to the server of this test


@pytest.fixture
def served(cache, monkeypatch):
    """A server that plays the hub, named as the mirror."""
    with hub_server() as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield server


@pytest.fixture
def model(served, tmp_path):
    served.add("org/model", written(tmp_path / "model", MODEL))
    return "org/model"


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_files_in_other_forms_are_left_out_where_there_are_better_ones():
    assert needed_files(MODEL) == [
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert needed_files(["pytorch_model.bin", "training_args.bin", "tf_model.h5"]) == ["pytorch_model.bin"]
    # The choice is made folder by folder: a head may be pickled beside safetensors above it.
    assert needed_files(["model.safetensors", "2_Dense/pytorch_model.bin"]) == [
        "2_Dense/pytorch_model.bin",
        "model.safetensors",
    ]


def test_a_folder_is_taken_as_it_is_and_nobody_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    assert resolve(str(tmp_path), revision="any") == tmp_path
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert resolve("org/model") == Path("org/model")


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "~/absent-model", "a/b/c", "two words/model"])
def test_what_is_no_id_is_said_to_be_no_folder(name):
    with pytest.raises(ModelError, match=r"no reader in the folder .*Name a folder"):
        resolve(name, what="reader")


def test_an_id_comes_with_the_files_that_are_needed_and_only_once(served, model):
    folder = resolve(model)
    assert files_of(folder) == needed_files(MODEL)
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {Path(n).name for n in needed_files(MODEL)}
    assert (folder / "model.safetensors").read_bytes() == MODEL["model.safetensors"]
    served.requests.clear()
    assert resolve(model) == folder
    assert served.requests == ["/api/models/org/model"]  # is there something newer? There is not


def test_a_newer_state_is_fetched(served, model, tmp_path):
    old = resolve(model)
    served.add("org/model", written(tmp_path / "model", {"more.json": b"{}"}))
    new = resolve(model)
    assert new != old
    assert (new / "more.json").is_file()


def test_a_revision_is_named_by_the_setting_or_in_the_id(served, model, tmp_path):
    commit = served.add("org/model", written(tmp_path / "old", {**MODEL, "old.json": b"{}"}), revision="v1")
    assert (resolve(model, "v1") / "old.json").is_file()
    assert resolve("org/model@v1").name == commit
    assert not (resolve(model) / "old.json").exists()
    served.requests.clear()
    assert resolve(model, commit).name == commit  # a commit never changes: nobody is asked
    assert served.requests == []
    with pytest.raises(ModelError, match="one revision and the settings another"):
        resolve("org/model@v1", "v2")


def test_what_there_is_not_and_what_is_not_given_are_told_apart(served, model, tmp_path):
    with pytest.raises(ModelError, match=r"embedder 'org/none'.*no model of this id \(HTTP 404\)"):
        resolve("org/none", what="embedder")
    with pytest.raises(ModelError, match=r"'org/model' \(revision v9\).*not this revision"):
        resolve(model, "v9")
    served.private.add("org/secret")
    with pytest.raises(ModelError, match=r"'org/secret'.*HTTP 401.*HF_TOKEN"):
        resolve("org/secret")
    served.add("org/gated", written(tmp_path / "gated", MODEL))
    served.gated.add("org/gated")
    with pytest.raises(ModelError, match=r"'org/gated' is gated.*Accept them on http.*/org/gated and set HF_TOKEN"):
        resolve("org/gated")


def test_a_model_without_weights_to_load_is_refused_before_it_is_fetched(served, tmp_path):
    served.add("org/gguf", written(tmp_path / "gguf", {"config.json": b"{}", "model.gguf": b"weights"}))
    with pytest.raises(ModelError, match="no weights are among its files"):
        resolve("org/gguf")
    assert not any("resolve" in path for path in served.requests)


@pytest.mark.parametrize("slow", ["delay", "tree_delay"])
def test_a_server_that_does_not_answer_is_given_up_within_seconds(served, model, monkeypatch, slow):
    monkeypatch.setattr(hub, "PATIENCE", 0.3)
    setattr(served, slow, 1.0)
    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"(?s)127\.0\.0\.1.*cannot be reached.*HF_ENDPOINT.*folder.*offline.*bundled"):
        resolve(model)
    assert time.monotonic() - begun < 0.9
    for thread in threading.enumerate():
        if thread.name == "hub":
            thread.join()  # while its server is still there


def test_without_a_network_the_message_names_the_cached_models(served, model, monkeypatch):
    resolve(model)
    nowhere = f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nowhere)
    begun = time.monotonic()
    with pytest.raises(
        ModelError, match=rf"(?s)'org/other' is not in the cache, and {nowhere} cannot .*holds: org/model"
    ):
        resolve("org/other")
    assert time.monotonic() - begun < 3


def test_without_a_network_a_cached_model_is_used_and_that_is_said(served, model, monkeypatch, caplog):
    folder = resolve(model)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    assert resolve(model) == folder
    assert "the cache is used" in caplog.text


def test_a_model_that_the_hub_no_longer_gives_is_used_from_the_cache(served, model):
    folder = resolve(model)
    served.private.add(model)
    assert resolve(model) == folder


@pytest.mark.parametrize("by", ["setting", "variable"])
def test_offline_only_the_cache_is_looked_at(served, model, monkeypatch, by):
    folder = resolve(model)
    served.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", by == "variable")
    assert resolve(model, offline=by == "setting") == folder
    with pytest.raises(ModelError, match=r"'org/other' is not in the cache, and nothing may be fetched.*org/model"):
        resolve("org/other", offline=by == "setting")
    assert served.requests == []


def test_an_incomplete_cache_is_not_taken_for_a_model(served, model):
    folder = resolve(model)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="in the cache, but not all of it"):
        resolve(model, offline=True)
    assert (resolve(model) / "model.safetensors").is_file()  # what is missing is fetched


def test_a_missing_part_of_the_weights_is_noticed_where_the_cache_has_no_list_of_files(
    served, cache, tmp_path, monkeypatch
):
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    parts = {"model-1.safetensors": b"1", "model-2.safetensors": b"2"}
    whole = {"config.json": b"{}", "model.safetensors.index.json": json.dumps(index).encode(), **parts}
    served.add("org/parts", written(tmp_path / "parts", whole))
    (resolve("org/parts") / "model-2.safetensors").unlink()
    # As an older client leaves it, which keeps no list.
    shutil.copytree(cache, tmp_path / "older", symlinks=True, ignore=shutil.ignore_patterns("trees"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "older"))
    with pytest.raises(ModelError, match="in the cache, but without model-2.safetensors"):
        resolve("org/parts", offline=True)


def test_a_download_that_breaks_off_says_so_and_goes_on_later(served, model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    served.truncated = True
    with pytest.raises(ModelError, match=r"(?s)download of the model 'org/model' broke off.*command again"):
        resolve(model)
    served.truncated = False
    assert (resolve(model) / "model.safetensors").read_bytes() == MODEL["model.safetensors"]


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "disk of .*cache is full"), (errno.EACCES, "may be written to")]
)
def test_a_full_disk_and_a_locked_folder_are_said_to_be_that(served, model, monkeypatch, number, told):
    def fails(*_, local_files_only=False, **__):
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("none")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(ModelError, match=rf"{told}.*HF_HOME|HF_HOME.*{told}"):
        resolve(model)


def test_the_mirror_is_the_one_the_environment_names(tmp_path):
    with hub_server() as server:
        commit = server.add("org/model", written(tmp_path / "model", MODEL))
        program = "import sys; from rag.hub import resolve; print(resolve('org/model', sys.argv[1]))"
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home")}

        def run(**more):
            command = [sys.executable, "-c", program, commit]
            return subprocess.run(
                command, env=environment | more, cwd=ROOT, capture_output=True, text=True, check=False
            )

        done = run()
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).is_relative_to(tmp_path / "home")
        assert server.requests
        strict = run(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty"))
        assert "nothing may be fetched" in strict.stderr


def test_the_command_line_names_models_and_forbids_the_network(served, tmp_path, capsys):
    page = tmp_path / "page.txt"
    page.write_text("moon tide")
    store = str(tmp_path / "store")
    assert main(["add", "--store", store, "--embedder", "org/none", "--offline", str(page)]) == 1
    assert "The embedder 'org/none' is not in the cache, and nothing may be fetched" in capsys.readouterr().err
    assert main(["add", "--store", store, str(page)]) == 0
    assert main(["ask", "--store", store, "--reranker", "org/none@v1", "--offline", "moon"]) == 1
    assert "The reranker 'org/none' (revision v1) is not in the cache" in capsys.readouterr().err
    assert served.requests == []


# -- ModelScope ------------------------------------------------------------------------------------


def test_modelscope_without_its_client_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "modelscope", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install modelscope"):
        resolve("modelscope:org/model")


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A module that answers as ModelScope's client does; `cached` says whether the model is there already."""
    module = types.SimpleNamespace(asked=[], cached=False)

    def fetch(name, revision=None, allow_patterns=None, ignore_patterns=None, local_files_only=False):
        module.asked.append((name, revision, local_files_only))
        if local_files_only and not module.cached:
            raise ValueError("Cannot find the requested files in the cached path")
        if name != "org/model":
            raise ValueError("404 Client Error: Not Found")
        written(tmp_path / "scope", {name: MODEL[name] for name in needed_files(MODEL)})
        return str(tmp_path / "scope")

    module.snapshot_download = fetch
    monkeypatch.setitem(sys.modules, "modelscope", module)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    return module


def test_a_model_of_modelscope_comes_through_its_client(client, tmp_path, monkeypatch):
    with hub_server() as server:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        assert resolve("modelscope:org/model@v2") == tmp_path / "scope"
        assert client.asked == [("org/model", "v2", True), ("org/model", "v2", False)]
        with pytest.raises(ModelError, match="(?s)'org/none' cannot be fetched from http.*404"):
            resolve("modelscope:org/none")


def test_modelscope_out_of_reach_or_offline_uses_its_cache(client, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(ModelError, match=r"cache of ModelScope, and http://127.0.0.1:\d+ cannot be reached"):
        resolve("modelscope:org/model")
    with pytest.raises(ModelError, match="nothing may be fetched"):
        resolve("modelscope:org/model", offline=True)
    client.cached = True
    assert resolve("modelscope:org/model") == tmp_path / "scope"
    assert resolve("modelscope:org/model", offline=True) == tmp_path / "scope"
