"""The training of the bundled embedder, on data small enough to read."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from training import embedder_data as data
from training import embedder_language, train_embedder
from training import embedder_training as training
from training import embedder_vocabulary as vocabulary

WORDS = [("月亮", "moon"), ("潮水", "tide"), ("经济", "economy"), ("城市", "city"), ("老师", "teacher")]


def write_json_rows(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_table(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.write("header\n")
        lines.writelines("\t".join(row) + "\n" for row in rows)


def question_row(question: str, context: str, lang: str = "zh", par: int = 0) -> dict[str, object]:
    return {"question": question, "context": context, "answers": ["x"], "lang": lang, "par": par}


def run_training(folder: Path, output: Path, work: Path) -> int:
    small = ["--tokens", "120", "--dim", "16", "--steps", "100", "--batch", "64"]
    return train_embedder.main(["--data", str(folder), "--output", str(output), "--work", str(work), *small])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a data folder with every file that the training reads, each of a few rows."""
    folder = tmp_path_factory.mktemp("data")
    questions = [question_row(f"{zh}在哪里？", f"这里有{zh}，还有别的。{en} is here.") for zh, en in WORDS]
    pairs: list[dict[str, object]] = [{"query": f"{zh}的消息", "passage": f"关于{zh}的消息在这里。"} for zh, _ in WORDS]
    parallel: list[dict[str, object]] = [{"zh": f"我看见{zh}了", "en": f"I see the {en}"} for zh, en in WORDS]
    for name in (name for names in data.PAIR_FILES.values() for name in names):
        kind = name.split("/")[0]
        write_json_rows(folder / f"{name}.jsonl.gz", {"qa": questions, "pairs": pairs, "parallel": parallel}[kind])
    for name in {*data.DICTIONARY_FILES, *data.WORD_FILES}:
        write_table(folder / f"lexicon/{name}.tsv.gz", WORDS)
    names = [("長城", "长城", "Chang2 cheng2", "Great Wall"), ("月亮", "月亮", "yue4 liang5", "moon")]
    write_table(folder / "lexicon/cedict_full.tsv.gz", names)
    write_table(folder / "lexicon/opencc_t2s.tsv.gz", [("經", "经"), ("濟", "济"), ("師", "师")])
    news: list[dict[str, object]] = [{"id": str(i), "text": f"昨天{zh}很好。" * 5} for i, (zh, _) in enumerate(WORDS)]
    write_json_rows(folder / "news/crud_news_01.jsonl.gz", [*news, {"id": "dev-news", "text": "问到的新闻"}])
    asked = [
        question_row("月亮在何处？", "月亮在天上。"),
        question_row("老师在何处？", "老师在学校。", par=1),
    ]
    english = [question_row("Where is the moon?", "The moon is up.", "en")]
    write_json_rows(folder / "qa/dev_cmrc2018_half.jsonl.gz", asked)
    write_json_rows(folder / "qa/dev_drcd.jsonl.gz", asked)
    write_json_rows(folder / "qa/dev_xquad_zh_en_half.jsonl.gz", asked + english)
    write_json_rows(folder / "qa/dev_crud_news.jsonl.gz", [question_row("a", "b") | {"gold_news_ids": ["dev-news"]}])
    return folder


@pytest.fixture(scope="module")
def model_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("model")
    assert run_training(folder, output, tmp_path_factory.mktemp("work")) == 0
    return output


def test_trained_model_loads_and_pairs_words_with_their_translations(model_folder: Path) -> None:
    model = SentenceTransformer(str(model_folder), device="cpu")
    chinese = model.encode([zh for zh, _ in WORDS])
    english = model.encode([en for _, en in WORDS])
    assert chinese.dtype == np.float32
    assert np.linalg.norm(chinese, axis=1) == pytest.approx(1.0)
    assert (chinese @ english.T).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_traditional_text_has_the_embedding_of_the_simplified(model_folder: Path) -> None:
    simplified, traditional = SentenceTransformer(str(model_folder), device="cpu").encode(["经济老师", "經濟老師"])
    assert traditional == pytest.approx(simplified)


def test_text_without_known_tokens_is_the_zero_vector(model_folder: Path) -> None:
    assert not SentenceTransformer(str(model_folder), device="cpu").encode(["", "？！", "🙂"]).any()


def test_equal_seeds_give_equal_files(model_folder: Path, folder: Path, tmp_path: Path) -> None:
    assert run_training(folder, tmp_path, tmp_path / "work") == 0
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (model_folder / name).read_bytes()


def test_card_names_every_file_with_its_licence(model_folder: Path, folder: Path) -> None:
    card = (model_folder / "README.md").read_text(encoding="utf-8")
    for path in folder.glob("[pl]*/train_*.gz"):
        assert path.name in card
    assert "| lexicon/cedict_zh_en.tsv.gz | CC-CEDICT | CC BY-SA 4.0 | 5 |" in card
    assert str(folder) not in card


def test_texts_of_the_development_sets_are_left_out(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*.gz"):
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    clean = data.read_training_texts(tmp_path)
    assert clean.dropped == 1  # the news article that a development question is asked of
    leaked = [
        question_row("月亮在何處", "别的。"),
        question_row("别的？", "老师，在学校！"),
        question_row("好？", "好。"),
    ]
    write_json_rows(tmp_path / "qa/train_cmrc2018.jsonl.gz", leaked)
    texts = data.read_training_texts(tmp_path)
    assert texts.dropped == 3
    assert texts.rows["qa/train_cmrc2018.jsonl.gz"] == 1
    assert data.count_leaks(texts, tmp_path) == 0
    texts.news.append("老師在學校")
    assert data.count_leaks(texts, tmp_path) == 1


def test_absent_data_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "nothing"
    assert train_embedder.main(["--data", str(absent), "--output", str(tmp_path / "model")]) == 2
    assert f"There is no data folder {absent}" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_chinese_tokens_are_characters_or_words() -> None:
    texts = ["我们的合作很好", "他们的合作不好", "合作的经济", "the moon"] * 20
    tokenizer = vocabulary.train_tokenizer(texts, {"合作", "经济"}, 100)
    han = {token for token in tokenizer.get_vocab() if vocabulary.is_han(token)}
    assert {token for token in han if len(token) > 1} <= {"合作", "经济"}
    assert set("我们的合作很好他不经济") <= han
    assert tokenizer.encode("合作，MOON", add_special_tokens=False).tokens[0] == "合作"


def test_token_lists_take_and_keep_the_right_tokens() -> None:
    lists = training.TokenLists.of([[1, 2, 3], [], [4, 5]])
    taken = lists.take(np.array([2, 0, 0]), np.array([0, 1, 0]), np.array([1, 9, 9]))
    assert (taken.ids.tolist(), taken.lengths.tolist()) == ([4, 2, 3, 1, 2, 3], [1, 2, 3])
    kept = taken.keep(np.array([True, False, True, False, True, False]))
    assert (kept.ids.tolist(), kept.starts.tolist(), kept.lengths.tolist()) == (
        [4, 3, 2],
        [0, 1, 2],
        [1, 1, 1],
    )


def test_cloze_query_comes_from_the_same_text_as_its_passage() -> None:
    texts = training.TokenLists.of([list(range(100 * i, 100 * i + 60)) for i in range(8)])
    source = training.Source("news", texts, texts, np.arange(8), is_cloze=True)
    plan = training.Plan(steps=1, batch=8, passage_tokens=48)
    batch = training.draw_batch(source, training.Language.none(800), plan, np.random.default_rng(0))
    assert (batch.queries.lengths >= 4).all()
    for lists in (batch.queries, batch.passages):
        assert (np.repeat(batch.groups, lists.lengths) == lists.ids // 100).all()


def test_killed_training_goes_on_and_gives_the_same_model(
    model_folder: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    step = training._train_step

    def until_the_seventieth(state: training.State, batch: training.Batch, plan: training.Plan) -> float:
        if state.step == 70:
            raise KilledError
        return step(state, batch, plan)

    monkeypatch.setattr(train_embedder, "EVERY", 40)
    monkeypatch.setattr(training, "_train_step", until_the_seventieth)
    with pytest.raises(KilledError):
        run_training(folder, tmp_path / "model", tmp_path / "work")
    steps: list[int] = []

    def noted(state: training.State, batch: training.Batch, plan: training.Plan) -> float:
        steps.append(state.step)
        return step(state, batch, plan)

    monkeypatch.setattr(training, "_train_step", noted)
    assert run_training(folder, tmp_path / "model", tmp_path / "work") == 0
    assert steps == list(range(41, 101))
    found, expected = (path / "model.safetensors" for path in (tmp_path / "model", model_folder))
    assert found.read_bytes() == expected.read_bytes()
    log = [json.loads(line) for line in (tmp_path / "work/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in log] == [40, 80, 100]
    assert {"loss", "seconds", "CMRC 2018 (half) zh→zh"} <= log[0].keys()


def test_checkpoint_of_another_plan_is_left_alone(tmp_path: Path) -> None:
    texts = training.TokenLists.of([[i, i + 1] for i in range(1, 9)])
    source = training.Source("pairs", texts, texts, np.arange(8))
    start, language = np.eye(10, dtype=np.float32), training.Language.none(10)
    plans = [training.Plan(steps=4, batch=8), training.Plan(steps=4, batch=4)]
    first, other = (training.train_rows(start, [source], language, plan, tmp_path, every=2) for plan in plans)
    assert np.array_equal(other, training.train_rows(start, [source], language, plans[1]))
    assert not np.array_equal(first, other)


def test_mined_negatives_are_the_nearest_that_are_neither_right_nor_copies() -> None:
    table = np.array([[0, 0], [1, 0], [0.999, 0.04], [0.8, 0.6], [0.5, 0.9], [0, 1]], np.float32)
    queries = training.TokenLists.of([[1]] * 5)
    passages = training.TokenLists.of([[1], [2], [3], [4], [5]])
    source = training.Source("pairs", queries, passages, np.array([0, 1, 2, 3, 0]))
    plan = training.Plan(steps=1, negatives=2)
    found = training.mine_negatives(table, source, plan, np.random.default_rng(0))
    assert found[0].tolist() == [2, 3]  # not 0, its own; not 1, a copy of it
    assert found[2].tolist() == [0, 1]
    assert found[4].tolist() == [1, 2]  # passage 0 has the group of passage 4


def test_wrong_passages_stand_behind_the_right_ones() -> None:
    lists = training.TokenLists.of([[1], [2], [3]])
    source = training.Source("pairs", lists, lists, np.arange(3))
    plan = training.Plan(steps=1, batch=2, negatives=1)
    mined = np.array([[1], [2], [-1]])
    batch = training.draw_batch(source, training.Language.none(4), plan, np.random.default_rng(0), mined)
    assert batch.passages.ids[:2].tolist() == batch.queries.ids.tolist()
    assert set(batch.passages.ids[2:].tolist()) == {mined[i - 1, 0] + 1 for i in batch.queries.ids} - {0}
    assert (batch.groups == batch.passages.ids - 1).all()


def test_exchanges_follow_their_chances_and_leave_other_tokens() -> None:
    options = training.TokenLists.of([[7, 8], [9]])
    exchanges = training.Exchanges(10, np.array([2, 2]), options, np.array([3.0, 1.0]))
    lists = training.TokenLists.of([[2]] * 4000 + [[1, 3]])
    changed = exchanges.apply(lists, np.ones(len(lists.ids), np.bool_), np.random.default_rng(0))
    assert (changed.lengths[:-1] == 2).mean() == pytest.approx(0.75, abs=0.03)
    assert changed.ids[-2:].tolist() == [1, 3]


def test_shorter_vectors_are_trained_to_do_by_themselves() -> None:
    rng = np.random.default_rng(0)
    texts = training.TokenLists.of([[i, i] for i in range(1, 41)])
    others = training.TokenLists.of([[i, i] for i in range(41, 81)])
    source = training.Source("pairs", texts, others, np.arange(40))
    start = rng.standard_normal((81, 32)).astype(np.float32)

    def right(prefixes: tuple[int, ...]) -> float:
        plan = training.Plan(steps=60, batch=40, learning_rate=0.02, prefixes=prefixes)
        rows = training.train_rows(start, [source], training.Language.none(81), plan)
        short = training.embed_lists(rows, texts, 4) @ training.embed_lists(rows, others, 4).T
        return float((short.argmax(axis=1) == np.arange(40)).mean())

    assert right((4,)) > right(()) + 0.2


def test_mistakes_sound_alike() -> None:
    sounds = embedder_language.like_sounding(Counter("柳州粥周洲a"))
    assert sorted(sounds["州"]) == sorted("粥周洲")
    assert sounds["柳"] == []


def test_interval_resamples_passages_with_their_questions() -> None:
    right, passages = np.array([True, True, False, False]), np.array([5, 5, 9, 9])
    assert train_embedder.interval(right, passages) == (0.0, 1.0)
    assert train_embedder.interval(np.ones(4, np.bool_), passages) == (1.0, 1.0)


def test_text_of_our_own_evaluation_is_withheld(tmp_path: Path) -> None:
    withheld = data.withheld_texts(tmp_path)
    question = json.loads((data.ROOT / "eval/data/questions.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert withheld.holds(question["question"])
    article = "".join((data.ROOT / "rag/data/liuzhou.txt").read_text(encoding="utf-8").split())
    assert withheld.holds("昨天有人说：" + article[300:380])
    for path in (data.ROOT / "eval/data/texts").glob("*.txt"):
        assert withheld.holds(path.read_text(encoding="utf-8")[100:500])
    assert not withheld.holds("今天天气很好，我们去公园。")


def test_shared_run_of_characters_is_found_wherever_it_stands() -> None:
    context = "".join(chr(0x4E00 + 7 * i) for i in range(120))
    withheld = data.Withheld([context])
    for start in range(0, 70, 9):
        assert withheld.holds("某" * 11 + context[start : start + 2 * data.BLOCK] + "某")
    assert not withheld.holds(context[3 : 3 + data.BLOCK - 1])
