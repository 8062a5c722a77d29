"""The training of the bundled embedder, on data small enough to read."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from training import embedder_data as data
from training import embedder_training as training
from training import embedder_vocabulary as vocabulary
from training import train_embedder

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


def run_training(folder: Path, output: Path) -> int:
    small = ["--tokens", "120", "--dim", "16", "--minutes", "0.1"]
    return train_embedder.main(["--data", str(folder), "--output", str(output), *small])


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
    assert run_training(folder, output) == 0
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
    assert run_training(folder, tmp_path) == 0
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
    source = training.Source("news", 1.0, texts, texts, np.arange(8), is_cloze=True)
    no_glosses = (np.zeros(2, np.int64), training.TokenLists.of([]))
    plan = training.Plan(steps=1, batch=8, passage_tokens=48)
    queries, passages, groups = training.draw_batch(source, no_glosses, plan, np.random.default_rng(0))
    assert (queries.lengths >= 4).all()
    for lists in (queries, passages):
        assert (np.repeat(groups, lists.lengths) == lists.ids // 100).all()
