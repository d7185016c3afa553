"""What a template is: named parts in Jinja, in several languages, and the schema of what fills them."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: Characters of all sources of a template.
MOST_CHARACTERS = 500_000
#: Parts of which the values are escaped for HTML and XML.
ESCAPED = frozenset({"body", "html", "header", "footer"})
KEY = r"^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*$"


class Template(BaseModel):
    """A template. `parts` are its sources by name: "body" is the markup of a document, "subject", "html", "text", "sms", "push"
    and "inbox" make messages; other names are free. `locales` have the parts that are different in a language ("de", "de-AT")."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=KEY, max_length=100)
    title: str = Field(default="", max_length=200)
    parts: dict[str, str] = Field(min_length=1, max_length=50)
    locales: dict[str, dict[str, str]] = Field(default={}, max_length=50)
    #: A JSON Schema (2020-12) of the data; a name that it lacks can't be used.
    schema_: dict[str, Any] = Field(default={"type": "object", "properties": {}}, alias="schema")
    #: Data to preview it with.
    sample: dict[str, Any] = {}

    @field_validator("parts")
    @classmethod
    def _named(cls, parts: dict[str, str]) -> dict[str, str]:
        for name in parts:
            if not (name.isidentifier() and name.islower() and len(name) <= 30):
                raise ValueError(f"{name[:40]!r} is no name of a part; it takes up to 30 lower-case letters, digits and _")
        return parts

    @field_validator("locales")
    @classmethod
    def _known(cls, locales: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name in locales:
            check_locale(name)
        return locales

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        unknown = {name for parts in self.locales.values() for name in parts} - self.parts.keys()
        if unknown:
            raise ValueError(f"locales have parts that the template lacks: {', '.join(sorted(unknown))}")
        sources = [*self.parts.values(), *(source for parts in self.locales.values() for source in parts.values())]
        if sum(map(len, sources)) > MOST_CHARACTERS:
            raise ValueError(f"the sources have more than {MOST_CHARACTERS:,} characters")
        if any("\0" in source for source in sources):
            raise ValueError("a source holds a NUL character")
        if self.schema_.get("type", "object") != "object":
            raise ValueError("the schema describes an object")
        return self

    def localised(self, locale: str) -> Mapping[str, str]:
        """The parts in a language: those of "de-AT", then of "de", then those that have none."""
        found = dict(self.parts)
        for name in reversed(chain_of(locale)):
            found |= self.locales.get(name, {})
        return found


def chain_of(locale: str) -> list[str]:
    """A locale and those that it is a variety of: "de-AT", "de"."""
    parts = locale.replace("_", "-").split("-")
    return ["-".join(parts[:end]) for end in range(len(parts), 0, -1)]


def check_locale(name: str) -> None:
    """Raise `ValueError` unless it names a locale, as "de-AT" does."""
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        raise ValueError(f"{name[:40]!r} is no locale; it looks like de or de-AT") from None
