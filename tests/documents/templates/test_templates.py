"""Templates: checked when they are saved, filled in the reader's language, versioned, inherited, and kept in a sandbox."""

from decimal import Decimal
from typing import Any

import pytest

from brickwork import Platform, hookimpl
from brickwork.documents.templates import TemplateLimitError
from brickwork.errors import DefinitionError, NotFoundError, PermissionDeniedError, ValidationError
from brickwork.kernel.money import Money

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "due": {"type": "string", "format": "date"},
        "total": {"$ref": "#/$defs/money"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"}}},
        },
        "free": {"type": "object", "additionalProperties": True},
    },
    "required": ["name"],
    "$defs": {
        "money": {"type": "object", "properties": {"amount": {"type": "string"}, "currency": {"type": "string"}}},
        "line": {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"}}},
    },
}
LETTER = {
    "key": "letter",
    "parts": {"subject": "Hello {{ name }}", "html": "<p>Dear {{ name }}</p>"},
    "locales": {"de": {"subject": "Hallo {{ name }}"}, "de-AT": {"subject": "Servus {{ name }}"}},
    "schema": SCHEMA,
    "sample": {"name": "Ada"},
}


class Product:
    @hookimpl
    def brickwork_templates(self) -> list[dict[str, Any]]:
        layout = {
            "key": "layout",
            "parts": {"html": "<main>{% block body %}{% endblock %}</main>", "text": "{% block body %}{% endblock %}"},
        }
        hello = {
            "key": "hello",
            "parts": {"html": '{% extends "layout" %}{% block body %}Hi {{ name }}{% endblock %}', "text": "Hi {{ name }}"},
            "schema": SCHEMA,
        }
        return [layout, hello]


@pytest.fixture
def documents(make_platform: Any) -> Platform:
    platform: Platform = make_platform(plugins=[Product()], documents={"template_seconds": 1.5})
    platform.enter(tenant="north", actor="user:ito")
    return platform


def one(source: str, part: str = "text", **more: Any) -> dict[str, Any]:
    return {"key": "one", "parts": {part: source}, "schema": SCHEMA, **more}


def fill(platform: Platform, source: str, locale: str = "en", part: str = "text", **data: Any) -> str:
    return platform.documents.templates.preview(one(source, part), {"name": "Ada", **data}, locale=locale).parts[part]


class TestFilling:
    def test_a_published_version_is_filled_in_the_readers_language(self, documents: Platform) -> None:
        templates = documents.documents.templates
        templates.save(LETTER)
        with pytest.raises(NotFoundError):
            templates.render("letter", {"name": "Ada"})
        templates.publish("letter")
        shown = {
            locale: templates.render("letter", {"name": "Ada"}, locale=locale).parts["subject"]
            for locale in ("en", "de", "de-AT", "de-CH")
        }
        assert shown == {"en": "Hello Ada", "de": "Hallo Ada", "de-AT": "Servus Ada", "de-CH": "Hallo Ada"}

    def test_values_are_escaped_where_the_part_is_markup(self, documents: Platform) -> None:
        assert fill(documents, "{{ name }}", part="html", name="<b>&") == "&lt;b&gt;&amp;"
        assert fill(documents, "{{ name }}", name="<b>&") == "<b>&"

    @pytest.mark.parametrize(
        ("source", "locale", "shown"),
        [
            ("{{ total | money }}", "en", "€1,234.50"),
            ("{{ total | money }}", "de", "1.234,50\u00a0€"),
            ("{{ due | date }}", "en", "Jan 31, 2026"),
            ("{{ due | date('long') }}", "de", "31. Januar 2026"),
            ("{{ '2026-01-31T09:00:00Z' | datetime('short', 'Asia/Tokyo') }}", "en", "1/31/26, 6:00\u202fPM"),
            ("{{ 1234.5 | number }}", "fr", "1\u202f234,5"),
            ("{{ 0.256 | percent(1) }}", "de", "25,6\u00a0%"),
            ("{{ 1 | plural(one='# visit', other='# visits') }}", "en", "1 visit"),
            ("{{ 22 | plural(one='# визит', few='# визита', many='# визитов', other='#') }}", "ru", "22 визита"),
            ("{{ ['a', 'b', 'c'] | listing }}", "en", "a, b, and c"),
            ("{{ ['a', 'b'] | listing('or') }}", "de", "a oder b"),
        ],
    )
    def test_numbers_money_dates_and_lists_are_written_as_the_language_has_them(
        self, documents: Platform, source: str, locale: str, shown: str
    ) -> None:
        assert fill(documents, source, locale, total={"amount": "1234.50", "currency": "EUR"}, due="2026-01-31") == shown

    def test_money_may_be_money(self, documents: Platform) -> None:
        assert fill(documents, "{{ total | money }}", total=Money(Decimal("5.00"), "EUR")) == "€5.00"

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({}, "'name' is a required property"),
            ({"name": 5}, "name: 5 is not of type"),
            ({"name": "A", "lines": [{"count": "x"}]}, r"lines\.0\.count"),
        ],
    )
    def test_data_that_is_not_what_the_schema_says_is_refused(
        self, documents: Platform, data: dict[str, Any], message: str
    ) -> None:
        documents.documents.templates.save(LETTER)
        documents.documents.templates.publish("letter")
        with pytest.raises(ValidationError, match=message):
            documents.documents.templates.render("letter", data)

    def test_what_can_not_be_filled_says_where(self, documents: Platform) -> None:
        with pytest.raises(ValidationError, match=r"text, line 2: .*no number"):
            fill(documents, "a\n{{ name | number }}")

    def test_a_missing_optional_value_is_an_error_and_not_an_empty_text(self, documents: Platform) -> None:
        with pytest.raises(ValidationError, match="due"):
            fill(documents, "{{ due }}")
        assert fill(documents, "{{ due | default('soon') }}") == "soon"

    def test_the_same_data_gives_the_same_digest(self, documents: Platform) -> None:
        templates = documents.documents.templates
        first, again = (templates.preview(LETTER, {"name": "A"}) for _ in range(2))
        assert first.sha256 == again.sha256 != templates.preview(LETTER, {"name": "B"}).sha256

    def test_a_document_is_made_of_a_template(self, documents: Platform) -> None:
        documents.documents.templates.save(one("<h1>Invoice for {{ name }}</h1>", "body"))
        documents.documents.templates.publish("one")
        made = documents.documents.generate("one", {"name": "Ada & <Co>"})
        assert (made.media_type, made.template, made.version) == ("application/pdf", "one", 1)
        assert made.content.startswith(b"%PDF-")


class TestChecking:
    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("a\n{{ nmae }}", "line 2: the data has no 'nmae'; there is due, free, lines, name, total"),
            ("{{ total.amont }}", "no 'amont'; there is amount, currency"),
            ("{% for line in lines %}{{ line.txt }}{% endfor %}", "no 'txt'; there is count, text"),
            ("{{ lines[0].txt }}", "no 'txt'"),
            ("{% set t = total %}{{ t.x }}", "no 'x'"),
            ("{{ name.first }}", "no 'first'; there is nothing"),
            ("{{ name | shout }}", "no filter 'shout'"),
            ("{% if name is loud %}x{% endif %}", "no test 'loud'"),
            ("{{ name", "line 1: "),
            ("{% for x in lines %}", "line 1: "),
            ("{% include 'nothing' %}", "no template 'nothing'"),
            ("{% include 'one' %}", "in a circle: one uses one"),
            ("{% include name %}", "written out"),
            ("{{ name | attr('x') }}", "no filter 'attr'"),
            ("{{ lipsum() }}", "no 'lipsum'"),
        ],
    )
    def test_what_would_fail_is_refused_when_it_is_saved(self, documents: Platform, source: str, message: str) -> None:
        with pytest.raises(DefinitionError, match=message):
            documents.documents.templates.save(one(source))
        assert documents.documents.templates.history("one").items == []

    @pytest.mark.parametrize(
        "source",
        [
            "{{ name }} {{ free.anything.at.all }} {{ total.amount }}",
            "{% for line in lines if line.count > 1 %}{{ loop.index }} {{ line.text }}{% else %}none{% endfor %}",
            "{% macro m(x) %}{{ x.y }}{% endmacro %}{{ m(name) }}",
            "{% set n = namespace(a=1) %}{% set n.a = 2 %}{{ n.a }}",
            "{% with a = lines %}{{ a[0].text }}{% endwith %}",
            "{{ name | upper | default('x') }}",
        ],
    )
    def test_what_is_right_is_not(self, documents: Platform, source: str) -> None:
        assert documents.documents.templates.check(one(source)) == []

    def test_languages_are_checked_too(self, documents: Platform) -> None:
        with pytest.raises(DefinitionError, match="nmae"):
            documents.documents.templates.save({**LETTER, "locales": {"de": {"subject": "{{ nmae }}"}}})

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"key": "Bad Key"}, "key"),
            ({"parts": {}}, "parts"),
            ({"parts": {"Bad-Part": "x"}}, "no name of a part"),
            ({"parts": {"text": "a\0b"}}, "NUL"),
            ({"parts": {"text": "x" * 600_000}}, "more than 500,000"),
            ({"locales": {"klingon!": {}}}, "no locale"),
            ({"locales": {"de": {"other": "x"}}}, "the template lacks"),
            ({"schema": {"type": "array"}}, "describes an object"),
            ({"schema": {"type": "object", "properties": {"a": {"type": "nonsense"}}}}, "schema"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_what_is_no_template_is_refused(self, documents: Platform, change: dict[str, Any], message: str) -> None:
        with pytest.raises(DefinitionError, match=message):
            documents.documents.templates.save({**LETTER, "locales": {}, **change})


class TestVersions:
    def test_versions_are_published_compared_and_rolled_back(self, documents: Platform) -> None:
        templates = documents.documents.templates
        for text in ("one", "two"):
            templates.save(one(f"{text} {{{{ name }}}}"), note=text)
            templates.publish("one")
        assert templates.render("one", {"name": "A"}).parts == {"text": "two A"}
        assert "-  text: one {{ name }}\n+  text: two {{ name }}" in templates.diff("one", 1, 2)
        back = templates.rollback("one", 1)
        assert (back.number, back.status) == (3, "published")
        assert templates.render("one", {"name": "A"}).parts == {"text": "one A"}
        assert [(v.number, v.status) for v in templates.history("one")] == [(3, "published"), (2, "retired"), (1, "retired")]

    def test_a_retired_template_gives_way_to_the_shipped_one(self, documents: Platform) -> None:
        templates = documents.documents.templates
        templates.save({"key": "hello", "parts": {"text": "Own {{ name }}"}, "schema": SCHEMA})
        templates.publish("hello")
        assert templates.render("hello", {"name": "A"}).parts == {"text": "Own A"}
        templates.retire("hello")
        assert templates.render("hello", {"name": "A"}).parts["text"] == "Hi A"
        with pytest.raises(NotFoundError):
            templates.retire("hello")

    def test_other_tenants_have_their_own(self, documents: Platform) -> None:
        templates = documents.documents.templates
        templates.save(LETTER)
        templates.publish("letter")
        with documents.context(tenant="south", actor="user:eve"):
            with pytest.raises(NotFoundError):
                templates.render("letter", {"name": "A"})
            assert list(templates.keys()) == ["hello", "layout"]
            assert templates.history("letter").items == []

    def test_permissions_are_asked_for(self, documents: Platform) -> None:
        mia = documents.auth.users.create("mia@example.org", "Mia")
        documents.auth.members.add(mia)
        with documents.auth.acting_as(mia.actor):
            for call in (
                lambda t: t.save(LETTER),
                lambda t: t.publish("letter"),
                lambda t: t.keys(),
                lambda t: t.preview(LETTER),
            ):
                with pytest.raises(PermissionDeniedError):
                    call(documents.documents.templates)


class TestInheritance:
    def test_a_template_extends_a_shipped_one_of_the_same_part(self, documents: Platform) -> None:
        filled = documents.documents.templates.render("hello", {"name": "<A>"})
        assert (filled.parts["html"], filled.version) == ("<main>Hi &lt;A&gt;</main>", None)

    def test_a_tenants_layout_is_used_by_shipped_templates(self, documents: Platform) -> None:
        templates = documents.documents.templates
        templates.save({"key": "layout", "parts": {"html": "<own>{% block body %}{% endblock %}</own>", "text": "x"}})
        templates.publish("layout")
        assert templates.render("hello", {"name": "A"}, parts=["html"]).parts == {"html": "<own>Hi A</own>"}

    def test_a_template_extends_what_it_stands_in_place_of(self, documents: Platform) -> None:
        templates = documents.documents.templates
        source = '{% extends "inherited" %}{% block body %}<b>{{ super() }}</b>{% endblock %}'
        templates.save({"key": "hello", "parts": {"html": source}, "schema": SCHEMA})
        templates.publish("hello")
        assert templates.render("hello", {"name": "A"}).parts == {"html": "<main><b>Hi A</b></main>"}

    def test_circles_through_others_are_found(self, documents: Platform) -> None:
        templates = documents.documents.templates
        templates.save({"key": "a", "parts": {"text": "a"}})
        templates.publish("a")
        templates.save({"key": "b", "parts": {"text": '{% include "a" %}'}})
        templates.publish("b")
        with pytest.raises(DefinitionError, match="in a circle: a uses b uses a"):
            templates.save({"key": "a", "parts": {"text": '{% include "b" %}'}})


class TestSandbox:
    @pytest.mark.parametrize(
        "source",
        [
            "{{ ''.__class__.__mro__ }}",
            "{{ free.__class__ }}",
            "{{ ''['__class__'] }}",
            "{{ '{0.__class__}'.format(name) }}",
            "{{ self.__init__.__globals__ }}",
            "{{ cycler.__init__.__globals__ }}",
            "{{ (lines | list).append(1) }}",
            "{{ [].__reduce__() }}",
            "{{ 'x' * 1000000000 }}",
            "{{ 9 ** 99999 }}",
            "{{ range(100000000) | list }}",
        ],
    )
    def test_there_is_no_way_out(self, documents: Platform, source: str) -> None:
        with pytest.raises((ValidationError, TemplateLimitError)) as caught:
            shown = fill(documents, source, free={}, lines=[])
            pytest.fail(shown[:200])
        assert "/" not in str(caught.value).replace("1/", ""), "no paths are told"

    def test_loops_that_do_not_end_are_stopped(self, documents: Platform) -> None:
        loops = (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}"
        )
        with pytest.raises(TemplateLimitError, match=r"takes longer than 1\.5 s"):
            fill(documents, loops)
        assert fill(documents, "{{ name }}") == "Ada", "the next one gets another process"

    def test_texts_without_end_are_stopped(self, documents: Platform) -> None:
        with pytest.raises(TemplateLimitError, match="more than 5,000,000 characters"):
            fill(documents, "{% for a in range(9999) %}{{ name * 1000 }}{% endfor %}", name="x" * 10)

    def test_memory_is_bounded(self, documents: Platform) -> None:
        double = "{% for i in range(20) %}{% set n.a = n.a ~ n.a %}{% endfor %}"
        grow = f"{{% set n = namespace(a='x' * 900000) %}}{double}{{{{ n.a | length }}}}"
        with pytest.raises(TemplateLimitError, match=r"too much memory|takes longer"):
            fill(documents, grow)
