"""The kit of HTML: whatever is not markup is escaped, and what it makes needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from convnets.core.html import kit

EVIL = "<script>alert(1)</script>\"'&\udc80\x00"
SHOWN = "<script>alert(1)</script>\"'&��"


class _Document(HTMLParser):
    """Texts, attributes, and whether every tag that was opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


PIECES = {
    "section": lambda: kit.section(EVIL, kit.note(EVIL)),
    "details": lambda: kit.details(EVIL, EVIL),
    "paragraph": lambda: kit.paragraph(EVIL),
    "bullets": lambda: kit.bullets([EVIL, "two"]),
    "facts": lambda: kit.facts({EVIL: EVIL}),
    "figures": lambda: kit.figures({EVIL: 3}),
    "table": lambda: kit.table(
        [EVIL], [[EVIL], [kit.share(0.3, EVIL)], [kit.cell(EVIL, title=EVIL)]], words=True
    ),
    "settings": lambda: kit.settings_table({"a": {EVIL: EVIL}, "b": None, "c": [True, 2]}),
    "png": lambda: kit.png(b"x", EVIL, 3, 4),
    "figure": lambda: kit.figure([kit.png(b"x", EVIL)], EVIL),
    "render": lambda: kit.render("<b>{{ words }}</b>", words=EVIL),
    "card": lambda: kit.card(EVIL, kit.note("a"), EVIL),
    "page": lambda: kit.page(EVIL, EVIL, subtitle=EVIL),
}


@pytest.mark.parametrize("name", PIECES)
def test_what_users_named_is_text_in_every_piece(name: str) -> None:
    html = PIECES[name]()
    document = _Document(str(html))
    assert document.open == []
    assert "<script" not in html
    assert SHOWN in document.texts or ("alt", SHOWN) in document.attributes
    html.encode("utf-8")


def test_pieces_go_into_pieces_as_they_are() -> None:
    assert kit.section("a", kit.note("b")) == '<section><h2>a</h2><p class="note">b</p></section>'
    assert "<td>&lt;b&gt;</td>" in kit.table(["x"], [["<b>"]])
    assert '<td class="share" style="--share: 100.0%">x</td></tr>' in kit.table(["x"], [[kit.share(7, "x")]])
    assert kit.bullets([]) == ""
    assert "data.source</td><td>x" in kit.settings_table({"data": {"source": "x"}})


def test_pages_and_cards_fetch_nothing_and_share_one_style() -> None:
    page, card = kit.page("title", kit.plot('<path stroke="#0072b2"/>')), kit.card("title")
    for html in (page, card):
        assert not re.search(r"https?:|@import|<link|<script", html)
    style = re.findall("<style>(.*?)</style>", card, flags=re.DOTALL)[0]
    assert style in page
    assert 'stroke="var(--blue)"' in page
    assert "default-src 'none'" in page
    assert type(card) is str  # a user may add plain HTML to it
