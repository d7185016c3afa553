"""Entity types as data: the fields, relations and rules of a type, in YAML, JSON or Python mappings."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from brickwork.entities.dedupe import DedupeRules
from brickwork.errors import DefinitionError, Problem
from brickwork.kernel.expressions import compile_expression

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
#: A text for people: one for all languages, or one by language code.
Label = str | dict[str, str]

#: Names that stand beside the fields in queries and records.
RESERVED = frozenset(
    {"id", "type", "version", "created_at", "updated_at", "created_by", "updated_by", "deleted_at", "and", "or", "not", "now"}
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldBase(_Part):
    """What every kind of field has.

    `indexed` makes filters and sorts on the field fast, `unique` forbids equal values within the tenant, `sensitive`
    encrypts it at rest, keeps it out of the audit trail's values and allows only equality search. `renamed_from` names
    the field of the previous version whose values this one takes over.
    """

    label: Label | None = None
    description: Label | None = None
    required: bool = False
    unique: bool = False
    indexed: bool = False
    sensitive: bool = False
    default: Any = None
    renamed_from: Name | None = None


class TextField(FieldBase):
    """Characters; `pattern` is a regular expression (Rust syntax) that must match somewhere, `max_length` in characters."""

    type: Literal["text"]
    min_length: int = Field(0, ge=0)
    max_length: int = Field(10_000, ge=1, le=1_000_000)
    pattern: str | None = None


class NumberField(FieldBase):
    """A double, or with `integer` a whole number of 64 bits."""

    type: Literal["number"]
    integer: bool = False
    min: float | None = None
    max: float | None = None


class DecimalField(FieldBase):
    """An exact number with at most `scale` digits after the point, kept as text."""

    type: Literal["decimal"]
    scale: int = Field(2, ge=0, le=10)
    min: float | None = None
    max: float | None = None


class MoneyField(FieldBase):
    """`{"amount": "12.50", "currency": "EUR"}` (ISO 4217); `currencies` restricts which."""

    type: Literal["money"]
    currencies: list[str] | None = None


class BooleanField(FieldBase):
    type: Literal["boolean"]


class DateField(FieldBase):
    """A calendar day, ISO 8601."""

    type: Literal["date"]


class DatetimeField(FieldBase):
    """A moment, ISO 8601 with a zone; kept in UTC."""

    type: Literal["datetime"]


class ChoiceField(FieldBase):
    """One of `choices`: a list of values, or values with labels."""

    type: Literal["choice"]
    choices: list[str] | dict[str, Label] = Field(min_length=1)


class MultiChoiceField(FieldBase):
    """Several of `choices`."""

    type: Literal["multi_choice"]
    choices: list[str] | dict[str, Label] = Field(min_length=1)


class EmailField(FieldBase):
    type: Literal["email"]


class PhoneField(FieldBase):
    """Kept as E.164; `region` (ISO 3166, e.g. "DE") reads numbers that are written without a country code."""

    type: Literal["phone"]
    region: str | None = Field(None, pattern="^[A-Z]{2}$")


class UrlField(FieldBase):
    type: Literal["url"]
    schemes: list[str] = ["http", "https"]


class ReferenceField(FieldBase):
    """The id of a record of type `target`. `on_delete` says what the target's deletion does to this record."""

    type: Literal["reference"]
    target: Name
    on_delete: Literal["restrict", "cascade", "nullify"] = "restrict"


class FileField(FieldBase):
    """The description of a stored file: key, name, size, media type, SHA-256."""

    type: Literal["file"]


class JsonField(FieldBase):
    """Any JSON, up to `max_bytes`."""

    type: Literal["json"]
    max_bytes: int = Field(65_536, ge=2, le=10_000_000)


class ComputedField(FieldBase):
    """The result of a CEL `expression` over the other fields, computed on each write; empty if a field that it names is."""

    type: Literal["computed"]
    expression: str
    result: Literal["text", "number", "decimal", "boolean", "date", "datetime"] = "text"


FieldDefinition = Annotated[
    TextField
    | NumberField
    | DecimalField
    | MoneyField
    | BooleanField
    | DateField
    | DatetimeField
    | ChoiceField
    | MultiChoiceField
    | EmailField
    | PhoneField
    | UrlField
    | ReferenceField
    | FileField
    | JsonField
    | ComputedField,
    Field(discriminator="type"),
]

_UNKEYED = frozenset({"multi_choice", "file", "json"})


class RelationDefinition(_Part):
    """A typed, directed link from this type to `target`, with its own attributes.

    `cardinality` reads source to target: with "many_to_one" many sources share a target and each has one. `on_delete` is
    what deleting the target does: refuse, delete the source too, or drop the link.
    """

    target: Name
    label: Label | None = None
    inverse: Label | None = None
    cardinality: Literal["one_to_one", "one_to_many", "many_to_one", "many_to_many"] = "many_to_many"
    on_delete: Literal["restrict", "cascade", "nullify"] = "nullify"
    attributes: dict[Name, FieldDefinition] = {}


class Rule(_Part):
    """A CEL condition over the fields that must hold. Skipped while a field that it names is empty, unless it speaks of
    `null` itself. `now` is the present moment."""

    check: str
    message: Label
    field: Name | None = None


class EntityTypeDefinition(_Part):
    """One type of record. `title` is a Jinja-free template such as "{family_name}, {given_name}"."""

    name: Name
    label: Label | None = None
    plural: Label | None = None
    description: Label | None = None
    fields: dict[Name, FieldDefinition] = Field(min_length=1, max_length=500)
    relations: dict[Name, RelationDefinition] = {}
    rules: list[Rule] = []
    unique_together: list[list[Name]] = []
    title: str | None = None
    duplicates: DedupeRules | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "EntityTypeDefinition":
        for problem in self._faults():
            raise ValueError(problem)
        return self

    def _faults(self) -> Iterator[str]:
        names = set(self.fields)
        for name in names & RESERVED:
            yield f"field {name!r} has a reserved name"
        for name in names & set(self.relations):
            yield f"{name!r} is both a field and a relation"
        for name, field in self.fields.items():
            yield from self._field_faults(name, field)
        for group in self.unique_together:
            if len(group) < 2 or len(set(group)) != len(group) or not set(group) <= names:
                yield f"unique_together {group} takes two or more different fields of the type"
        for number, rule in enumerate(self.rules):
            compile_expression(rule.check).check_names({*names, "now"}, where=f"rules[{number}]")
        if self.title is not None:
            unknown = set(re.findall(r"{(\w+)}", self.title)) - names
            if unknown:
                yield f"title names {', '.join(sorted(unknown))}, which are no fields"
        if self.duplicates is not None:
            for rule_ in self.duplicates.fields:
                if rule_.field not in names:
                    yield f"duplicates names {rule_.field!r}, which is no field"

    def _field_faults(self, name: str, field: Any) -> Iterator[str]:
        where = f"field {name!r}"
        if field.type in _UNKEYED and (field.indexed or field.unique):
            yield f"{where}: a {field.type} field can be neither indexed nor unique"
        if field.type == "reference" and field.sensitive:
            yield f"{where}: a reference can't be sensitive, since its link is stored"
        if isinstance(field, TextField) and field.pattern is not None:
            yield from _pattern_faults(where, field.pattern)
        if isinstance(field, ComputedField):
            others = set(self.fields) - {n for n, f in self.fields.items() if f.type == "computed"}
            expression = compile_expression(field.expression)
            expression.check_names(others, where=where)
            if field.required or field.default is not None:
                yield f"{where}: a computed field can be neither required nor have a default"
            secret = [n for n in expression.names if n in self.fields and self.fields[n].sensitive]
            if secret and not field.sensitive:
                yield f"{where}: it computes from sensitive {', '.join(secret)} and so must be sensitive too"


def _pattern_faults(where: str, pattern: str) -> Iterator[str]:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaError

    try:
        TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError as error:
        yield f"{where}: pattern {pattern!r} is no regular expression ({str(error).splitlines()[-1].strip()})"


def parse_definition(source: Mapping[str, Any] | EntityTypeDefinition, *, where: str = "definition") -> EntityTypeDefinition:
    """The checked definition; raises `DefinitionError` with each problem and its path."""
    if isinstance(source, EntityTypeDefinition):
        return source
    try:
        return EntityTypeDefinition.model_validate(source)
    except ValidationError as error:
        problems = [
            Problem(problem["msg"].removeprefix("Value error, "), _path(problem["loc"]), "definition_invalid")
            for problem in error.errors(include_url=False)
        ]
        told = "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems[:5])
        raise DefinitionError(f"{where} {source.get('name', '')!r} is not valid: {told}", problems=problems) from None


def _path(location: tuple[int | str, ...]) -> str | None:
    """The path in the document: pydantic's location without the names of the union's members."""
    kinds = {"text", "number", "decimal", "money", "boolean", "date", "datetime", "choice", "multi_choice", "email", "phone"}
    kinds |= {"url", "reference", "file", "json", "computed"}
    parts = [
        str(p) for n, p in enumerate(location) if not (p in kinds and n >= 2 and location[n - 2] in ("fields", "attributes"))
    ]
    return ".".join(parts) or None


def load_definitions(path: Path) -> list[EntityTypeDefinition]:
    """The definitions in a YAML or JSON file (one, a list, or several YAML documents) or in every such file of a folder."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml", ".json"))
        return [definition for file in files for definition in load_definitions(file)]
    documents = _documents(path)
    return [parse_definition(document, where=f"{path.name}:") for document in documents]


def _documents(path: Path) -> list[Any]:
    try:
        if path.suffix == ".json":
            loaded = [orjson.loads(path.read_bytes())]
        else:
            loaded = [document for document in _yaml(path.read_text(encoding="utf-8")) if document is not None]
    except FileNotFoundError:
        raise DefinitionError(f"{path} does not exist", field=str(path)) from None
    except Exception as error:
        raise DefinitionError(f"{path.name} can't be read: {' '.join(str(error).split())[:300]}", field=str(path)) from None
    flat = [item for document in loaded for item in (document if isinstance(document, list) else [document])]
    for item in flat:
        if not isinstance(item, dict):
            raise DefinitionError(f"{path.name} must hold definitions (mappings), found {type(item).__name__}", field=str(path))
    return flat


def _yaml(text: str) -> Iterator[Any]:
    """The documents of a YAML text, in which only `true` and `false` are truth values (YAML 1.2): `no` is a field's name,
    and NO a country."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {
            letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
            for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
    return iter(list(yaml.load_all(text, Loader)))


def label_of(label: Label | None, locale: str, fallback: str) -> str:
    """The label in `locale`, else in its language, else in English, else any, else `fallback`."""
    if label is None:
        return fallback
    if isinstance(label, str):
        return label
    for wanted in (locale, locale.split("-")[0], "en"):
        if wanted in label:
            return label[wanted]
    return next(iter(label.values()), fallback)
