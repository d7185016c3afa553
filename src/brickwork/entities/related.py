"""How a caller stands to records, as conditions of SQL: made by it, by somebody of its groups, shared with it, linked with it.

They stand in filters that come from permissions (`brickwork.kernel.access`), never in a caller's own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs
from sqlalchemy import ColumnElement, String, Uuid, bindparam, func, literal, or_, select

from brickwork.auth.access import SubjectAccess
from brickwork.auth.models import GroupMemberRow, ShareRow
from brickwork.data.types import UTCDateTime
from brickwork.entities.models import EntityLinkRow, record
from brickwork.kernel.ids import parse_id

_NOBODY = UUID(int=0)
_tenant = bindparam("tenant", type_=String())
_link: Any = EntityLinkRow.__table__


@attrs.frozen
class Caller:
    """Who asks for records, for what and when."""

    subject: str
    names: tuple[str, ...]
    person: UUID | None
    #: Levels of a share that are enough for the permission.
    levels: tuple[str, ...]
    now: datetime

    @classmethod
    def of(cls, access: SubjectAccess, permission: str, now: datetime) -> "Caller":
        subject = access.subject
        person = parse_id(subject.person.partition(":")[2]) if subject.person else None
        levels = ("read", "write") if permission.endswith(".read") else ("write",)
        return cls(subject.id, tuple(subject.names), person, levels, now)

    def values(self, relation: str) -> dict[str, Any]:
        """The parameters of a relation's condition."""
        match relation.partition(".")[0]:
            case "owner":
                return {"": self.subject, "v": f"{self.subject} via "}
            case "team":
                return {"": self.subject}
            case "shared":
                return {"": list(self.names), "l": list(self.levels), "n": self.now}
            case _:
                return {"": self.person or _NOBODY}


def condition(relation: str, label: str) -> ColumnElement[bool]:
    """The condition of a relation ("owner", "team", "shared", "linked.TYPE.NAME") on `record`."""
    kind, _, link = relation.partition(".")
    builders = {"owner": _owner, "team": _team, "shared": _shared}
    return builders[kind](label) if kind in builders else _linked(link, label)


def _owner(label: str) -> ColumnElement[bool]:
    """Who made it, in person or impersonated."""
    start = bindparam(f"{label}v", type_=String())
    made_by = record.c.created_by
    return or_(made_by == bindparam(label, type_=String()), func.substr(made_by, 1, func.length(start)) == start)


def _team(label: str) -> ColumnElement[bool]:
    """Somebody made it who is in a group with the caller."""
    mine, theirs = GroupMemberRow.__table__.alias("mine"), GroupMemberRow.__table__.alias("theirs")
    fellows = (
        select(theirs.c.subject)
        .join(mine, (mine.c.tenant_id == theirs.c.tenant_id) & (mine.c.group_name == theirs.c.group_name))
        .where(theirs.c.tenant_id == _tenant, mine.c.subject == bindparam(label, type_=String()))
    )
    return record.c.created_by.in_(fellows)


def _shared(label: str) -> ColumnElement[bool]:
    """It is shared with the caller or one of its groups, for long enough and far enough."""
    shares = select(ShareRow.record_id).where(
        ShareRow.tenant_id == _tenant,
        ShareRow.subject.in_(bindparam(label, type_=String(), expanding=True)),
        ShareRow.level.in_(bindparam(f"{label}l", type_=String(), expanding=True)),
        or_(ShareRow.until.is_(None), ShareRow.until > bindparam(f"{label}n", type_=UTCDateTime())),
    )
    return record.c.id.in_(shares)


def _linked(kind: str, label: str) -> ColumnElement[bool]:
    """It is linked with the record that stands for the caller, in either direction."""
    person = bindparam(label, type_=Uuid())
    outward = select(_link.c.source_id).where(
        _link.c.tenant_id == _tenant, _link.c.kind == literal(kind), _link.c.target_id == person
    )
    inward = select(_link.c.target_id).where(
        _link.c.tenant_id == _tenant, _link.c.kind == literal(kind), _link.c.source_id == person
    )
    return or_(record.c.id.in_(outward), record.c.id.in_(inward))


def prefixed(label: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters under their names in the statement."""
    return {label + suffix: value for suffix, value in values.items()}
