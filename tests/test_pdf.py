"""PDF files: paragraphs from printed lines, pages, what is left out, and one clear error for each bad file."""

import io
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rag.documents import document_from_bytes, document_from_text, read_document
from rag.errors import DocumentError
from tests.file_makers import FONT, PAGE, assert_spans_hold, kinds_and_texts, make_pdf, make_placed_pdf, make_scan_pdf

FIRST = [
    "# 柳州市工作会议",
    "　　今年以来，全市新开工项目一百二十个，完成投资三十五亿元，其中工业投",
    "资增长百分之十二，比去年同期快三个百分点，创下近五年来的新高，成绩来",
    "之不易。",
    "　　会议强调，要坚持把发展经济的着力点放在实体经济上，推动传统产业向",
    "高端化、智能化、绿色化转型，加快建设现代化产业体系，为全区高质量发展",
]
SECOND = [
    "作出新的更大贡献。",
    "　　会议要求，各级各部门要压实责任。",
    "　　会议还研究了其他事项，并对下一步的工作作出了安排，请大家抓好落实",
    "工作。",
]
THIRD = ["　　第三页的内容在这里，说的是另外一件事情。"]
ENGLISH = [
    "The quick brown fox jumps over the lazy dog and the old cat sleeps in the barn",
    "while the rain falls. A second sentence begins here and goes on for a while. It",
    "ends here.",
    "",
    "Another paragraph stands apart from the first one, by a gap as typesetters leave.",
]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return make_pdf(tmp_path / "报告.pdf", [FIRST, SECOND, THIRD], header="柳州日报", footer="— {} —")


def test_lines_become_paragraphs_across_pages_without_heads_and_numbers(report: Path) -> None:
    document = read_document(report)
    assert kinds_and_texts(document) == [
        ("headline", "柳州市工作会议"),
        (
            "body",
            "今年以来，全市新开工项目一百二十个，完成投资三十五亿元，其中工业投资增长百分之十二，比去年同期快三个"
            "百分点，创下近五年来的新高，成绩来之不易。",
        ),
        (
            "body",
            "会议强调，要坚持把发展经济的着力点放在实体经济上，推动传统产业向高端化、智能化、绿色化转型，加快建设"
            "现代化产业体系，为全区高质量发展作出新的更大贡献。",
        ),
        ("body", "会议要求，各级各部门要压实责任。"),
        ("body", "会议还研究了其他事项，并对下一步的工作作出了安排，请大家抓好落实工作。"),
        ("body", "第三页的内容在这里，说的是另外一件事情。"),
    ]
    assert (document.title, document.encoding, document.has_lines) == ("柳州市工作会议", "pdf", False)
    assert_spans_hold(document)


def test_each_position_knows_its_page(report: Path) -> None:
    document = read_document(report)
    assert [document.page_at(one.start) for one in document.paragraphs] == [1, 1, 1, 2, 2, 3]
    assert document.page_at(document.text.index("作出新的更大贡献")) == 2
    assert document.page_at(len(document.text)) == 3
    pages = document.file_text.split("\f")
    assert len(pages) == len(document.pages) == 3
    assert [document.file_text[at : at + 4] for at in document.pages[1:]] == [page[:4] for page in pages[1:]]
    assert "柳州日报" in pages[0]
    assert "— 2 —" in pages[1]


def test_a_page_begins_a_line_of_what_was_read(tmp_path: Path) -> None:
    document = read_document(
        make_pdf(tmp_path / "a.pdf", [["第一章", "全市增长百分之三。"], [], ["第二章", "问题不少。"]])
    )
    ends = [*document.lines[1:], len(document.file_text)]
    lines = [document.file_text[a:b].strip() for a, b in zip(document.lines, ends, strict=True)]
    assert [line for line in lines if line] == ["第一章", "全市增长百分之三。", "第二章", "问题不少。"]
    assert set(document.pages) <= set(document.lines)
    assert document.place_in_file(document.text.index("第二章"))[1] == 1


def test_paragraphs_set_apart_by_a_gap_are_told_from_wrapped_lines(tmp_path: Path) -> None:
    document = read_document(make_pdf(tmp_path / "a.pdf", [ENGLISH], size=11))
    assert [text for _, text in kinds_and_texts(document)] == [" ".join(ENGLISH[:3]), ENGLISH[4]]
    assert_spans_hold(document)


def test_a_hyphen_of_the_layout_goes_where_the_word_stands_whole(tmp_path: Path) -> None:
    lines = [
        "The information that was asked for by the committee is given below, and the informa-",
        "tion is complete; it was brought up to date.",
    ]
    document = read_document(make_pdf(tmp_path / "a.pdf", [lines], size=11))
    assert document.text == " ".join(lines).replace("informa- tion", "information")
    assert_spans_hold(document)


def test_a_line_that_two_pages_share_inside_of_them_stays(tmp_path: Path) -> None:
    page = ["表一", "合计　一百", "说明：数字单位是万元。"]
    pages = [
        [f"第{name}页上面的话是不一样的。", "另起一行。", "再一行。", *page, f"下面的话{name}。", "末一。", "末二。"]
        for name in "甲乙丙"
    ]
    text = read_document(make_pdf(tmp_path / "a.pdf", pages)).text
    assert text.count("说明：数字单位是万元。") == 3


def test_numbers_that_do_not_count_the_pages_stay(tmp_path: Path) -> None:
    pages = [
        ["正文在这里，说了一件事。", "2024"],
        ["正文又在这里，说了二件事。", "2031"],
        ["正文还在这里，说三件事。", "1998"],
    ]
    text = read_document(make_pdf(tmp_path / "a.pdf", pages)).text
    assert all(year in text for year in ("2024", "2031", "1998"))


@pytest.mark.parametrize("footer", ["{}", "第 {} 页 共 3 页", "Page {} of 3", "柳州日报 2025年6月26日 第{}版"])
def test_page_numbers_are_left_out_however_they_are_dressed(tmp_path: Path, footer: str) -> None:
    text = read_document(make_pdf(tmp_path / "a.pdf", [FIRST, SECOND, THIRD], footer=footer)).text
    assert text.endswith("说的是另外一件事情。")
    assert footer.format(1) not in text.split("\n")


def test_pages_that_say_the_same_are_kept(tmp_path: Path) -> None:
    text = read_document(make_pdf(tmp_path / "a.pdf", [["通行证", "持证人可以进入厂区。"]] * 4)).text
    assert text.count("持证人可以进入厂区。") == 4


def test_headlines_that_count_the_pages_stay(tmp_path: Path) -> None:
    pages = [
        [f"# 第{number}讲", f"这一讲的内容是{what}，请大家先看书。"]
        for number, what in enumerate(["工业", "农业", "旅游", "教育"], 1)
    ]
    text = read_document(make_pdf(tmp_path / "a.pdf", pages)).text
    assert all(f"第{number}讲" in text for number in (1, 2, 3, 4))


def test_a_page_crowded_with_letters_is_read_in_time(tmp_path: Path) -> None:
    page = [(20.0 + at * 7 % 500, 20.0 + at * 13 % 780, "字") for at in range(4000)]
    begun = time.process_time()
    assert read_document(make_placed_pdf(tmp_path / "a.pdf", [page])).text.count("字") == 4000
    assert time.process_time() - begun < 10


def test_the_first_pages_title_stays_though_it_is_every_pages_head(tmp_path: Path) -> None:
    document = read_document(make_pdf(tmp_path / "a.pdf", [FIRST, SECOND, THIRD], header="柳州市工作会议"))
    assert document.text.startswith("柳州市工作会议\n\n今年以来")
    assert document.text.count("柳州市工作会议") == 1


def test_the_title_of_the_file_counts_where_its_text_has_it(tmp_path: Path) -> None:
    pages = [["# 第一章", "这一章讲的是柳州的历史，从古代说起。"]]
    assert read_document(make_pdf(tmp_path / "a.pdf", pages, title="柳州的历史")).title == "柳州的历史"
    assert read_document(make_pdf(tmp_path / "a.pdf", pages, title="Microsoft Word - 文档1")).title == "第一章"


def test_rows_of_a_table_keep_their_cells_apart(tmp_path: Path) -> None:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

    make_pdf(tmp_path / "font.pdf", [["注册字体"]])
    style = ParagraphStyle("a", fontName="STSong-Light", fontSize=11, leading=16, wordWrap="CJK")
    table = Table(
        [["项目", "去年", "今年"], ["工业", "120", "135"], ["农业", "80", "82"]],
        colWidths=120,
        style=[("FONTNAME", (0, 0), (-1, -1), "STSong-Light")],
    )
    SimpleDocTemplate(str(tmp_path / "a.pdf")).build([Paragraph("各业产值如下表所示，单位是亿元。", style), table])
    document = read_document(tmp_path / "a.pdf")
    assert ("table", "项目\t去年\t今年\n工业\t120\t135\n农业\t80\t82") in kinds_and_texts(document)
    assert_spans_hold(document)


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph

    make_pdf(tmp_path / "font.pdf", [["注册字体"]])
    style = ParagraphStyle(
        "a", fontName="STSong-Light", fontSize=11, leading=16, wordWrap="CJK", firstLineIndent=22, alignment=4
    )
    texts = [
        f"第{number}段说的是柳州的工业，它从手工作坊开始，走过了一百多年的路，" * 4 + "到今天已经很大。"
        for number in "一二三四五六七八"
    ]
    template = BaseDocTemplate(str(tmp_path / "a.pdf"), pagesize=(500, 420))
    frames = [Frame(40, 40, 200, 340), Frame(260, 40, 200, 340)]
    template.addPageTemplates(PageTemplate(frames=frames))
    template.build([Paragraph(text, style) for text in texts])
    document = read_document(tmp_path / "a.pdf")
    assert [text for _, text in kinds_and_texts(document)] == texts
    assert_spans_hold(document)


def column(x: float, y: float, lines: Sequence[str]) -> list[tuple[float, float, str]]:
    """Place lines one under the other; ideographic spaces at the beginning move a line to the right."""
    placed = []
    for at, line in enumerate(lines):
        bare = line.lstrip("\u3000")
        placed.append((x + 12.0 * (len(line) - len(bare)), y - 18 * at, bare))
    return placed


def paragraphs_of(path: Path) -> list[str]:
    document = read_document(path)
    assert_spans_hold(document)
    return [text for _, text in kinds_and_texts(document)]


def test_columns_under_lines_of_full_width_have_a_width_of_their_own(tmp_path: Path) -> None:
    wide = [
        "\u3000\u3000这一段横贯整个版面，说的是这座城市的历史，从古代说起，一直说到今天，中间",
        "讲到了许多人和事，请慢慢看下去。",
    ]
    left = [
        "\u3000\u3000左边的一栏比较窄，每一行",
        "只有十四个字，所以要换很多次",
        "行，不过句子还是连在一起的，",
        "读起来没有困难。",
    ]
    right = [
        "\u3000\u3000右边的一栏也是这样，它从",
        "左边那一栏的顶上开始，写到最",
        "后一行才把整个的话说完，中间",
        "没有别的段落。",
    ]
    page = column(72, 760, wide) + column(72, 700, left) + column(300, 700, right)
    path = make_placed_pdf(tmp_path / "a.pdf", [page])
    assert paragraphs_of(path) == ["".join(lines).replace("\u3000", "") for lines in (wide, left, right)]


def test_running_heads_that_change_with_the_chapter_are_left_out(tmp_path: Path) -> None:
    pages = [
        [(72, 800, f"{name}\u3000\u3000{number}"), *column(72, 760, [f"这一页说的是{name}，内容各不相同。"])]
        for number, name in enumerate(["总则", "总则", "机构", "机构", "附则"], 7)
    ]
    text = "\n".join(paragraphs_of(make_placed_pdf(tmp_path / "a.pdf", pages)))
    assert text.count("总则") == 2
    assert not any(char.isdigit() for char in text)


def test_a_paragraph_set_apart_among_indented_ones_is_not_joined(tmp_path: Path) -> None:
    body = [
        "\u3000\u3000今年以来，全市新开工项目一百二十个，完成投资三十五亿元，其中工业投资增",
        "长百分之十二，成绩来之不易。",
    ] * 3
    apart = ["这一段没有缩进，与上面隔开一行，说的是另外一件事情，写得比较长，一行还写", "不下，所以换了一行。"]
    page = column(72, 760, body) + column(72, 760 - 18 * 7, apart)
    assert paragraphs_of(make_placed_pdf(tmp_path / "a.pdf", [page]))[3:] == ["".join(apart)]


def test_lines_of_a_table_of_contents_stay_apart(tmp_path: Path) -> None:
    lines = [
        f"{name} {'. ' * dots}{number}"
        for name, dots, number in [("第一节 总则", 40, 1), ("第二节 机构设置", 38, 5), ("第三节 附则", 40, 9)]
    ]
    assert paragraphs_of(make_placed_pdf(tmp_path / "a.pdf", [column(72, 760, lines)], size=11)) == ["\n".join(lines)]


def test_items_without_their_marks_are_joined_where_they_were_wrapped(tmp_path: Path) -> None:
    around = ["上面的文字从版面的左边开始，一直写到版面的右边为止，这样可以看出它的宽度来，", "下面是两项具体的工作。"]
    first = ["第一项工作是抓项目、抓投资、抓落实，确保完成全年的各项目标任务，不留死", "角，不打折扣。"]
    page = column(72, 760, around) + column(96, 720, first) + column(96, 684, ["第二项工作是稳就业。"])
    page += column(72, 660, around)
    texts = paragraphs_of(make_placed_pdf(tmp_path / "a.pdf", [page]))
    assert texts[1:3] == ["".join(first), "第二项工作是稳就业。"]


def test_emoji_and_rare_characters_are_whole(tmp_path: Path) -> None:
    document = read_document(make_pdf(tmp_path / "a.pdf", [["今天的天气很好 😀 我们去公园玩。"]]))
    assert document.text == "今天的天气很好 😀 我们去公园玩。"


@pytest.mark.parametrize("pages", [1, 3])
def test_a_scan_says_that_it_needs_ocr(tmp_path: Path, pages: int) -> None:
    path = make_scan_pdf(tmp_path / "scan.pdf", pages)
    with pytest.raises(
        DocumentError, match=rf"no text layer: it is a scan of {pages} pages?\. Run OCR.*ocrmypdf"
    ) as caught:
        read_document(path)
    assert f"{pages} 页的扫描件" in caught.value.said("zh")


def test_a_scan_with_a_cover_says_so_too(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [["封面"], *[[]] * 11])
    with pytest.raises(DocumentError, match="text on 1 of its 12 pages only") as caught:
        read_document(path)
    assert "只有 1 页有文字" in caught.value.said("zh")


def test_files_are_read_in_many_threads_at_once(report: Path) -> None:
    data = report.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(lambda _: document_from_bytes(data, "a.pdf").text, range(12)))
    assert len(texts) == 1


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_has_the_same_text(report: Path, angle: int) -> None:
    import pypdfium2

    file = pypdfium2.PdfDocument(report)
    for page in file:
        page.set_rotation(angle)
    turned = io.BytesIO()
    file.save(turned)
    file.close()
    assert document_from_bytes(turned.getvalue(), "a.pdf").text == read_document(report).text


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_text_that_was_turned_against_its_page_is_read_like_any_other(tmp_path: Path, angle: int) -> None:
    import pypdfium2
    from reportlab.pdfgen.canvas import Canvas

    lines = [line for line in FIRST[1:] if line]
    make_pdf(tmp_path / "level.pdf", [lines])
    canvas = Canvas(str(tmp_path / "a.pdf"), (800, 800))
    canvas.translate(400, 400)
    canvas.rotate(angle)
    canvas.setFont("STSong-Light", 12)
    for at, line in enumerate(lines):
        bare = line.lstrip("\u3000")
        canvas.drawString(-300 + 12 * (len(line) - len(bare)), 300 - 18 * at, bare)
    canvas.showPage()
    canvas.save()
    file = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    file[0].set_rotation(angle)
    turned = io.BytesIO()
    file.save(turned)
    file.close()
    assert document_from_bytes(turned.getvalue(), "a.pdf").text == read_document(tmp_path / "level.pdf").text


def test_a_locked_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="locked with a password") as caught:
        read_document(make_pdf(tmp_path / "a.pdf", [FIRST], password="geheim"))
    assert "密码" in caught.value.said("zh")


@pytest.mark.parametrize("cut", [0.02, 0.3, 0.6])
def test_a_file_cut_short_is_damaged(report: Path, cut: float) -> None:
    data = report.read_bytes()
    with pytest.raises(DocumentError, match=r"a\.pdf") as caught:
        document_from_bytes(data[: int(len(data) * cut)], "a.pdf")
    assert caught.value.chinese


@pytest.mark.parametrize("data", [b"no pdf at all", b"%PDF-1.7\n%%EOF"])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="is no PDF or is damaged"):
        document_from_bytes(data, "a.pdf")


def test_too_many_pages_are_refused(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.pdf.MAX_PAGES", 2)
    with pytest.raises(DocumentError, match=r"has 3 pages; the most that is read is 2"):
        read_document(report)
    monkeypatch.setattr("rag.pdf.MAX_PAGES", 9)
    monkeypatch.setattr("rag.pdf.MAX_CHARACTERS", 100)
    with pytest.raises(DocumentError, match="characters of text"):
        read_document(report)


def test_fonts_that_do_not_tell_their_characters_are_named(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [["\ue000\ue001\ue002\ue003正文"]])
    with pytest.raises(DocumentError, match="--force-ocr"):
        read_document(path)


def test_pages_without_text_are_told(tmp_path: Path) -> None:
    told = ["青山市统计公报显示，全市常住人口为八百一十二万人。", "比上年末增加三万人，城镇化率继续提高。"]
    document = read_document(make_pdf(tmp_path / "some.pdf", [[], told, [], told[::-1], []]))
    assert document.silent_pages == (1, 3, 5)
    whole = read_document(make_pdf(tmp_path / "whole.pdf", [told, told[::-1]]))
    assert whole.silent_pages == ()


def test_texts_have_no_silent_pages() -> None:
    assert document_from_text("只有文字。").silent_pages == ()


def test_short_lines_that_stand_alone_on_a_page_are_no_wrapped_ones(tmp_path: Path) -> None:
    body = "会议强调，要坚持把发展经济的着力点放在实体经济上，推动传统产业向高端化"
    for last in (["联系人：张三", "电话：一二三四五六七八", "地址：海城市"], ["张三", "李四", "王五"]):
        document = read_document(make_pdf(tmp_path / "a.pdf", [[body] * 8 + ["质量发展。"], last]))
        assert [text for _, text in kinds_and_texts(document)][-3:] == last
    document = read_document(make_pdf(tmp_path / "a.pdf", [last]))
    assert [text for _, text in kinds_and_texts(document)] == last


def test_lines_set_wide_apart_are_joined_like_others(tmp_path: Path) -> None:
    lines = [
        "今年以来，全市新开工项目一百二十个，完成投资三十五亿元，同比增长百分之十二点",
        "五，高于年初所定的目标，其中工业投资二十亿元，占全部投资的一半还要多一些，服",
        "务业投资十五亿元。",
    ]
    placed = [(72.0, 760 - 28.0 * at, line) for at, line in enumerate(lines)]
    document = read_document(make_placed_pdf(tmp_path / "a.pdf", [placed]))
    assert document.text == "".join(lines)


def test_a_wrapped_headline_is_one_and_headlines_set_apart_are_two(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    path = tmp_path / "a.pdf"
    make_pdf(path, [[""]])  # registers the font
    for gap, said in (
        (30.0, ["海城推进老旧小区改造提升居民生活品质"]),
        (44.0, ["海城推进老旧小区", "改造提升居民生活品质"]),
    ):
        canvas = Canvas(str(path), PAGE)
        canvas.setFont(FONT, 20)
        canvas.drawCentredString(PAGE[0] / 2, 760, "海城推进老旧小区")
        canvas.drawCentredString(PAGE[0] / 2, 760 - gap, "改造提升居民生活品质")
        canvas.setFont(FONT, 12)
        for at in range(4):
            canvas.drawString(
                72, 680 - 18 * at, "今年以来，全市新开工项目一百二十个，完成投资三十五亿元，增长了百分之十二点"
            )
        canvas.save()
        headlines = [text for kind, text in kinds_and_texts(read_document(path)) if kind == "headline"]
        assert headlines == said


def test_a_running_foot_may_stand_a_little_higher_or_lower(tmp_path: Path) -> None:
    pages = [
        [(72.0, 700.0, f"第{name}页的话说的是不一样的事情。"), (72.0, height, "内部资料")]
        for name, height in (("一", 40.0), ("二", 41.4), ("三", 42.8))
    ]
    assert "内部资料" not in read_document(make_placed_pdf(tmp_path / "a.pdf", pages)).text


def test_most_paragraphs_of_a_page_may_be_of_one_line(tmp_path: Path) -> None:
    lines = [
        "今年以来，全市新开工项目一百二十个，完成投资三十五亿元，同比增长了百分之十二点",
        "五，高于年初所定的目标。",
        "下一步，有关部门将继续听取居民的意见，完善停车和照明等设施，让群众住得更安心。",
        "大桥两侧设有自行车道和人行步道，工程队克服了汛期水位高和地质复杂等困难完工了。",
        "（本报记者　林晓舟）",
        "另据了解，全市还将建设三座大桥和五条道路，所需的资金由市里和区里一起分担下来。",
    ]
    heights = (760, 742, 712, 682, 664, 634)
    placed = [(72.0, float(height), line) for height, line in zip(heights, lines, strict=True)]
    document = read_document(make_placed_pdf(tmp_path / "a.pdf", [placed]))
    assert [text for _, text in kinds_and_texts(document)] == [lines[0] + lines[1], *lines[2:]]
