import os

import pytest

from rag.errors import InputError
from rag.settings import CHOSEN, MAX_NAME, Settings


def test_settings_take_what_a_user_chose_and_keep_the_rest():
    settings = Settings(reranker="a/b", passage_size=300)
    changed = settings.changed({"generator": " openai:小模型 ", "threshold": 1, "k": 50, "reranker": None})
    assert (changed.generator, changed.threshold, changed.k) == ("openai:小模型", 1.0, 50)
    assert (changed.reranker, changed.passage_size, changed.reader) == (None, 300, "bundled")
    assert settings == Settings(reranker="a/b", passage_size=300)
    assert settings.changed({}) == settings


def test_every_name_that_can_be_chosen_is_a_setting():
    assert set(CHOSEN) <= set(Settings.__dataclass_fields__)
    values = {name: getattr(Settings(), name) for name in CHOSEN}
    assert Settings().changed(values) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "told", "said"),
    [
        ("k", 0, "from 1 to 50, not 0", "1 到 50"),
        ("k", 51, "from 1 to 50", "1 到 50"),
        ("k", 5.0, "from 1 to 50", "1 到 50"),
        ("k", True, "from 1 to 50", "1 到 50"),
        ("k", None, "needs a value", "不能为空"),
        ("threshold", 1.01, "from 0 to 1, not 1.01", "0 到 1"),
        ("threshold", float("nan"), "from 0 to 1, not nan", "0 到 1"),
        ("threshold", "0.5", "from 0 to 1", "0 到 1"),
        ("reader", "", "is a name", "名称"),
        ("reader", " \n", "is a name", "名称"),
        ("reader", 7, "is a name", "名称"),
        ("embedder", None, "needs a value", "不能为空"),
        ("embedder", "a" * (MAX_NAME + 1), f"has {MAX_NAME + 1} characters", "最多"),
        ("reranker", "a/b\x1b[2J", "control characters", "控制字符"),
        ("generator", "a\nb", "control characters", "控制字符"),
        ("generator_url", "file:///etc/passwd", "no address of a server", "不是服务器的地址"),
        ("generator_url", "http://[", "no address of a server", "不是服务器的地址"),
        ("generator_url", "http://host:99999/v1", "no address of a server", "不是服务器的地址"),
        ("generator_url", "http://me:secret@host/v1", "a name, a password or a query", "密码"),
        ("generator_url", "http://host/v1?key=secret", "a name, a password or a query", "密码"),
        ("max_question", 10**9, "cannot be chosen", "不能更改"),
        ("__class__", "x", "cannot be chosen", "不能更改"),
    ],
)
def test_a_choice_that_cannot_be_used_is_one_clear_error_in_both_languages(name, value, told, said):
    with pytest.raises(InputError, match=told) as raised:
        Settings().changed({name: value})
    assert said in raised.value.said("zh")
    assert "secret" not in str(raised.value)
    assert len(str(raised.value)) < 800


def test_a_key_in_the_environment_is_no_setting(monkeypatch):
    monkeypatch.setitem(os.environ, "RAG_GENERATOR_KEY", "secret")
    assert "secret" not in repr(Settings().changed({"generator_url": "http://127.0.0.1:11434/v1"}))
