"""Choices of models and strictness, their test, and the change to them."""

import gc
import threading
import time

import numpy as np
import pytest

from rag.cli import main
from rag.documents import document_from_text
from rag.embedder import BUNDLED_FOLDER
from rag.errors import InputError, ModelError, StoreError
from rag.page import change as changing
from rag.page import trial as trials
from rag.page.change import Making, UnfitError, change
from rag.page.choices import (
    ANSWER_MS,
    K_BOUNDS,
    OF_NAMED,
    PARTS,
    TEXTS_PER_SECOND,
    bundled_size,
    choices,
    kind_of,
    level_of,
    model_size,
    privacy,
    shown_size,
    strictness,
)
from rag.page.service import Service
from rag.page.trial import try_out
from rag.pipeline import Pipeline, reindex
from rag.reader import load_weights
from rag.settings import ARTICLE, PACKAGE, STORE_FILE, Settings
from rag.store import kept_settings
from tests.chat_server import chat_server
from tests.fakes import WordCountEmbedder

TEXTS = ("潮汐由月亮引起。", "The moon and the cat.", "会议于3月5日在北京召开。")


def folder_of(path, files):
    path.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


@pytest.fixture
def service(folder):
    chat = Pipeline(folder, Settings())
    for number, text in enumerate(TEXTS):
        chat.add_document(document_from_text(text, source=f"text{number}"))
    made = Service(chat)
    yield made
    made.close()
    chat.close()


@pytest.fixture
def other_embedder(tmp_path):
    """A folder with the bundled embedder's files and another configuration: another model, for what it is known by."""
    place = tmp_path / "other"
    place.mkdir()
    for path in BUNDLED_FOLDER.rglob("*"):
        if path.is_file():
            target = place / path.relative_to(BUNDLED_FOLDER)
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(path)
    (place / "added.json").write_text("{}")
    return str(place)


# -- What there is to choose from ------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_a_default_that_needs_no_network_and_sends_nothing(part):
    default = choices(part)[0]
    assert default.network.en == "Needs no network."
    assert default.privacy.en == "Questions and documents stay on this machine."
    changed = Settings().changed({part: default.value or None})
    assert changed == Settings()


def test_every_choice_is_said_in_both_languages():
    for part in PARTS:
        for choice in choices(part):
            for said in (choice.title, choice.size, choice.network, choice.speed, choice.privacy):
                assert bool(said.zh) == bool(said.en)
                assert not said.zh or any("\u4e00" <= character <= "\u9fff" for character in said.zh)
                assert said.en.isascii()


def test_what_holds_for_every_model_of_ones_own_is_said_once():
    for part in PARTS:
        for choice in choices(part)[1:]:
            assert "测试" not in choice.size.zh + choice.speed.zh
    assert "测试" in OF_NAMED.zh


def test_the_sizes_are_those_of_the_files():
    assert bundled_size("embedder") == sum(p.stat().st_size for p in BUNDLED_FOLDER.rglob("*") if p.is_file())
    assert choices("embedder")[0].size.en.startswith(f"{bundled_size('embedder') / 1e6:.0f} MB")
    assert choices("reader")[0].size.zh.startswith(f"{bundled_size('reader') / 1e6:.0f} MB")
    assert bundled_size("generator") == bundled_size("reranker") == 0
    assert [shown_size(size) for size in (900, 22_400_000, 1_300_000_000)] == ["1 KB", "22 MB", "1.3 GB"]


def test_the_speeds_are_those_of_the_table_of_models():
    table = (PACKAGE.parent / "models.md").read_text(encoding="utf-8")
    assert f"| adding 2000 texts, texts/s | {TEXTS_PER_SECOND:.0f} |" in table
    assert f"| warm answer, ms, median | {ANSWER_MS} |" in table


def test_only_a_server_is_sent_anything():
    server = choices("generator")[-1]
    assert server.kind == "server"
    assert "sent to that server" in server.privacy.en
    others = [choice for part in PARTS for choice in choices(part) if choice.kind != "server"]
    assert {choice.privacy.zh for choice in others} == {"问题和文档都不离开这台机器。"}


def test_where_questions_go_is_said_with_the_address():
    assert privacy(Settings()).en == "Questions and documents stay on this machine."
    far = privacy(Settings(generator="openai:big", generator_url="https://api.example.org/v1"))
    assert "https://api.example.org/v1" in far.zh
    assert "this machine" not in far.en
    near = privacy(Settings(generator="openai:big", generator_url="http://127.0.0.1:11434/v1"))
    assert near.en.endswith("http://127.0.0.1:11434/v1 (on this machine).")


def test_who_visits_a_server_is_not_told_of_this_machine():
    assert privacy(Settings(), remote=True).en == "Questions and documents stay on this server."
    assert privacy(Settings(), remote=True).zh == "问题和文档都不离开这台服务器。"
    near = privacy(Settings(generator="openai:big", generator_url="http://127.0.0.1:11434/v1"), remote=True)
    assert near.en.endswith("http://127.0.0.1:11434/v1 (on this server).")


def test_the_kind_in_use_is_told(tmp_path):
    assert [kind_of(Settings(), part) for part in PARTS] == ["bundled", "bundled", "none", "bundled"]
    assert kind_of(Settings(embedder=str(tmp_path)), "embedder") == "folder"
    assert kind_of(Settings(reranker="ORG/NAME"), "reranker") == "hub"
    assert kind_of(Settings(generator="openai:x"), "generator") == "server"


def test_the_size_of_a_named_model_is_told_where_it_is_here(tmp_path):
    place = folder_of(tmp_path / "m", {"model.safetensors": b"x" * 1000, "config.json": b"{}", "notes.pdf": b"x" * 99})
    assert model_size(Settings(reader=str(place)), "reader") == 1002
    assert model_size(Settings(reader="ORG/ABSENT"), "reader") is None
    assert model_size(Settings(generator="openai:x"), "generator") is None


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "x" * 5000, "/" + "x" * 5000, "ORG/" + "x" * 300])
def test_a_name_that_no_folder_can_have_is_one_of_a_hub_where_there_is_none(name):
    settings = Settings(reader=name, offline=True)
    assert kind_of(settings, "reader") == "hub"
    assert model_size(settings, "reader") is None
    trial = try_out(settings, "reader")
    assert not trial.ok
    assert "does not work" not in trial.said.en


# -- How strict ------------------------------------------------------------------------------------


def test_the_levels_are_points_of_the_readers_curve():
    curve = {point.threshold: point for point in load_weights().curve}
    levels = strictness()
    assert [level.key for level in levels] == ["always", "more", "standard", "careful", "sure"]
    for level in levels:
        point = curve[load_weights().threshold if level.threshold is None else level.threshold]
        assert level.said.en.startswith(f"answers {point.answered:.0%} ")
        assert f"; {point.wrong:.0%} of its answers" in level.said.en


def test_the_default_says_what_the_table_of_thresholds_says():
    standard = strictness()[2]
    assert standard.said.zh == "有答案的问题会回答83%，给出的回答里38%是错的"
    assert standard.said.en == "answers 83% of what can be answered; 38% of its answers are wrong"


def test_a_threshold_is_recognised_as_a_level():
    for level in strictness():
        assert level_of(level.threshold) == level
        assert Settings().changed({"threshold": level.threshold}).threshold == level.threshold
    assert level_of(load_weights().threshold) == strictness()[2]
    assert level_of(0.33) is None


def test_k_has_the_bounds_of_the_settings():
    least, most = K_BOUNDS
    assert (Settings().changed({"k": least}).k, Settings().changed({"k": most}).k) == (1, most)
    for wrong in (least - 1, most + 1):
        with pytest.raises(InputError):
            Settings().changed({"k": wrong})


# -- The test of a model ---------------------------------------------------------------------------


def test_the_bundled_models_pass_their_test_and_tell_what_they_are():
    embedder = try_out(Settings(), "embedder")
    assert embedder.ok
    assert f"可用。{shown_size(bundled_size('embedder'))}；512 维" in embedder.said.zh
    reader = try_out(Settings(), "reader")
    assert reader.ok
    assert "3月5日" in reader.said.zh
    assert try_out(Settings(), "reranker").ok
    assert try_out(Settings(), "generator").said.en.startswith("It works. It quotes the text")


@pytest.mark.parametrize("part", PARTS)
def test_a_model_that_is_not_there_fails_its_test_with_the_reason(part, tmp_path):
    trial = try_out(Settings(offline=True).changed({part: str(tmp_path / "absent")}), part)
    assert not trial.ok
    assert "absent" in trial.said.en
    assert trial.said.zh


def test_a_server_is_asked_for_a_sentence():
    with chat_server() as server:
        server.pieces = ["<think>hm</think>月亮", "绕着地球转。"]
        trial = try_out(Settings(generator="openai:tiny", generator_url=server.url), "generator")
    assert trial.ok
    assert "它写道：“月亮绕着地球转。”" in trial.said.zh


def test_a_server_that_writes_without_end_is_left():
    with chat_server() as server:
        server.pieces = ["月" * 30] * 400
        server.between = 0.05
        began = time.monotonic()
        trial = try_out(Settings(generator="openai:tiny", generator_url=server.url), "generator")
    assert trial.ok
    assert time.monotonic() - began < 5
    assert "月" * 99 + "…" in trial.said.zh


def test_a_server_that_takes_too_long_is_left():
    with chat_server() as server:
        server.before = 20.0
        settings = Settings(generator="openai:tiny", generator_url=server.url)
        assert "did not answer within 0 s" in try_out(settings, "generator", seconds=0.3).said.en
        end = time.monotonic() + 10
        while trials._trying.locked() and time.monotonic() < end:
            time.sleep(0.01)
        assert not trials._trying.locked()


def test_a_server_that_refuses_or_says_nothing_fails_the_test(monkeypatch):
    monkeypatch.setenv("RAG_GENERATOR_KEY", "sk-secret")
    settings = Settings(generator="openai:tiny", generator_retries=0, generator_timeout=2.0)
    with chat_server() as server:
        server.statuses = [401]
        server.echo_key = True
        trial = try_out(settings.changed({"generator_url": server.url}), "generator")
        assert not trial.ok
        assert "HTTP 401" in trial.said.en
        assert "sk-secret" not in repr(trial)
        server.pieces = [""]
        assert "wrote nothing" in try_out(settings.changed({"generator_url": server.url}), "generator").said.en
    trial = try_out(settings.changed({"generator_url": "http://127.0.0.1:9/v1"}), "generator")
    assert not trial.ok


class Odd(WordCountEmbedder):
    def embed_passages(self, texts):
        return np.ones((len(texts), self.dim), np.float32) / np.sqrt(np.float32(self.dim))


class Zero(WordCountEmbedder):
    def embed_passages(self, texts):
        return np.zeros((len(texts), self.dim), np.float32)


@pytest.mark.parametrize(("embedder", "said"), [(Odd, "the same vector"), (Zero, "no usable vectors")])
def test_an_embedder_whose_vectors_tell_nothing_fails_its_test(embedder, said, monkeypatch):
    monkeypatch.setattr(trials, "load_embedder", lambda settings: embedder())
    trial = try_out(Settings(), "embedder")
    assert not trial.ok
    assert said in trial.said.en


def test_a_reranker_that_prefers_what_is_beside_the_point_fails_its_test(monkeypatch):
    class Backwards:
        name = "backwards"

        def score(self, query, texts):
            return np.arange(len(texts), dtype=np.float32)

    monkeypatch.setattr(trials, "load_reranker", lambda settings: Backwards())
    assert "does not put" in try_out(Settings(reranker="x"), "reranker").said.en


def test_a_fault_of_a_library_is_a_failed_test(monkeypatch):
    def broken(settings):
        raise KeyError("weights")

    monkeypatch.setattr(trials, "load_span_model", broken)
    trial = try_out(Settings(), "reader")
    assert (trial.ok, trial.said.en) == (False, "The model does not work: KeyError: 'weights'")


def test_a_test_that_takes_too_long_is_reported_and_only_one_runs_at_a_time(monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(trials, "load_span_model", lambda settings: goes_on.wait(20))
    late = try_out(Settings(), "reader", seconds=0.05)
    assert not late.ok
    assert "still be downloading" in late.said.en
    assert "Another test is still running" in try_out(Settings(), "embedder").said.en
    goes_on.set()
    end = time.monotonic() + 10
    while not (trial := try_out(Settings(), "embedder")).ok and time.monotonic() < end:
        time.sleep(0.01)
    assert trial.ok


# -- The change ------------------------------------------------------------------------------------


def test_a_change_is_said_before_it_is_made(service):
    before = service.pipeline
    planned = change(service, {"k": 3, "threshold": 0.5})
    assert (planned.reindex, planned.names) == (False, ("k", "threshold"))
    assert "at once" in planned.said.en
    assert service.pipeline is before


def test_a_change_counts_at_once_and_is_kept_with_the_store(service):
    before = service.pipeline
    made = change(service, {"k": 3}).apply(service)
    assert service.pipeline is made
    assert (made.settings.k, len(made.search("月亮"))) == (3, 3)
    assert made.embedder is before.embedder
    change(service, {"threshold": 0.5}).apply(service)
    assert kept_settings(made.store.folder) == {"k": 3, "threshold": 0.5}


def test_what_stays_the_same_is_not_loaded_again(service):
    spans, generator = service.pipeline.spans, service.pipeline.generator
    made = change(service, {"k": 3}).apply(service)
    assert made.spans is spans
    assert made.generator is generator


def test_no_change_does_nothing(service):
    before = service.pipeline
    planned = change(service, {"k": 8})
    assert planned.said.zh == "没有要更改的。"
    assert planned.apply(service) is before


@pytest.mark.parametrize("chosen", [{"k": 0}, {"threshold": 2.0}, {"device": "cuda"}, {"reader": ""}])
def test_what_cannot_be_chosen_is_refused(service, chosen):
    with pytest.raises(InputError):
        change(service, chosen)


@pytest.mark.parametrize("part", ["reader", "reranker", "generator", "embedder"])
def test_a_model_that_fails_leaves_everything_as_it_was(service, part, tmp_path):
    before = service.pipeline
    with pytest.raises(ModelError):
        change(service, {part: str(tmp_path / "absent")}).apply(service)
    assert service.pipeline is before
    assert len(before.search("月亮")) == 3
    assert kept_settings(before.store.folder) == {}


@pytest.mark.parametrize("kind", ["silent", "absent", "slow"])
def test_a_server_that_does_not_work_is_not_used_unless_that_is_wanted(service, kind, monkeypatch):
    monkeypatch.setattr(changing, "SERVER_SECONDS", 2.0)
    before = service.pipeline
    with chat_server() as server:
        server.pieces = [""]
        server.before = 60.0 if kind == "slow" else 0.0
        url = "http://127.0.0.1:9/v1" if kind == "absent" else server.url
        chosen = {"generator": "openai:tiny", "generator_url": url}
        with pytest.raises(UnfitError) as raised:
            change(service, chosen).apply(service)
        assert str(raised.value).endswith("Nothing was changed.")
        assert raised.value.said("zh").endswith("设置没有更改。")
        assert service.pipeline is before
        assert change(service, chosen).apply(service, anyway=True).settings.generator == "openai:tiny"
    if kind == "slow":
        assert "did not answer within 2 s" in str(raised.value)


def test_a_server_that_works_is_used(service):
    with chat_server() as server:
        server.pieces = ["月亮绕着地球转。"]
        made = change(service, {"generator": "openai:tiny", "generator_url": server.url}).apply(service)
        assert made.settings.generator == "openai:tiny"
        assert len(server.requests) == 1


def test_a_model_that_is_not_there_cannot_be_used_all_the_same(service, tmp_path):
    with pytest.raises(ModelError) as raised:
        change(service, {"reader": str(tmp_path / "absent")}).apply(service)
    assert not isinstance(raised.value, UnfitError)


def test_another_part_that_fails_stops_a_change_of_the_embedder_before_anything_is_done(
    service, other_embedder, tmp_path
):
    before = service.pipeline
    with pytest.raises(ModelError):
        change(service, {"embedder": other_embedder, "reader": str(tmp_path / "absent")}).apply(service)
    assert service.pipeline is before
    assert len(before.search("月亮")) == 3


def test_another_embedder_says_what_it_takes_and_indexes_everything_anew(service, other_embedder):
    planned = change(service, {"embedder": other_embedder})
    assert (planned.reindex, planned.documents, planned.passages, planned.seconds) == (True, 3, 3, None)
    assert "3 documents (3 passages)" in planned.said.en
    assert "known once the model was tested" in planned.said.en
    assert try_out(planned.settings, "embedder").ok
    planned = change(service, {"embedder": other_embedder})
    assert planned.seconds is not None
    assert "大约 1 秒" in planned.said.zh
    shown = []
    made = planned.apply(service, lambda done, total: shown.append((done, total)))
    assert shown[-1] == (3, 3)
    assert service.pipeline is made
    assert made.embedder.name == other_embedder
    assert made.search("潮汐")[0].passage.text == TEXTS[0]
    assert kept_settings(made.store.folder) == {"embedder": other_embedder}
    again = Pipeline(made.store.folder, Settings().changed(kept_settings(made.store.folder)))
    assert len(again.search("月亮")) == 3
    again.close()


def test_a_change_of_the_embedder_that_is_stopped_leaves_everything_as_it_was(service, other_embedder):
    before = service.pipeline
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoreError, match="stopped"):
        change(service, {"embedder": other_embedder}).apply(service, stop=stop)
    assert service.pipeline is before
    assert len(before.search("月亮")) == 3


def test_of_two_changes_at_once_the_second_is_refused(service, monkeypatch):
    first, second = change(service, {"k": 3}), change(service, {"k": 4})
    first.apply(service)
    with pytest.raises(InputError, match="changed by somebody else") as raised:
        second.apply(service)
    assert "重新载入" in raised.value.said("zh")
    third = change(service, {"k": 5})
    with changing._changing, pytest.raises(InputError, match="being changed already"):
        third.apply(service)
    third.apply(service)
    assert service.pipeline.settings.k == 5


def test_the_pipeline_before_answers_what_is_under_way_and_is_closed_when_nobody_holds_it(folder):
    service = Service(Pipeline(folder, Settings()))
    service.pipeline.add(ARTICLE)
    under_way = service.pipeline.stream("柳州的四大定位是什么")
    store = service.pipeline.store
    change(service, {"k": 5}).apply(service)
    gc.collect()
    assert len(store.document_ids()) == 1
    assert list(under_way)[-1].verdict == "answered"
    gc.collect()
    with pytest.raises(StoreError):
        store.document_ids()
    service.close()


def test_a_broken_part_does_not_keep_others_from_being_changed(folder, tmp_path):
    broken = Settings(generator=str(tmp_path / "absent"), reranker=str(tmp_path / "absent"))
    service = Service(Pipeline(folder, broken))
    service.pipeline.add_document(document_from_text(TEXTS[0], source="x"))
    assert change(service, {"k": 3}).apply(service).settings.k == 3
    assert change(service, {"reranker": None, "generator": "extractive"}).apply(service).search("月亮")
    service.close()


def test_a_change_may_be_made_while_a_page_looks_on(service, other_embedder, tmp_path):
    making = Making(service, change(service, {"embedder": other_embedder}))
    assert making.wait(30)
    assert (making.is_over, making.error, making.done, making.total) == (True, None, 3, 3)
    assert service.pipeline.embedder.name == other_embedder
    failing = Making(service, change(service, {"reader": str(tmp_path / "absent")}))
    assert failing.wait(30)
    assert isinstance(failing.error, ModelError)


def test_a_fault_of_the_program_is_told_to_the_page(service, monkeypatch):
    def broken(*_):
        raise KeyError("x")

    monkeypatch.setattr(changing, "_load", broken)
    making = Making(service, change(service, {"k": 3}))
    assert making.wait(30)
    assert making.error is not None
    assert "KeyError" in making.error.said("zh")
    assert service.pipeline.settings.k == 8


def test_a_change_that_is_stopped_at_once_is_told(service, other_embedder):
    before = service.pipeline
    making = Making(service, change(service, {"embedder": other_embedder}))
    making.stop()
    assert making.wait(30)
    assert "stopped" in str(making.error)
    assert service.pipeline is before


def test_where_there_is_no_store_nothing_was_chosen(folder):
    assert kept_settings(folder) == {}
    assert not folder.exists()


def test_an_embedder_that_was_chosen_is_forgotten_where_the_store_was_indexed_anew_for_another(service, other_embedder):
    change(service, {"embedder": other_embedder, "k": 3}).apply(service)
    folder = service.pipeline.store.folder
    reindex(folder, Settings()).close()
    assert kept_settings(folder) == {"k": 3}


def test_reading_what_was_chosen_loads_no_model_and_tells_a_damaged_store(folder):
    folder.mkdir()
    (folder / STORE_FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="is damaged"):
        kept_settings(folder)


def test_another_model_does_not_take_the_revision_of_the_one_before(service):
    chat = service.pipeline
    service.use(Pipeline(chat.store.folder, Settings(reader="ORG/NAME", reader_revision="v1")))
    assert change(service, {"reader": "bundled"}).settings == Settings()
    assert change(service, {"reader": "ORG/OTHER", "reader_revision": "v2"}).settings.reader_revision == "v2"
    assert change(service, {"k": 3}).settings.reader_revision == "v1"


def test_commands_use_the_embedder_that_was_chosen_for_the_store(service, other_embedder, capsys):
    change(service, {"embedder": other_embedder}).apply(service)
    assert main(["list", "--store", str(service.pipeline.store.folder)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
