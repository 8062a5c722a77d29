"""The documents page: every kind of file is added, what cannot be read says why, and removals can be undone."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import file_makers as make
from tests.browser.conftest import Site, Visits, ask, mark_is_in_sight, marked_words, open_citation

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator, Page

pytestmark = pytest.mark.browser

# One invented place for each format, so that a question means one document.
PLACES = {
    "txt": ("云岫镇", "gb18030"),
    "md": ("枫桥坞", "utf-8"),
    "html": ("鹭鸣渡", "utf-8"),
    "docx": ("石泉堡", ""),
    "pdf": ("望雁岭", ""),
    "epub": ("听松寨", ""),
    "csv": ("落霞村", "utf-8"),
}


def told_of(place: str) -> str:
    return f"{place}的镇长是欧阳{place[0]}，今年五十一岁。"


def written(folder: Path, suffix: str) -> Path:
    """Write a file about a place, in a format."""
    place, encoding = PLACES[suffix]
    path = folder / f"{place}.{suffix}"
    heading, words = f"{place}简介", told_of(place)
    if suffix == "txt":
        path.write_text(f"{heading}\n\n{words}\n", encoding=encoding)
    elif suffix == "md":
        path.write_text(f"# {heading}\n\n**{words}**\n", encoding=encoding)
    elif suffix == "html":
        path.write_text(f"<!doctype html><title>{heading}</title><h1>{heading}</h1><p>{words}</p>", encoding=encoding)
    elif suffix == "docx":
        make.make_docx(path, [("Title", heading), words])
    elif suffix == "pdf":
        make.make_pdf(path, [[f"# {heading}", "第一页没有别的。"], [words]])
    elif suffix == "epub":
        make.make_epub(path, [f"<h1>{heading}</h1><p>{words}</p>"], title=heading)
    else:
        make.make_csv(path, [["地方", "介绍"], [place, words]], encoding=encoding)
    return path


def bad_files(folder: Path) -> list[Path]:
    """Write files that cannot be read."""
    bomb = folder / "炸弹.docx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<x/>")
        archive.writestr("word/document.xml", b" " * (300 << 20))
    empty = folder / "空.txt"
    empty.write_bytes(b"")
    old = folder / "旧.doc"
    old.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    return [make.make_scan_pdf(folder / "扫描.pdf"), bomb, empty, old]


@pytest.fixture(autouse=True)
def tidy(site: Site) -> Iterator[None]:
    """Take out again what a test added."""
    before = set(site.chat.store.document_ids())
    yield
    for added in set(site.chat.store.document_ids()) - before:
        site.chat.remove(added)


@pytest.fixture
def documents(visit: Visits) -> "Page":
    return visit("documents")


def upload(page: "Page", *files: "Path | FilePayload") -> "Locator":
    """Choose files at once, and wait until all are dealt with; returns their rows, the last one first."""
    before = page.locator("#additions .addition").count()
    page.set_input_files("#file", list(files))  # type: ignore[arg-type]
    rows = page.locator("#additions .addition")
    rows.nth(before + len(files) - 1).wait_for()
    page.locator("#additions:not(:has(progress))").wait_for()
    return rows


def row_of(page: "Page", title: str) -> "Locator":
    return page.locator("#documents-list tbody tr", has_text=title)


@pytest.mark.parametrize("suffix", PLACES)
def test_a_file_of_every_format_is_added_and_answers_with_its_words(
    documents: "Page", site: Site, tmp_path: Path, suffix: str
) -> None:
    place, _ = PLACES[suffix]
    rows = upload(documents, written(tmp_path, suffix))
    assert "已加入" in rows.first.inner_text()
    row_of(documents, place).wait_for()
    documents.goto(site.address)
    turn = ask(documents, f"{place}的镇长是谁")
    citation = site.answer(documents).citations[0]
    assert f"欧阳{place[0]}" in citation.quote
    open_citation(documents, turn, 1)
    assert marked_words(documents, 1) == citation.quote
    assert mark_is_in_sight(documents)
    if suffix == "pdf":
        assert "第2页" in turn.locator(".citations .place").first.inner_text()
        assert "第2页" in documents.inner_text("#reader .where").replace(" ", "")


def test_several_files_at_once_and_the_bad_ones_stop_nothing(documents: "Page", site: Site, tmp_path: Path) -> None:
    good = [written(tmp_path, suffix) for suffix in ("txt", "docx")]
    scan, bomb, empty, old = bad_files(tmp_path)
    rows = upload(documents, scan, good[0], bomb, empty, old, good[1])
    told = dict(zip(rows.locator(".name").all_inner_texts(), rows.locator(".step").all_inner_texts(), strict=True))
    assert all(told[path.name].startswith("已加入") for path in good)
    assert all(told[path.name].startswith("未能加入：") for path in (scan, bomb, empty, old))
    assert len(set(told.values())) >= 5
    assert "扫描" in told[scan.name] or "图" in told[scan.name]
    assert "空" in told[empty.name]
    assert "docx" in told[old.name]
    assert len(site.chat.store.document_ids()) == 4


def test_what_is_bad_is_told_in_english_to_those_who_read_it(visit: Visits, tmp_path: Path) -> None:
    page = visit("documents", locale="en-US")
    scan, bomb, empty, old = bad_files(tmp_path)
    rows = upload(page, scan, bomb, empty, old)
    for told in rows.locator(".step").all_inner_texts():
        assert told.startswith("Not added: ")
        bare = told
        for path in (scan, bomb, empty, old):
            bare = bare.replace(path.name, "")
        assert bare.isascii() or not any("\u4e00" <= character <= "\u9fff" for character in bare), told


def test_the_same_file_again_changes_nothing_and_a_changed_one_replaces(
    documents: "Page", site: Site, tmp_path: Path
) -> None:
    path = written(tmp_path, "txt")
    upload(documents, path)
    assert "已有，没有变化" in upload(documents, path).first.inner_text()
    path.write_text("云岫镇简介（新）\n\n云岫镇的镇长是司徒远。\n", encoding="utf-8")
    assert "已替换" in upload(documents, path).first.inner_text()
    row_of(documents, "云岫镇简介（新）").wait_for()
    assert row_of(documents, "云岫镇").count() == 1


def test_a_file_is_dropped_onto_the_page(documents: "Page") -> None:
    dropped = documents.evaluate_handle(
        """words => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([words], '掉落.txt', {type: 'text/plain'}));
        return transfer;
    }""",
        "望潮亭简介\n\n望潮亭建于一八七三年。",
    )
    documents.locator(".drop").dispatch_event("dragover", {"dataTransfer": dropped})
    assert documents.locator(".drop.over").count() == 1
    documents.locator(".drop").dispatch_event("drop", {"dataTransfer": dropped})
    row_of(documents, "望潮亭简介").wait_for()
    assert documents.locator(".drop.over").count() == 0


def test_a_text_is_pasted(documents: "Page", site: Site) -> None:
    documents.locator("#adding summary").first.click()
    form = documents.locator("form[data-add='/documents/text']")
    form.locator("[name=title]").fill("<i>雁来集</i>")
    form.locator("[name=text]").fill("雁来集在每年九月初九开市。\n\n<script>window.hacked=1</script>")
    form.locator("button").click()
    row_of(documents, "<i>雁来集</i>").wait_for()
    assert form.locator("[name=text]").input_value() == ""
    documents.goto(site.address)
    turn = ask(documents, "雁来集什么时候开市")
    assert "九月初九" in turn.locator(".answer").inner_text()
    open_citation(documents, turn, 1)
    assert "<script>window.hacked=1</script>" in documents.inner_text("#reader .text")
    assert documents.evaluate("() => window.hacked") is None


def test_an_empty_paste_is_not_sent_and_one_of_nothing_is_told(documents: "Page") -> None:
    documents.locator("#adding summary").first.click()
    form = documents.locator("form[data-add='/documents/text']")
    form.locator("button").click()
    assert documents.locator("#additions .addition").count() == 0
    form.locator("[name=text]").fill("\u3000 \n")
    form.locator("button").click()
    documents.locator("#additions .step.failed").wait_for()
    assert form.locator("[name=text]").input_value() == "\u3000 \n"


@pytest.mark.parametrize(
    ("locale", "address", "told"),
    [
        pytest.param("zh-CN", "http://127.0.0.1:1/secret", "127.0.0.1", id="a private address"),
        pytest.param("en-US", "http://127.0.0.1:1/secret", "127.0.0.1", id="a private address, in English"),
        pytest.param("zh-CN", "https://nowhere.invalid/page", "nowhere.invalid", id="no such host"),
    ],
)
def test_a_web_address_that_cannot_be_read_says_why(visit: Visits, locale: str, address: str, told: str) -> None:
    page = visit("documents", locale=locale)
    page.locator("#adding summary").nth(1).click()
    form = page.locator("form[data-add='/documents/address']")
    form.locator("input").fill(address)
    form.locator("button").click()
    row = page.locator("#additions .addition")
    row.locator(".step.failed").wait_for(timeout=40_000)
    text = row.locator(".step").inner_text()
    assert told in text
    assert text.startswith("未能加入：" if locale == "zh-CN" else "Not added: ")
    assert form.locator("input").input_value() == address


def test_a_document_is_removed_and_brought_back(documents: "Page", site: Site, tmp_path: Path) -> None:
    upload(documents, written(tmp_path, "md"))
    row = row_of(documents, "枫桥坞简介")
    row.wait_for()
    count = len(site.chat.store.document_ids())
    row.locator("button.danger").click()
    removed = documents.locator(".removed li", has_text="枫桥坞简介")
    removed.wait_for()
    assert row.count() == 0
    assert len(site.chat.store.document_ids()) == count - 1
    removed.locator("button[hx-post*=restore]").click()
    row.wait_for()
    assert documents.locator(".removed li", has_text="枫桥坞简介").count() == 0
    documents.goto(site.address)
    assert "欧阳枫" in ask(documents, "枫桥坞的镇长是谁").inner_text()


def test_a_document_is_replaced_on_its_own_page(documents: "Page", site: Site, tmp_path: Path) -> None:
    upload(documents, written(tmp_path, "html"))
    row_of(documents, "鹭鸣渡").locator("a").click()
    documents.locator("h1", has_text="鹭鸣渡简介").wait_for()
    address = documents.url
    other = make.make_docx(tmp_path / "另名.docx", [("Title", "鹭鸣渡新貌"), "鹭鸣渡的渡口有十一条船。"])
    documents.set_input_files("#file", other)
    documents.locator(".removed li", has_text="鹭鸣渡简介").wait_for()
    row_of(documents, "鹭鸣渡").locator("a").click()
    documents.locator("h1", has_text="鹭鸣渡新貌").wait_for()
    assert documents.url == address
    assert "十一条船" in (documents.text_content("#text") or "")
    documents.goto(f"{site.address}documents")
    documents.locator(".removed li", has_text="鹭鸣渡简介").locator("button[hx-post*=restore]").click()
    row_of(documents, "鹭鸣渡简介").wait_for()
    assert row_of(documents, "鹭鸣渡").count() == 1


def test_a_document_is_shown_as_mended_with_its_passages_and_as_its_file(
    documents: "Page", site: Site, tmp_path: Path
) -> None:
    # Lines broken in the middle of sentences, as on a printed page.
    lines = ["灯塔守则", "", "守塔人每天日落前点灯，日出后", "熄灯，并把", "时刻写进日志。", "", "雾天要鸣钟。"]
    path = tmp_path / "灯塔.txt"
    path.write_text("\n".join(lines) + "\n", encoding="gb18030")
    upload(documents, path)
    row_of(documents, "灯塔守则").locator("a").click()
    document = next(one for one in site.chat.documents() if one.title == "灯塔守则")
    paragraphs = [document.text[one.start : one.end] for one in document.paragraphs]
    assert documents.locator("#text .text p[data-number]").all_text_contents() == paragraphs
    numbers = documents.locator("#text .cut").evaluate_all("all => all.map(one => Number(one.dataset.passage))")
    assert numbers == list(range(1, len(site.chat.passages(document.id)) + 1))
    assert "gb18030" in documents.inner_text(".facts").lower()
    documents.locator(".views a").nth(1).click()
    documents.locator("#text .text.file").wait_for()
    assert documents.locator("#text .text p[data-number]").all_text_contents() == lines
