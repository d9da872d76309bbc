"""The forms that reports are made of: escaped, and understood by those who cannot see them."""

from ran_deploy.report.html import Html, cell, code, digest, document, notes, paragraph, table, text
from ran_deploy.report.picture import Picture, gallery
from ran_deploy.report.rows import Row, row_chart
from tests.report.page import Page, check_sound

EVIL = '<b onclick="x">&\'\u202egnp.exe\x00\udcff'
SAFE = "&lt;b onclick=&quot;x&quot;&gt;&amp;&#x27;\ufffdgnp.exe\ufffd\ufffd"


def test_what_comes_from_outside_is_escaped() -> None:
    assert text(EVIL) == SAFE  # letters that turn the direction of writing, or that no page may hold, are replaced
    for made in (cell(EVIL, EVIL), code(EVIL), paragraph(EVIL), notes([EVIL]), digest(EVIL), table(EVIL, [EVIL], [])):
        assert "<b" not in made
        assert "onclick=&quot;" in made
    drawn = row_chart([Row(name=EVIL[:8], words=EVIL[:8], value=1)], x=(0, 2), x_label=EVIL, title=EVIL, about=EVIL)
    assert "<b" not in drawn


def test_a_table_is_named_headed_and_reached_by_the_keyboard() -> None:
    made = table("Sizes", ["file", "MiB"], [[cell("a"), cell("1", "0 to 2")]], foot="As on disk.")
    page = Page(made)
    assert page.values("scope") == ["col", "col", "row"]
    assert page.values("aria-label") == ["Sizes"]
    assert page.values("tabindex") == ["0"]
    assert page.words == "file MiB a 1 0 to 2 As on disk."


def test_the_whole_hash_is_there() -> None:
    page = Page(digest("0123456789abcdef"))
    assert (page.values("title"), page.words) == (["0123456789abcdef"], "0123456789ab")


def test_a_page_of_one_picture_is_sound() -> None:
    svg = row_chart([Row(name="a", words="1", value=1, interval=(0, 2))], x=(0, 2), x_label="x", title="t", about="d")
    picture = Picture(title="t", svg=svg, data=table("t", ["a"], [[cell("1")]]), caption="c")
    made = document("p", header=Html("<h1>p</h1>"), main=Html(f"<h2>q</h2>{gallery([picture])}"), footer="f")
    page = check_sound(made)
    assert page.met.count("figure") == 1
    assert gallery([]) == ""
