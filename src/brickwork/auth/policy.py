"""Permissions and roles as data: what a tenant writes down about who may do what."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)+\Z")
_PATTERN = re.compile(r"(\*|[a-z][a-z0-9_]*)(\.(\*|[A-Za-z0-9_-]+))*\Z")
_RELATION = re.compile(r"(owner|team|shared|linked(\.[a-z][a-z0-9_]*){2})\Z")


def _permission(name: str) -> str:
    if not _NAME.match(name) or len(name) > 200:
        raise ValueError(f"{name[:80]!r} is no permission; it looks like component.noun.verb, such as reports.sales.read")
    return name


def _pattern(text: str) -> str:
    if not _PATTERN.match(text) or len(text) > 200:
        raise ValueError(
            f"{text[:80]!r} names no permissions; it looks like entities.patient.read, entities.*.read or entities.*"
        )
    return text


def _relation(text: str) -> str:
    if not _RELATION.match(text):
        raise ValueError(f"{text[:80]!r} is no relation; there are owner, team, shared and linked.TYPE.RELATION")
    return text


PermissionName = Annotated[str, AfterValidator(_permission)]
#: A permission, or several: `*` stands for one part, or at the end for all parts that follow.
Pattern = Annotated[str, AfterValidator(_pattern)]
#: How somebody stands to a record: `owner` made it, `team` shares a group with who did, `shared` was given it, and
#: `linked.TYPE.RELATION` is linked with it, by that relation or reference, through the record that stands for them.
Relation = Annotated[str, AfterValidator(_relation)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Permission(_Model):
    """Something that can be allowed."""

    name: PermissionName
    title: str = Field(default="", max_length=200)


class Grant(_Model):
    """Permissions that are allowed or denied. A denial is stronger than whatever allows.

    `when` is a CEL condition over `actor`, `resource` and `context`; `related` names relations of which one must hold;
    `fields` limits what is allowed, or denied, to these fields of a resource. Who changes a resource needs it to be allowed
    before and after, so nobody moves one into or out of their reach; `then` is the condition afterwards where that is to be
    another than `when` (as PostgreSQL's USING and WITH CHECK).
    """

    allow: list[Pattern] = []
    deny: list[Pattern] = []
    when: str | None = Field(default=None, max_length=2000)
    then: str | None = Field(default=None, max_length=2000)
    related: list[Relation] = []
    fields: list[str] | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _either(self) -> Self:
        if bool(self.allow) == bool(self.deny):
            raise ValueError("a grant either allows or denies: give one of allow and deny")
        return self

    @property
    def patterns(self) -> list[str]:
        return self.allow or self.deny


class Role(_Model):
    """A named set of grants; it has those of the roles that it inherits too."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    title: str = Field(default="", max_length=200)
    inherits: list[str] = Field(default=[], max_length=50)
    grants: list[Grant] = Field(default=[], max_length=500)


#: What every tenant has until it stores a role of the same name.
ADMINISTRATOR = Role(name="administrator", title="May do everything", grants=[Grant(allow=["*"])])


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern stands for a permission."""
    wanted, given = pattern.split("."), name.split(".")
    if wanted[-1] == "*" and len(given) >= len(wanted):
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))
