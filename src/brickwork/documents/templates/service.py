"""Templates as a product sees them: `platform.documents.templates`."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import orjson
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from pydantic import ValidationError as PydanticError
from sqlalchemy import func, select, update

from brickwork.cache import Strategy
from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.documents.filling.sandbox import FillError, OutputTooLargeError, fill
from brickwork.documents.filling.workers import TooSlowError, Workers
from brickwork.documents.models import TemplateRow
from brickwork.documents.template import ESCAPED, Template, check_locale
from brickwork.documents.templates.checking import check
from brickwork.documents.templates.sources import Library, Names
from brickwork.errors import BrickworkError, DefinitionError, NotFoundError, Problem, ValidationError
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.documents.settings import DocumentsSettings
    from brickwork.kernel.platform import Platform

_table: Any = TemplateRow.__table__


class TemplateLimitError(BrickworkError):
    """A template took too long, too much memory, or made too much text."""

    code = "template_limit"
    status = 422


@attrs.frozen
class Version:
    """A version of a tenant's template. `status` is "draft", "published" or "retired"."""

    key: str
    number: int
    status: str
    note: str
    created_by: str
    created_at: datetime
    published_at: datetime | None


@attrs.frozen
class Rendered:
    """A filled template. `version` is None where it is one that code ships; `sha256` is of all parts."""

    key: str
    version: int | None
    locale: str
    parts: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """The digest of the parts, in hexadecimal."""
        return hashlib.sha256(orjson.dumps(dict(sorted(self.parts.items())))).hexdigest()


class Templates:
    """The tenant's templates, and those of the product and of components, which a tenant's of the same key stand in place of."""

    def __init__(self, platform: "Platform", settings: "DocumentsSettings") -> None:
        self._platform = platform
        self._settings = settings
        shipped = [template for group in platform.plugins.hook.brickwork_templates() for template in _declared(group)]
        self._shipped: dict[str, tuple[Template, ...]] = {}
        for template in shipped:  # pluggy calls what was registered last first
            self._shipped[template.key] = (*self._shipped.get(template.key, ()), template)
        self._workers = Workers(settings.template_processes, settings.template_memory << 20)
        platform.cache.define("document_templates", Strategy(ttl=300))
        self._kept = platform.cache.region("document_templates")

    # -- filling -------------------------------------------------------------------------------------------------------

    def render(
        self, key: str, data: Mapping[str, Any], *, locale: str | None = None, parts: Sequence[str] | None = None
    ) -> Rendered:
        """Fill the published template with `data`, in a language (the context's if none is named), or only some of its parts.
        Raises `NotFoundError`, `ValidationError` where the data is not what the schema says, and `TemplateLimitError`."""
        library = self._library(key)
        number, template, trusted = library.published(key)
        return self._filled(library, template, data, self._locale(locale), parts, number, trusted=trusted)

    def preview(self, template: Template | Mapping[str, Any], data: Mapping[str, Any] | None = None, *,
                locale: str | None = None) -> Rendered:  # fmt: skip
        """Fill a template that is not saved, with its own sample if no data is given. Raises as `save` and `render` do."""
        self._platform.require("templates.read")
        made = _template(template)
        library = self._library(made.key, *self._uses(made)).with_draft(made)
        _refuse(self._problems(library, made))
        return self._filled(library, made, data if data is not None else made.sample, self._locale(locale), None, None)

    # -- versions --------------------------------------------------------------------------------------------------------

    def check(self, template: Template | Mapping[str, Any]) -> list[Problem]:
        """What is wrong with a template; nothing is stored. Raises `DefinitionError` for what is no template at all."""
        made = _template(template)
        return self._problems(self._library(made.key, *self._uses(made)).with_draft(made), made)

    def save(self, template: Template | Mapping[str, Any], *, note: str = "") -> Version:
        """Store a template as a new draft. Raises `DefinitionError` with every problem that can be found without data."""
        self._platform.require("templates.write")
        made = _template(template)
        library = self._library(made.key, *self._uses(made)).with_draft(made)
        _refuse(self._problems(library, made))
        with self._platform.transaction() as transaction:
            return self._store(transaction, made, library.uses(made), note)

    def publish(self, key: str, number: int | None = None) -> Version:
        """Let a version (the newest if none is named) be used, in place of the one that was. Raises `NotFoundError`."""
        self._platform.require("templates.publish")
        with self._platform.transaction() as transaction:
            row = self._row(transaction, key, number)
            template = Template.model_validate(row.definition)
            _refuse(self._problems(self._library(key, *row.uses).with_draft(template), template))
            published = (_table.c.tenant_id == transaction.tenant, _table.c.key == key, _table.c.status == "published")
            transaction.execute(update(_table).where(*published).values(status="retired"))
            row.status, row.published_at = "published", self._platform.clock.now()
            transaction.flush()
            self._platform.cache.invalidate("document.templates")
            return _version(row)

    def retire(self, key: str) -> None:
        """Use the published version no more; what code ships under the key is used again. Raises `NotFoundError`."""
        self._platform.require("templates.publish")
        with self._platform.transaction() as transaction:
            mine = (_table.c.tenant_id == transaction.tenant, _table.c.key == key, _table.c.status == "published")
            if not transaction.execute(update(_table).where(*mine).values(status="retired")).rowcount:
                raise NotFoundError(f"no version of the template {key!r} is published")
            self._platform.cache.invalidate("document.templates")

    def rollback(self, key: str, number: int) -> Version:
        """Publish what an older version says, as a new version. Raises `NotFoundError`."""
        self._platform.require("templates.publish")
        with self._platform.transaction() as transaction:
            old = self._row(transaction, key, number)
            made = self._store(transaction, Template.model_validate(old.definition), old.uses, f"rolled back to {number}")
            return self.publish(key, made.number)

    def get(self, key: str, number: int | None = None) -> Template:
        """What a version says; without a number what `render` would use. Raises `NotFoundError`."""
        self._platform.require("templates.read")
        if number is None:
            return self._library(key).published(key)[1]
        with self._platform.transaction(readonly=True) as transaction:
            return Template.model_validate(self._row(transaction, key, number).definition)

    def keys(self) -> dict[str, str]:
        """Every key that can be rendered, with where it comes from: "tenant" or "shipped"."""
        self._platform.require("templates.read")
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(_table.c.key).where(_table.c.tenant_id == transaction.tenant, _table.c.status == "published")
            own = transaction.execute(wanted.limit(5000)).scalars().all()
        return dict(sorted((dict.fromkeys(self._shipped, "shipped") | dict.fromkeys(own, "tenant")).items()))

    def history(self, key: str, *, limit: int = 50, cursor: str | None = None) -> Page[Version]:
        """The versions of the tenant's own, the newest first, at most `limit` (1 to 500) a page."""
        self._platform.require("templates.read")
        cut(limit, 500)
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(TemplateRow).where(TemplateRow.key == key).order_by(TemplateRow.number.desc()).limit(limit + 1)
            if cursor is not None:
                wanted = wanted.where(TemplateRow.number < int(decode_cursor(cursor, f"template {key}")[0]))
            rows = transaction.session.scalars(wanted).all()
            versions = [_version(row) for row in rows[:limit]]
        following = encode_cursor(f"template {key}", [versions[-1].number]) if len(rows) > limit else None
        return Page(versions, following)

    def diff(self, key: str, old: int, new: int) -> str:
        """What changed between two versions, as a unified diff of their YAML. Raises `NotFoundError`."""
        before, after = (export(self.get(key, number)).splitlines(keepends=True) for number in (old, new))
        return "".join(difflib.unified_diff(before, after, f"{key} {old}", f"{key} {new}"))

    def close(self) -> None:
        """End the processes."""
        self._workers.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _library(self, *keys: str) -> Library:
        """The templates that `keys` need, shipped and the tenant's."""
        context = self._platform.contexts.current
        return Library(self._shipped, self._own(keys) if context.tenant is not None and not context.system else {})

    def _own(self, keys: Sequence[str]) -> dict[str, tuple[int, Template]]:
        """The tenant's published templates, kept by the cache; one query where they are not."""

        def load() -> Any:
            with self._platform.transaction(readonly=True) as transaction:
                wanted = select(_table.c.key, _table.c.number, _table.c.definition).where(
                    _table.c.tenant_id == transaction.tenant, _table.c.status == "published"
                )
                return [list(row) for row in transaction.execute(wanted.limit(5000))]

        rows = self._kept.get_or_load("published", load, tags=("document.templates",)) or []
        return {key: (number, _read(orjson.dumps(definition))) for key, number, definition in rows}

    def _uses(self, template: Template) -> set[str]:
        return Names(template).referenced()

    def _problems(self, library: Library, template: Template) -> list[Problem]:
        problems: list[Problem] = []
        for part in template.parts:
            for locale in ("", *template.locales):
                sources = library.sources(template, part, locale)
                problems += check(sources, f"{template.key}#{part}#0", template.schema_)
        return list(dict.fromkeys(problems))

    def _filled(
        self, library: Library, template: Template, data: Mapping[str, Any], locale: str, parts: Sequence[str] | None,
        number: int | None, *, trusted: bool = False,
    ) -> Rendered:  # fmt: skip
        values = orjson.loads(orjson.dumps(dict(data), default=_plain))
        _validate(template, values)
        wanted = [part for part in template.parts if parts is None or part in parts]
        sources = {part: library.sources(template, part, locale) for part in wanted}
        names = {part: f"{template.key}#{part}#0" for part in wanted}
        if trusted and not library.foreign(sources):
            made = self._here(sources, names, values, locale)
        else:
            made = self._apart(sources, names, values, locale)
        return Rendered(template.key, number, locale, made)

    def _here(self, sources: Any, names: Mapping[str, str], data: Any, locale: str) -> dict[str, str]:
        most = self._settings.template_output
        try:
            return {
                part: fill(sources[part], name, data, locale, escaped=part in ESCAPED, most=most) for part, name in names.items()
            }
        except FillError as error:
            raise ValidationError(f"the template can't be filled: {error}", field="data") from None
        except OutputTooLargeError:
            raise self._limit("output") from None

    def _apart(self, sources: Any, names: Mapping[str, str], data: Any, locale: str) -> dict[str, str]:
        asked = {"sources": sources, "names": names, "data": data, "locale": locale, "escaped": sorted(ESCAPED),
                 "most": self._settings.template_output}  # fmt: skip
        try:
            answer = self._workers.ask(asked, self._settings.template_seconds)
        except TooSlowError:
            raise self._limit("time") from None
        if "limit" in answer:
            raise self._limit(answer["limit"])
        if "error" in answer:
            raise ValidationError(f"the template can't be filled: {answer['error']}", field="data")
        made: dict[str, str] = answer["parts"]
        return made

    def _limit(self, what: str) -> TemplateLimitError:
        settings = self._settings
        told = {"time": f"it takes longer than {settings.template_seconds:g} s", "memory": "it takes too much memory",
                "output": f"it makes more than {settings.template_output:,} characters"}[what]  # fmt: skip
        return TemplateLimitError(f"the template was stopped: {told}")

    def _store(self, transaction: "Transaction", template: Template, uses: Sequence[str], note: str) -> Version:
        newest = select(func.max(_table.c.number)).where(_table.c.tenant_id == transaction.tenant, _table.c.key == template.key)
        number = (transaction.execute(newest).scalar_one() or 0) + 1
        row = TemplateRow(id=uuid7(), key=template.key, number=number, status="draft", uses=sorted(uses), note=note[:500],
                          definition=template.model_dump(mode="json", by_alias=True),
                          created_by=transaction.context.actor, created_at=self._platform.clock.now())  # fmt: skip
        transaction.session.add(row)
        transaction.flush()
        return _version(row)

    def _row(self, transaction: "Transaction", key: str, number: int | None) -> TemplateRow:
        wanted = select(TemplateRow).where(TemplateRow.key == key)
        wanted = wanted.where(TemplateRow.number == number) if number is not None else wanted
        row = transaction.session.scalars(wanted.order_by(TemplateRow.number.desc()).limit(1)).one_or_none()
        if row is None:
            raise NotFoundError(
                f"there is no version {number} of the template {key!r}" if number else f"there is no template {key!r}"
            )
        return row

    def _locale(self, locale: str | None) -> str:
        wanted = locale or self._platform.contexts.current.locale
        try:
            check_locale(wanted)
        except ValueError as error:
            raise ValidationError(str(error), field="locale") from None
        return wanted


def export(template: Template) -> str:
    """A template as YAML, as files have it."""
    found = template.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


@lru_cache(maxsize=1024)
def _read(definition: bytes) -> Template:
    return Template.model_validate_json(definition)


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(schema), format_checker=FormatChecker())


def _validate(template: Template, data: Any) -> None:
    problems = [
        Problem(error.message[:300], ".".join(map(str, error.absolute_path)) or "data", "template_data")
        for error in _validator(orjson.dumps(template.schema_)).iter_errors(data)
    ]
    if problems:
        first = problems[0]
        raise ValidationError(
            f"the data of the template {template.key!r}: {first.field}: {first.message}", problems=problems[:50]
        )


def _plain(value: Any) -> Any:
    """What JSON doesn't know: money as its parts, others as text."""
    if hasattr(value, "amount") and hasattr(value, "currency"):
        return {"amount": str(value.amount), "currency": value.currency}
    return str(value)


def _template(given: Template | Mapping[str, Any]) -> Template:
    try:
        made = given if isinstance(given, Template) else Template.model_validate(dict(given))
        Draft202012Validator.check_schema(made.schema_)
    except PydanticError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "template"
        raise DefinitionError(f"not a template: {where}: {first['msg'].removeprefix('Value error, ')}", field=where) from None
    except SchemaError as error:
        raise DefinitionError(f"not a template: schema: {error.message[:200]}", field="schema") from None
    return made


def _declared(group: Any) -> list[Template]:
    """Templates that a plugin ships: values, mappings, YAML files, or folders of these."""
    found: list[Template] = []
    for one in group:
        if isinstance(one, (str, Path)):
            path = Path(one)
            files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
            found += [_template(yaml.safe_load(file.read_text())) for file in files]
        else:
            found.append(_template(one))
    return found


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        first = problems[0]
        raise DefinitionError(f"the template can't be used: {first.field}: {first.message}", problems=problems[:50])


def _version(row: TemplateRow) -> Version:
    return Version(row.key, row.number, row.status, row.note, row.created_by, row.created_at, row.published_at)


__all__ = ["Rendered", "Template", "TemplateLimitError", "Templates", "Version", "export"]
