import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = (
    "rag/models/embedder/model.safetensors",
    "rag/models/embedder/tokenizer.json",
    "rag/models/reader/config.json",
    "rag/models/reader/model.safetensors",
    "rag/models/reader/vocabulary.json.gz",
    "rag/data/liuzhou.txt",
    "rag/data/reader.json",
    "rag/data/lexicon.tsv.gz",
    "rag/data/dictionary.tsv.gz",
    "rag/data/boundaries.bin.gz",
    "rag/data/recall.tsv.gz",
    "rag/data/translations.tsv.gz",
    "rag/page/static/page.css",
    "rag/page/static/page.js",
    "rag/page/static/htmx.min.js",
    "rag/page/templates/base.html",
    "eval/data/questions.jsonl",
    "eval/data/texts/tea-house.txt",
    "eval/templates/report.html",
    "app.py",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_the_models_and_the_article(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert set(NEEDED) <= names
    assert not any(name.startswith(("tests/", "training/", "bench/")) for name in names)
    assert "License-Expression: Apache-2.0" in metadata


def test_the_sdist_holds_them_too(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*NEEDED, "README.md", "LICENSE", "NOTICE", "constraints.txt", "Makefile"} <= names
