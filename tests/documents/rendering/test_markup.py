"""Reading markup: what is taken, and what is refused, where and why."""

import pytest

from brickwork.documents.markup import Element, MarkupError, parse
from brickwork.documents.markup.elements import KINDS, Share


def first(source: str, tag: str) -> Element:
    return next(element for element in parse(source).walk() if element.tag == tag)


def test_a_source_without_a_document_is_put_into_one() -> None:
    document = parse("<p>One</p><p>Two</p>")
    assert (document.tag, [child.text() for child in document.elements()]) == ("document", ["One", "Two"])


def test_attributes_have_types() -> None:
    table = first('<table widths="20mm 30% * 2*" zebra="true"><tr><td colspan="2">x</td></tr></table>', "table")
    assert table.get("widths") == (pytest.approx(56.69, abs=0.01), Share(percent=30.0), Share(parts=1.0), Share(parts=2.0))
    assert table.get("zebra") is True
    assert first('<table><tr><td colspan="2">x</td></tr></table>', "td").get("colspan") == 2


def test_names_of_characters_are_those_of_html() -> None:
    assert first("<p>&euro;&nbsp;5 &lt; &amp; &#9731;</p>", "p").text() == "€\u00a05 < & ☃"


def test_comments_and_spaces_between_blocks_say_nothing() -> None:
    assert [child.tag for child in parse("<!-- a --> <document>\n <p>x</p>\n <!-- b --> </document>").elements()] == ["p"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<p>One<p>Two</p>", "<p> can't stand in <p>"),
        ("<p>One", "line 1, column .*not well-formed"),
        ("<document>\n  <para>x</para></document>", r"line 2, column 3: there is no element <para>"),
        ("<tabel/>", "is <table> meant"),
        (
            '<p id="here">x</p>\n<p><a href="#there">y</a></p>',
            "line 2, column 4: <a href>: nothing .* has the id 'there'",
        ),
        ('<p aling="right">x</p>', "no attribute 'aling'; is align meant"),
        ('<p align="middle">x</p>', "'middle' is not one of left"),
        ("<box>text</box>", "text can't stand in <box>.*put it into <p>"),
        ('<table><tr><td colspan="1000000">x</td></tr></table>', "a whole number from 1 to 100"),
        ('<spacer height="-4mm"/>', "is not a length"),
        ('<spacer height="20000mm"/>', "is not a length"),
        ('<spacer height="nan"/>', "is not a length"),
        ("<spacer/>", "<spacer> needs height"),
        ('<table widths=""><tr><td>x</td></tr></table>', "1 to 100 widths"),
        ('<p color="red;x">x</p>', "is not a colour"),
        ('<p><a href="javascript:alert(1)">x</a></p>', "begins with https"),
        ('<p><a href="file:///etc/passwd">x</a></p>', "begins with https"),
        ("<script>x</script>", "no element <script>"),
        ("<p>\x00</p>", "not well-formed"),
        ("<p>&nosuchname;</p>", "not well-formed: undefined entity"),
        ('<!DOCTYPE document SYSTEM "file:///etc/passwd"><document/>', "can't stand|outermost|not well-formed|document type"),
        ("<document><!DOCTYPE x></document>", "not well-formed"),
        ("<?php echo 1 ?><p>x</p>", "processing instruction"),
        ("<b>" * 60 + "x" + "</b>" * 60, "can't stand|deep"),
        ("<p>" + "<b>" * 60 + "x" + "</b>" * 60 + "</p>", "more than 40 deep"),
        ("<p xmlns:x='y'>x</p>", "no attribute"),
    ],
)
def test_what_is_no_markup_is_refused_with_its_place(source: str, message: str) -> None:
    with pytest.raises(MarkupError, match=message) as caught:
        parse(source)
    assert caught.value.field is None or caught.value.field.startswith("line ")


def test_an_entity_that_grows_is_never_expanded() -> None:
    bomb = '<!DOCTYPE document [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;">]><document><p>&b;</p></document>'
    with pytest.raises(MarkupError):
        parse(bomb)


def test_every_element_that_may_stand_somewhere_is_known() -> None:
    assert {name for kind in KINDS.values() for name in kind.inside} <= KINDS.keys()
