"""What several tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.pipeline import Pipeline
from rag.settings import ARTICLE, STORE_VARIABLE, Settings


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test out of the user's own store."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path_factory.mktemp("default-store")))


@pytest.fixture(scope="session")
def article_chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline with the real bundled models over the article. Not to be changed by a test."""
    chat = Pipeline(tmp_path_factory.mktemp("article"), Settings())
    chat.add(ARTICLE)
    yield chat
    chat.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a store, not made yet."""
    return tmp_path / "store"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the browser's tests come last: its driver keeps an event loop running in this thread until the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
