"""The library: what becomes of each thing that is added, and that nothing that was removed is lost by mistake."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from rag.documents import MAX_BYTES, SUFFIXES, document_from_text
from rag.errors import DocumentError, Language, StoreError
from rag.page import library
from rag.page.library import Bin, Undoable
from rag.page.service import Service
from rag.page.words import say
from rag.store import Removed
from tests.file_makers import make_docx
from tests.handmade import HOSTILE, MOON, answer_quoting
from tests.page.visiting import ENGLISH, PART, WrittenPipeline, client_of, text_of

TIDES = answer_quoting(MOON, ["每天两次"], "几次")
TEXT = "火星与尘暴\n\n火星上的尘暴能持续几个月，遮住整个天空。\n"


@pytest.fixture
def chat(tmp_path) -> Iterator[WrittenPipeline]:
    made = WrittenPipeline(tmp_path / "store", [TIDES])
    yield made
    made.close()


@pytest.fixture
def client(chat: WrittenPipeline) -> TestClient:
    return client_of(library.router(Service(chat)))


def upload(client, name="mars.txt", data: str | bytes = TEXT, headers=PART, **form):
    content = data.encode() if isinstance(data, str) else data
    return client.post("/documents/upload", files={"file": (name, content)}, data=form, headers=headers)


def titles(chat) -> list[str]:
    return [one.title for one in chat.listed()]


def outcome(response) -> tuple[str, str]:
    """Return what became of a thing, as the program is told and as it is shown."""
    assert response.status_code == 200
    return response.headers["x-outcome"], " ".join(text_of(response.text).split())


# -- Files -------------------------------------------------------------------------------------------


def test_a_file_is_added_and_told_with_what_was_made_of_it(client, chat) -> None:
    response = upload(client)
    state, told = outcome(response)
    (_, mars) = chat.listed()
    assert state == "added"
    assert (
        told == f"mars.txt {say('zh', 'outcome added')} · {say('zh', 'made of', paragraphs=2, passages=mars.passages)}"
    )
    assert f'<a href="/documents/{mars.id}">mars.txt</a>' in response.text
    assert (mars.title, mars.source) == ("火星与尘暴", "mars.txt")


def test_a_file_that_is_there_is_unchanged_and_another_of_its_name_takes_its_place(client, chat) -> None:
    upload(client)
    assert outcome(upload(client))[0] == "unchanged"
    state, told = outcome(upload(client, data="新火星\n\n完全不同的话在这里说着。\n", headers={**PART, **ENGLISH}))
    assert (state, told.split(" · ")[0]) == ("replaced", "mars.txt Replaced “火星与尘暴”")
    assert titles(chat) == ["月球与潮汐", "新火星"]


def test_what_was_replaced_can_be_brought_back_and_that_undone_again(client, chat) -> None:
    upload(client)
    before = chat.listed()[-1]
    upload(client, data="新火星\n\n完全不同的话在这里说着。\n")
    html = client.get("/documents/list", headers=PART).text
    assert say("zh", "replaced", title="火星与尘暴") in text_of(html)
    html = client.post(undo_of(html), headers=PART).text
    assert replace(chat.listed()[-1], changed=before.changed) == before
    assert say("zh", "replaced", title="新火星") in text_of(html)
    client.post(undo_of(html), headers=PART)
    assert titles(chat) == ["月球与潮汐", "新火星"]
    assert len(chat.passages(before.id)) == 2


def test_what_can_be_undone_can_be_put_out_of_sight(client, chat) -> None:
    html = client.post(f"/documents/{MOON.id}/remove", headers=PART).text
    name = undo_of(html).rpartition("/")[2]
    client.post(f"/documents/forget/{name}", headers={**PART, "x-owner": "user:b"})
    assert "restore" in client.get("/documents/list", headers=PART).text
    assert "restore" not in client.post(f"/documents/forget/{name}", headers=PART).text
    assert client.post(f"/documents/restore/{name}", headers=PART).status_code == 404


@pytest.mark.parametrize(
    ("name", "data", "chinese", "english"),
    [
        ("e.txt", b"", "e.txt 是空的", "e.txt is empty"),
        ("e.txt", b" \n ", "e.txt 是空的", "e.txt is empty"),
        ("x.pdf", b"%PDF-1.7 broken", "x.pdf", "x.pdf"),
        ("x.docx", b"PK\x03\x04 broken", "x.docx", "x.docx"),
        ("x.exe", b"MZ\x00\x00\x01\x02" * 200, "x.exe", "x.exe"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_the_reason_in_the_language(client, chat, name, data, chinese, english):
    spoken: list[tuple[Language, str, dict[str, str]]] = [("zh", chinese, PART), ("en", english, {**PART, **ENGLISH})]
    for language, begin, headers in spoken:
        state, told = outcome(upload(client, name, data, headers))
        assert state == "failed"
        assert told.startswith(f"{name} {say(language, 'outcome failed')}{say(language, 'colon').strip()}")
        assert begin in told.partition(say(language, "colon").strip())[2]
        assert bool(re.search("[\u4e00-\u9fff]", told)) == (language == "zh")
    assert titles(chat) == ["月球与潮汐"]


def test_a_file_that_is_too_large_fails(client, chat, monkeypatch) -> None:
    monkeypatch.setattr(library, "MAX_BYTES", 99)
    monkeypatch.setattr("rag.documents.MAX_BYTES", 99)
    state, told = outcome(upload(client, data=b"x" * 500))
    assert (state, "超过" in told, "字节" in told) == ("failed", True, False)  # how large it is was not read
    assert titles(chat) == ["月球与潮汐"]
    assert MAX_BYTES == 50 << 20


def test_a_failure_of_the_program_is_told_without_its_details_and_stops_nothing(client, chat, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret detail")

    with monkeypatch.context() as patched:
        patched.setattr(library, "document_from_bytes", fails)
        state, told = outcome(upload(client))
    assert (state, say("zh", "program failed") in told, "secret" in told) == ("failed", True, False)
    assert outcome(upload(client))[0] == "added"


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("../../etc/<b>x.txt", "<b>x.txt"),
        ("C:\\a\\b.txt", "b.txt"),
        ("名" * 300 + ".txt", "名" * 116 + ".txt"),
        ("a\u200bb\u202e.txt", "ab.txt"),
    ],
)  # fmt: skip
def test_the_name_of_a_file_is_no_path_and_no_markup(client, chat, name, source) -> None:
    response = upload(client, name)
    assert "<b>" not in response.text
    assert chat.listed()[-1].source == source


@pytest.mark.parametrize("send", [{}, {"data": {"file": "text"}}, {"files": {"other": ("x.txt", b"x")}}])
def test_without_a_file_the_form_is_refused(client, send) -> None:
    response = client.post("/documents/upload", headers=PART, **send)
    assert (response.status_code, response.text) == (400, say("zh", "bad request"))


def test_files_of_other_formats_are_read(client, chat, tmp_path) -> None:
    data = make_docx(tmp_path / "a.docx", [("Title", "金星"), "金星上很热，比水星还要热得多。"]).read_bytes()
    assert outcome(upload(client, "a.docx", data))[0] == "added"
    assert "金星" in titles(chat)


# -- Replacing ---------------------------------------------------------------------------------------


def test_another_file_takes_the_place_of_a_document_and_keeps_its_id(client, chat) -> None:
    conversation = chat.start_conversation().id
    chat.ask("几次", conversation=conversation)
    state, _ = outcome(upload(client, "other.txt", "月球新说\n\n潮汐每天两次，不多不少。\n", replaces=MOON.id))
    (one,) = chat.listed()
    assert (state, one.id, one.source, one.title) == ("replaced", MOON.id, "other.txt", "月球新说")
    (turn,) = chat.conversation(conversation).turns
    assert turn.states == {1: "moved"}
    assert {passage.document_id for passage in chat.passages(MOON.id)} == {MOON.id}


def test_a_file_of_the_name_that_was_replaced_is_a_document_of_its_own(client, chat) -> None:
    upload(client, "mars.txt", "火星\n\n火星上有尘暴，每年都有几次。\n")
    mars = chat.listed()[-1].id
    upload(client, "other.txt", "别的\n\n完全不同的话在这里说着。\n", replaces=mars)
    assert outcome(upload(client, "mars.txt", "火星\n\n火星上有尘暴，每年都有几次。\n"))[0] == "added"
    assert outcome(upload(client, "other.txt", "别的二\n\n又是另外的话在这里说着。\n"))[0] == "replaced"
    assert [(one.source, one.id == mars) for one in chat.listed()[1:]] == [("other.txt", True), ("mars.txt", False)]


def test_a_document_that_is_gone_cannot_be_replaced(client, chat) -> None:
    state, told = outcome(upload(client, replaces="0123456789ab"))
    assert (state, say("zh", "outcome failed") in told) == ("failed", True)
    assert titles(chat) == ["月球与潮汐"]


def test_a_file_that_cannot_be_read_replaces_nothing(client, chat) -> None:
    assert outcome(upload(client, data=b"", replaces=MOON.id))[0] == "failed"
    assert titles(chat) == ["月球与潮汐"]


# -- Texts and addresses -----------------------------------------------------------------------------


def paste(client, headers=PART, **form):
    return client.post("/documents/text", data=form, headers=headers)


def test_a_text_is_added_under_its_title(client, chat) -> None:
    state, told = outcome(paste(client, text="火星上有\r\n\r\n尘暴。", title=" 我的笔记 "))
    assert (state, told.split(" ")[0]) == ("added", "我的笔记")
    one = chat.listed()[-1]
    assert (one.title, one.source) == ("我的笔记", "我的笔记")
    assert "\r" not in (chat.file_text(one.id) or "")


def test_texts_without_a_title_are_documents_of_their_own(client, chat) -> None:
    for text in ("第一段话说的是火星。", "第二段话说的是木星。", "第一段话说的是火星。"):
        last = outcome(paste(client, text=text))
    assert last[0] == "unchanged"
    assert len(chat.listed()) == 3


def test_a_text_under_the_title_of_another_takes_its_place(client, chat) -> None:
    paste(client, text="第一段话说的是火星。", title="笔记")
    assert outcome(paste(client, text="第二段话说的是木星。", title="笔记"))[0] == "replaced"
    assert len(chat.listed()) == 2


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_text_fails(client, chat, text) -> None:
    assert outcome(paste(client, text=text))[0] == "failed"
    assert len(chat.listed()) == 1


def test_a_text_that_is_too_long_fails_and_says_how_long_it_is(client, monkeypatch) -> None:
    monkeypatch.setattr(library, "MAX_TEXT", 5)
    assert "这段文字有 6 字，最多能粘贴 5 字" in outcome(paste(client, text="一二三四五六"))[1]
    assert "has 6 characters; at most 5" in outcome(paste(client, {**PART, **ENGLISH}, text="一二三四五六"))[1]


def test_a_title_that_is_too_long_is_cut(client, chat) -> None:
    paste(client, text="一段话说的是火星。", title="长" * 100_000)
    assert len(chat.listed()[-1].source) == 200


def test_a_page_of_the_web_is_added_by_its_address(client, chat, monkeypatch) -> None:
    asked = []

    def fetched(address: str):
        asked.append(address)
        return document_from_text(TEXT, source=address)

    monkeypatch.setattr(library, "fetch", fetched)
    state, told = outcome(client.post("/documents/address", data={"address": " https://example.org/a "}, headers=PART))
    assert (state, told.split(" ")[0], asked) == ("added", "https://example.org/a", ["https://example.org/a"])


def test_an_address_that_cannot_be_fetched_fails_with_the_reason(client, monkeypatch) -> None:
    def fails(address: str):
        raise DocumentError(f"{address} is not there.", f"{address} 打不开。")

    monkeypatch.setattr(library, "fetch", fails)
    form = {"address": "https://example.org/<b>"}
    response = client.post("/documents/address", data=form, headers=PART)
    assert outcome(response) == (
        "failed",
        f"{form['address']} {say('zh', 'outcome failed')}：{form['address']} 打不开。",
    )
    assert "<b>" not in response.text
    assert "is not there." in outcome(client.post("/documents/address", data=form, headers={**PART, **ENGLISH}))[1]


@pytest.mark.parametrize("address", ["", "x", "file:///etc/passwd", "http://127.0.0.1:1/", "javascript:alert(1)"])
def test_what_is_no_address_of_the_web_fails(client, chat, address) -> None:
    assert outcome(client.post("/documents/address", data={"address": address}, headers=PART))[0] == "failed"
    assert len(chat.listed()) == 1


# -- The list ----------------------------------------------------------------------------------------


def test_the_page_lists_each_document_with_what_can_be_done(client) -> None:
    response = client.get("/documents")
    html = response.text
    assert response.status_code == 200
    assert f'<a href="/documents/{MOON.id}">月球与潮汐</a>' in html
    assert "moon.txt" in html
    assert MOON.digest[:8] in html
    assert f'hx-post="/documents/{MOON.id}/remove"' in html
    assert all(suffix in html for suffix in SUFFIXES)
    assert "/texts/" not in html  # where a file lies is nobody's business


def test_the_list_comes_alone_where_it_is_asked_for(client, chat) -> None:
    html = client.get("/documents/list", headers=PART).text
    assert "<html" not in html
    assert "月球与潮汐" in html
    chat.remove(MOON.id)
    assert say("zh", "no document") in client.get("/documents/list", headers=PART).text


def test_titles_and_names_of_documents_are_escaped(client, chat) -> None:
    chat.add_document(HOSTILE)
    for path in ("/documents", "/documents/list", f"/documents/{HOSTILE.id}", f"/documents/{HOSTILE.id}?view=file"):
        html = client.get(path).text
        assert not re.search(r"<(img|script(?! defer src=)|b>hostile)", html)
    assert "<img src=x onerror=alert(1)>" in text_of(client.get(f"/documents/{HOSTILE.id}").text)


# -- One document ------------------------------------------------------------------------------------


def test_a_document_is_shown_with_its_facts_and_where_its_passages_begin(client, chat) -> None:
    html = client.get(f"/documents/{MOON.id}").text
    passages = chat.passages(MOON.id)
    assert html.count("data-passage=") == len(passages)
    assert MOON.digest in html
    assert f'data-replaces="{MOON.id}"' in html
    assert say("zh", "cuts explained") in text_of(html)


def test_a_document_is_shown_as_its_file_has_it(client) -> None:
    html = client.get(f"/documents/{MOON.id}?view=file").text
    assert '<p class="line" data-number="5">潮汐由月球的引力造成，每天两次。</p>' in html
    assert "data-passage" not in html
    assert say("zh", "file explained") in text_of(html)
    assert say("zh", "file not kept") not in text_of(html)


def test_a_document_whose_file_is_not_kept_says_so(client, chat) -> None:
    chat.remove(MOON.id)
    chat.add_document(replace(MOON, file_text=""))
    html = client.get(f"/documents/{MOON.id}?view=file").text
    assert say("zh", "file not kept") in text_of(html)
    assert '<p class="line"' not in html


def test_its_text_alone_comes_where_a_part_is_asked_for(client) -> None:
    html = client.get(f"/documents/{MOON.id}?all=1", headers={**PART, "hx-target": "text"}).text
    assert html.lstrip().startswith('<div class="text mended"')


@pytest.mark.parametrize("document", ["none", "0123456789ab", "<b>", "%00"])
def test_a_document_that_is_not_there_is_not_found(client, document) -> None:
    assert client.get(f"/documents/{document}").status_code == 404
    assert client.post(f"/documents/{document}/remove", headers=PART).status_code == 404


@pytest.mark.parametrize("query", ["view=other", "all=perhaps"])
def test_a_view_that_is_not_there_is_refused(client, query) -> None:
    assert client.get(f"/documents/{MOON.id}?{query}").status_code == 400


# -- Removing, and undoing it ------------------------------------------------------------------------


def undo_of(html: str) -> str:
    return str(re.findall(r'hx-post="(/documents/restore/[^"]+)"', html)[0])


def test_a_document_is_removed_and_brought_back_as_it_was(client, chat) -> None:
    upload(client)
    before = chat.listed()
    html = client.post(f"/documents/{MOON.id}/remove", headers=PART).text
    assert say("zh", "removed", title="月球与潮汐") in text_of(html)
    assert titles(chat) == ["火星与尘暴"]
    html = client.post(undo_of(html), headers=PART).text
    assert chat.listed() == before
    assert "restore" not in html


def test_without_scripts_one_is_sent_back_to_the_list(client, chat) -> None:
    removed = client.post(f"/documents/{MOON.id}/remove")
    assert (removed.status_code, removed.headers["location"]) == (303, "/documents")
    restored = client.post(undo_of(client.get("/documents").text))
    assert (restored.status_code, restored.headers["location"], titles(chat)) == (303, "/documents", ["月球与潮汐"])


def test_a_removal_can_be_undone_once(client) -> None:
    undo = undo_of(client.post(f"/documents/{MOON.id}/remove", headers=PART).text)
    assert client.post(undo, headers=PART).status_code == 200
    response = client.post(undo, headers=PART)
    assert (response.status_code, response.text) == (404, "已经不能恢复了，请重新加入这篇文档。")


def test_a_removal_that_is_undone_after_another_version_was_added_keeps_that_one_to_be_brought_back(
    client, chat
) -> None:
    undo = undo_of(client.post(f"/documents/{MOON.id}/remove", headers=PART).text)
    chat.add_document(document_from_text("月球新说\n\n潮汐每天两次，不多不少。\n", source=MOON.source))
    html = client.post(undo, headers=PART).text
    assert titles(chat) == ["月球与潮汐"]
    assert say("zh", "replaced", title="月球新说") in text_of(html)
    client.post(undo_of(html), headers=PART)
    assert titles(chat) == ["月球新说"]


def test_an_undo_that_fails_can_be_tried_again(client, chat, monkeypatch) -> None:
    undo = undo_of(client.post(f"/documents/{MOON.id}/remove", headers=PART).text)

    def fail(*_: object, **__: object) -> None:
        raise StoreError("The disk is full.", "磁盘已满。")

    with monkeypatch.context() as patch:
        patch.setattr(chat.store, "put_back", fail)
        assert client.post(undo, headers=PART).text == "磁盘已满。"
    assert client.post(undo, headers=PART).status_code == 200
    assert titles(chat) == ["月球与潮汐"]


def test_only_who_removed_it_can_undo_it(client, chat) -> None:
    html = client.post(f"/documents/{MOON.id}/remove", headers={**PART, "x-owner": "user:a"}).text
    assert client.post(undo_of(html), headers={**PART, "x-owner": "user:b"}).status_code == 404
    assert "restore" not in client.get("/documents/list", headers={**PART, "x-owner": "user:b"}).text
    assert client.post(undo_of(html), headers={**PART, "x-owner": "user:a"}).status_code == 200


@pytest.mark.parametrize("name", ["none", "%00", "x" * 1000])
def test_what_was_not_removed_cannot_be_brought_back(client, name) -> None:
    assert client.post(f"/documents/restore/{name}", headers=PART).status_code == 404


def removal(number: int, characters: int) -> Undoable:
    document = replace(MOON, id=str(number), text="x" * characters)
    return Undoable("", Removed(document, "", 1, (), (), None))


def test_only_the_latest_removals_are_kept() -> None:
    kept = Bin()
    names = [kept.put(removal(number, 1)) for number in range(library.KEPT_REMOVALS + 1)]
    assert kept.find("", names[0]) is None
    assert all(kept.find("", name) for name in names[1:])
    assert [name for name, _ in kept.of("")] == names[:0:-1]


def test_large_documents_are_not_kept_for_long(monkeypatch) -> None:
    monkeypatch.setattr(library, "KEPT_CHARACTERS", 100)
    kept = Bin()
    first, second = kept.put(removal(1, 60)), kept.put(removal(2, 60))
    assert (kept.find("", first) is None, kept.find("", second) is None) == (True, False)
    third = kept.put(removal(3, 500))
    assert [name for name, _ in kept.of("")] == [third]


# -- Who may -----------------------------------------------------------------------------------------


READ_ONLY = {**PART, "x-read-only": "1"}


def test_who_may_not_change_documents_changes_none(client, chat) -> None:
    undo = undo_of(client.post(f"/documents/{MOON.id}/remove", headers=PART).text)
    chat.add_document(HOSTILE)
    answers = [
        upload(client, headers=READ_ONLY),
        paste(client, headers=READ_ONLY, text="x"),
        client.post("/documents/address", data={"address": "https://example.org"}, headers=READ_ONLY),
        client.post(f"/documents/{HOSTILE.id}/remove", headers=READ_ONLY),
        client.post(undo, headers=READ_ONLY),
    ]
    assert [(one.status_code, one.text) for one in answers] == [(400, "这里不能更改文档。")] * 5
    assert [one.id for one in chat.listed()] == [HOSTILE.id]


def test_who_may_not_change_documents_reads_them_and_sees_no_way_to_change_them(client) -> None:
    for path in ("/documents", "/documents/list", f"/documents/{MOON.id}"):
        html = client.get(path, headers={"x-read-only": "1"}).text
        assert "月球与潮汐" in html
        assert not re.search("/remove|/upload|/restore|data-add=", html)
