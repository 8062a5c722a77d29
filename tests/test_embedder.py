import json
import shutil
import socket

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, StaticEmbedding, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from rag.documents import document_from_text
from rag.embedder import (
    BUNDLED_FOLDER,
    KNOWN_PROMPTS,
    SentenceTransformersEmbedder,
    StaticEmbedder,
    known_prompts,
    load_embedder,
)
from rag.errors import ModelError
from rag.folding import fold
from rag.passages import split_document
from rag.pipeline import Pipeline
from rag.settings import Settings
from tests.hub_server import hub_server

TEXTS = ["柳州的四大定位是什么", "Who chaired the meeting?", "汽车产业是柳州的主导产业，", "x" * 3000]


def word_tokenizer():
    vocabulary = {
        word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "moon", "tide", "cat", "q", "p", ":"])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.fixture(scope="module")
def transformer_folder(tmp_path_factory):
    """A real transformer of a few thousand weights, saved as sentence-transformers saves any model."""
    folder = tmp_path_factory.mktemp("transformer")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = BertConfig(
        vocab_size=10,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=12)
    model = SentenceTransformer(modules=[transformer, Pooling(16)], prompts={"query": "q : ", "document": "p : "})
    model.save(str(folder / "model"))
    return folder / "model"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_the_bundled_model_gives_what_sentence_transformers_gives():
    ours = load_embedder(Settings())
    assert isinstance(ours, StaticEmbedder)
    theirs = SentenceTransformer(str(BUNDLED_FOLDER), local_files_only=True, device="cpu")
    expected = theirs.encode([fold(text) for text in TEXTS], normalize_embeddings=True)
    assert np.allclose(ours.embed_passages(TEXTS), expected, atol=2e-3)
    assert np.allclose(np.linalg.norm(ours.embed_queries(TEXTS), axis=1), 1, atol=1e-5)


def test_a_static_model_in_a_folder_gives_what_sentence_transformers_gives(tmp_path):
    weights = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(word_tokenizer(), embedding_weights=weights), Normalize()])
    model.save(str(tmp_path / "static"))
    ours = load_embedder(Settings(embedder=str(tmp_path / "static"), query_prompt="q : "))
    assert isinstance(ours, StaticEmbedder)
    assert np.allclose(ours.embed_passages(["moon tide"]), model.encode(["moon tide"]), atol=1e-6)
    assert np.allclose(ours.embed_queries(["moon"]), model.encode(["q : moon"]), atol=1e-6)


def test_a_text_without_any_token_is_a_row_of_zeros():
    assert not load_embedder(Settings()).embed_passages([""]).any()
    assert load_embedder(Settings()).embed_passages([]).shape == (0, load_embedder(Settings()).dim)


def test_the_bundled_model_sees_traditional_and_simplified_as_one():
    one, other = load_embedder(Settings()).embed_queries(["優必選機器人", "优必选机器人"])
    assert np.allclose(one, other)


def test_any_sentence_transformers_folder_loads_with_its_own_prompts_and_limit(transformer_folder, no_network):
    ours = load_embedder(Settings(embedder=str(transformer_folder)))
    assert isinstance(ours, SentenceTransformersEmbedder)
    assert (ours.dim, ours.max_tokens) == (16, 12)
    theirs = SentenceTransformer(str(transformer_folder), local_files_only=True, device="cpu")
    assert np.allclose(
        ours.embed_queries(["moon"]), theirs.encode(["q : moon"], prompt="", normalize_embeddings=True), atol=1e-5
    )
    assert not np.allclose(ours.embed_queries(["moon"]), ours.embed_passages(["moon"]), atol=1e-3)


def test_tokens_are_counted_with_prompt_and_special_tokens_and_never_cut(transformer_folder):
    ours = load_embedder(Settings(embedder=str(transformer_folder)))
    assert ours.count_tokens("moon tide") == 4  # p : moon tide
    assert ours.count_tokens("moon " * 50) == 52


def test_a_query_over_the_limit_is_embedded_in_parts(transformer_folder):
    ours = load_embedder(Settings(embedder=str(transformer_folder)))
    long = "moon " * 20 + "tide " * 20
    begun = ours.embed_queries(["moon " * 8])[0]
    whole, again = ours.embed_queries([long, long])
    assert np.allclose(whole, again, atol=1e-5)
    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(whole, begun, atol=1e-3)  # the end of the query counts, too
    assert ours.embed_queries([]).shape == (0, 16)


def test_passages_respect_the_limit_read_from_the_model(transformer_folder, folder):
    chat = Pipeline(folder, Settings(embedder=str(transformer_folder)))
    document = document_from_text("moon tide cat moon. " * 20)
    passages = split_document(document, chat._fits)
    counts = [chat.embedder.count_tokens(passage.text) for passage in passages]
    assert len(passages) > 5
    assert max(counts) <= 12
    assert chat.add_document(document).passages == len(passages)


def test_the_fingerprint_changes_with_prompts_and_weights(transformer_folder, tmp_path):
    plain = load_embedder(Settings(embedder=str(transformer_folder)))
    again = load_embedder(Settings(embedder=str(transformer_folder)))
    prompted = load_embedder(Settings(embedder=str(transformer_folder), passage_prompt="cat "))
    assert plain.fingerprint == again.fingerprint != prompted.fingerprint


def test_a_missing_folder_and_a_broken_model_are_clear_errors(tmp_path):
    with pytest.raises(ModelError, match="no embedder in the folder"):
        load_embedder(Settings(embedder=str(tmp_path / "absent")))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}])
    )
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_embedder(Settings(embedder=str(tmp_path / "broken")))


def test_a_hub_id_that_cannot_be_reached_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="(?s)nobody/nothing.*name a folder"):
        load_embedder(Settings(embedder="nobody/nothing"))


# -- Prompts ---------------------------------------------------------------------------------------

SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
NEEDED = {
    "intfloat/multilingual-e5-small": ("query: ", "passage: "),
    "intfloat/e5-base-v2": ("query: ", "passage: "),
    "someone/me5-small-ko": ("query: ", "passage: "),
    "intfloat/multilingual-e5-large-instruct": (f"{SEARCH} ", ""),
    "Qwen/Qwen3-Embedding-0.6B": (SEARCH, ""),
    "Alibaba-NLP/gte-Qwen2-1.5B-instruct": (f"{SEARCH} ", ""),
    "BAAI/bge-base-zh-v1.5": ("为这个句子生成表示以用于检索相关文章：", ""),
    "BAAI/bge-small-en-v1.5": ("Represent this sentence for searching relevant passages: ", ""),
    "nomic-ai/nomic-embed-text-v1.5": ("search_query: ", "search_document: "),
    "Snowflake/snowflake-arctic-embed-l-v2.0": ("query: ", ""),
    "google/embeddinggemma-300m": ("task: search result | query: ", "title: none | text: "),
}
NONE = ("BAAI/bge-m3", "Alibaba-NLP/gte-multilingual-base", "sentence-transformers/LaBSE", "org/safe50-embedder")


@pytest.fixture
def bare_folder(transformer_folder, tmp_path):
    """The same transformer, saved without prompts of its own, as many models are."""

    def copied(name):
        folder = shutil.copytree(transformer_folder, tmp_path / name)
        path = folder / "config_sentence_transformers.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"prompts": {"query": "", "document": ""}}))
        return folder

    return copied


def prompts_of(folder, name, **settings):
    found = known_prompts(folder, Settings(embedder=name, **settings))
    return found.get("query", ""), found.get("document", "")


@pytest.mark.parametrize("name", [*NEEDED, *NONE])
def test_a_model_of_a_known_family_has_the_prompts_of_its_card(name, tmp_path):
    assert prompts_of(tmp_path, name) == NEEDED.get(name, ("", ""))
    assert prompts_of(tmp_path, f"modelscope:{name}@v2") == NEEDED.get(name, ("", ""))


def test_no_family_needs_a_prompt_that_nobody_names():
    for family in KNOWN_PROMPTS:
        needs = family.query is None or family.passage is None
        named = family.query is not None and family.passage is not None
        assert needs != named
        # A prompt that runs into the text is another prompt than the model was trained with.
        for prompt in (family.query, family.passage):
            assert not prompt or prompt[-1] in " :："


def test_a_folder_is_known_by_what_its_configuration_and_its_card_say(tmp_path):
    (tmp_path / "config.json").write_text('{"_name_or_path": "intfloat/multilingual-e5-small"}')
    assert prompts_of(tmp_path, str(tmp_path)) == ("query: ", "passage: ")
    (tmp_path / "config.json").write_text("{}")
    card = tmp_path / "README.md"
    for text, expected in {
        "---\nlicense: mit\nbase_model: intfloat/e5-small\n---\n# Mine\n": ("query: ", "passage: "),
        "---\nbase_model:\n- Qwen/Qwen3-Embedding-0.6B\ntags: [x]\n---\n": (SEARCH, ""),
        "---\ntags: []\n---\n\n## Multilingual-E5-small\n": ("query: ", "passage: "),
        "# BGE-M3\n\nBetter than multilingual-e5-large.\n": ("", ""),
        "# Mine\n\nBetter than multilingual-e5-large.\n": ("", ""),
    }.items():
        card.write_text(text)
        assert prompts_of(tmp_path, str(tmp_path)) == expected, text


def test_prompts_come_from_the_settings_else_the_model_else_the_table(bare_folder, transformer_folder):
    folder = bare_folder("multilingual-e5-small")
    theirs = SentenceTransformer(str(folder), local_files_only=True, device="cpu")

    def expected(text):
        return theirs.encode([text], prompt="", normalize_embeddings=True)

    table = load_embedder(Settings(embedder=str(folder)))
    assert np.allclose(table.embed_queries(["moon"]), expected("query: moon"), atol=1e-5)
    assert table.count_tokens("moon") == 3 == len(theirs.tokenizer("passage: moon")["input_ids"])
    named = load_embedder(Settings(embedder=str(folder), query_prompt="q : ", passage_prompt=""))
    assert np.allclose(named.embed_queries(["moon"]), expected("q : moon"), atol=1e-5)
    assert named.count_tokens("moon") == 1
    own = shutil.copytree(transformer_folder, folder.parent / "own-e5-small")
    assert np.allclose(
        load_embedder(Settings(embedder=str(own))).embed_queries(["moon"]), expected("q : moon"), atol=1e-5
    )


def test_a_model_that_needs_a_prompt_nobody_names_is_refused(bare_folder):
    folder = bare_folder("instructor-large")
    with pytest.raises(ModelError, match=r"instruction before each query.*Settings\(query_prompt="):
        load_embedder(Settings(embedder=str(folder)))
    named = load_embedder(Settings(embedder=str(folder), query_prompt="q : "))
    assert named.embed_queries(["moon"]).shape == (1, 16)


# -- From a hub ------------------------------------------------------------------------------------


def test_a_model_of_a_hub_is_the_same_model_as_its_folder(bare_folder, tmp_path, monkeypatch):
    folder = bare_folder("tiny-e5-small")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with hub_server() as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        commit = server.add("org/tiny-e5-small", folder)
        fetched = load_embedder(Settings(embedder="org/tiny-e5-small"))
    assert fetched.name == "org/tiny-e5-small"
    local = load_embedder(Settings(embedder=str(folder)))
    assert fetched.fingerprint == local.fingerprint
    assert np.allclose(fetched.embed_queries(["moon"]), local.embed_queries(["moon"]))
    # The server is gone: offline, or by its commit, the model comes from the cache.
    for settings in (
        Settings(embedder="org/tiny-e5-small", offline=True),
        Settings(embedder=f"org/tiny-e5-small@{commit}"),
    ):
        assert load_embedder(settings).fingerprint == local.fingerprint
    # Another tool may have put the same weights in another form beside them.
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / "README.md").write_text("# A card\n")
    assert load_embedder(Settings(embedder=str(folder))).fingerprint == local.fingerprint
