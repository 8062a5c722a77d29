"""Archives: what they unpack to is bounded, whatever they say of it; XML has no entities."""

import io
import zipfile
from pathlib import Path

import pytest

from rag.archives import Archive, parse_xml, path_within
from rag.errors import DocumentError


def zipped(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def test_a_bomb_is_stopped_while_it_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.archives.MAX_UNPACKED", 2 << 20)
    data = zipped({"a": bytes(1 << 20), "b": bytes(3 << 20)})
    assert len(data) < 10_000
    archive = Archive(data, "a.epub")
    assert len(archive.read("a")) == 1 << 20
    with pytest.raises(DocumentError, match="unpacks to more than 2 MB"):
        archive.read("b")


def test_the_bound_holds_for_all_files_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.archives.MAX_UNPACKED", 15)
    archive = Archive(zipped({"a": b"0123456789", "b": b"0123456789"}), "a.epub")
    archive.read("a")
    with pytest.raises(DocumentError, match="unpacks to more"):
        archive.read("b")


def test_a_missing_a_damaged_and_a_locked_file_are_told_apart() -> None:
    data = zipped({"a": b"0123456789" * 50})
    with pytest.raises(DocumentError, match="holds no 'b'"):
        Archive(data, "x.zip").read("b")
    with pytest.raises(DocumentError, match="'a' in it cannot be unpacked"):
        Archive(data.replace(data[31:35], b"\xff\xff\xff\xff"), "x.zip").read("a")
    archive = Archive(data, "x.zip")
    archive.names["a"].flag_bits |= 1
    with pytest.raises(DocumentError, match="locked with a password"):
        archive.read("a")


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.archives.MAX_FILES", 2)
    with pytest.raises(DocumentError, match="holds 3 files"):
        Archive(zipped({"a": b"", "b": b"", "c": b""}), "x.zip")


def test_xml_with_entities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("secret", encoding="utf-8")
    for declared in ('<!ENTITY e "x">', f'<!ENTITY e SYSTEM "file://{tmp_path}/s">', '<!ENTITY % e "x">'):
        with pytest.raises(DocumentError, match="declares entities"):
            parse_xml(f"<!DOCTYPE a [{declared}]><a/>".encode(), "a.xml", "x.zip")
    assert parse_xml(b'<!DOCTYPE a SYSTEM "a.dtd"><a b="1"/>', "a.xml", "x.zip").get("b") == "1"


@pytest.mark.parametrize(
    ("folder", "reference", "name"),
    [("OEBPS", "a.xhtml", "OEBPS/a.xhtml"), ("OEBPS", "../a", "a"), ("", "a/./b", "a/b"), ("a", "/b", "b")],
)
def test_references_are_resolved_within_the_archive(folder: str, reference: str, name: str) -> None:
    assert path_within(folder, reference) == name
