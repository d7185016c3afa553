"""Holds every call on records against what the caller may do.

A caller who may not see a record is told that there is none; one who sees it and may not change it is told so. Lists are filtered
in SQL. Fields that the caller may not see are left out of what it gets, and it can't filter or sort by them either.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import bindparam, select
from sqlalchemy.types import String, Uuid

from brickwork.auth.access import SubjectAccess, denied
from brickwork.entities.filters import Order, Parsed, merge, parse_allowed, tests_of
from brickwork.entities.models import record as table
from brickwork.entities.related import Caller, condition, prefixed
from brickwork.entities.repository import missing
from brickwork.errors import PermissionDeniedError, Problem
from brickwork.kernel.access import Relations

if TYPE_CHECKING:
    from brickwork.auth import Verdict
    from brickwork.data import Transaction
    from brickwork.entities.compiled import CompiledType
    from brickwork.entities.record import Record
    from brickwork.kernel.platform import Platform


class Guard:
    """Asks the context's access, where there is one."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    def access(self) -> SubjectAccess | None:
        """The caller's access; None where the product's own code asks."""
        access = self._platform.contexts.current.access
        assert access is None or isinstance(access, SubjectAccess)
        return access

    # -- whole types ---------------------------------------------------------------------------------------------------

    def holds(self, type: str, verb: str) -> SubjectAccess | None:
        """The access, if it allows `verb` for one record of the type at least; raises where it allows none."""
        access = self.access()
        if access is not None and not access.holds(_name(type, verb)):
            access.require(_name(type, verb))
            raise denied(access.subject.id, _name(type, verb))
        return access

    def everywhere(self, type: str, *verbs: str) -> None:
        """Raise unless the caller may do all this to every record and field of the type, as work on many at once takes."""
        access = self.access()
        for verb in verbs if access is not None else ():
            assert access is not None
            if not access.everywhere(_name(type, verb)):
                access.require(_name(type, verb))
                raise PermissionDeniedError(
                    f"{access.subject.id} may {_name(type, verb)} under conditions only; this takes it without any",
                    permission=_name(type, verb),
                )

    def require(self, permission: str) -> None:
        self._platform.require(permission)

    # -- one record ----------------------------------------------------------------------------------------------------

    def seen(self, record: "Record") -> "Record":
        """The record as the caller may see it; raises `NotFoundError` where it may not."""
        access = self.holds(record.type, "read")
        name = _name(record.type, "read")
        if access is None or access.everywhere(name):
            return record
        if access.always(name) and (same := access.uniform(name)) is not None:
            return attrs.evolve(record, data=same.only(record.data))
        resource, relations = _resource(record), self._relations(access, name, record)
        if not access.allows(name, resource, relations):
            raise missing(record.type, record.id)
        fields = access.fields(name, resource, relations)
        return record if fields.everything else attrs.evolve(record, data=fields.only(record.data))

    def check(self, record: "Record", verb: str, changes: Iterable[str] = (), *, written: bool = False) -> None:
        """Raise unless the caller may do `verb` to the record, and set the fields that `changes` names. A record that the caller
        has `written` itself, and may not see any more, is not hidden from it."""
        access = self.holds(record.type, verb)
        name = _name(record.type, verb)
        if access is None or access.everywhere(name):
            return
        if not written:
            self.seen(record)
        resource, relations = _resource(record), self._relations(access, name, record)
        access.require(name, resource, relations, written=written)
        fields = access.fields(name, resource, relations)
        barred = [field for field in changes if not fields.admits(field)]
        if barred:
            problems = [Problem("you may not set it", field, "permission_denied") for field in barred]
            raise PermissionDeniedError(
                f"{access.subject.id} may not set {', '.join(barred)}", problems=problems, permission=name
            )

    def complete(self, record: "Record") -> None:
        """Raise unless the caller may see every field of the record."""
        if len(self.seen(record).data) != len(record.data):
            raise PermissionDeniedError("this shows fields that you may not see", permission=_name(record.type, "read"))

    def explain(self, subject: str, verb: str, record: "Record") -> "Verdict":
        """Why a subject may do `verb` to the record, or not; as `Auth.explain`."""
        access, name = self._platform.auth.asked_about(subject), _name(record.type, verb)
        return access.explain(name, _resource(record), self._relations(access, name, record))

    # -- many records --------------------------------------------------------------------------------------------------

    def narrow(self, compiled: "CompiledType", parsed: Parsed, order: Sequence[Order] = ()) -> Parsed:
        """The filter, and what the caller may see at all."""
        access = self.holds(compiled.name, "read")
        name = _name(compiled.name, "read")
        if access is None or access.everywhere(name):
            return parsed
        visible = access.fields(name)
        for field in [*(test.field for test in tests_of(parsed.where)), *(one.field for one in order)]:
            if field in compiled.definition.fields and not visible.admits(field):
                raise PermissionDeniedError(f"you may not filter or sort by {field}", field=field, permission=name)
        rows = access.rows(name)
        if rows is None:
            return parsed
        caller = Caller.of(access, name, self._platform.clock.now())
        return merge(parsed, parse_allowed(compiled, rows, caller, len(parsed.values)))

    def masked(self, compiled: "CompiledType") -> "Callable[[Record], Record]":
        """What takes from a record that `narrow` has let through the fields that the caller may not see."""
        access = self.access()
        name = _name(compiled.name, "read")
        if access is None or access.everywhere(name):
            return lambda record: record
        if access.fields(name).everything:
            return lambda record: record
        if (same := access.uniform(name)) is not None:
            return lambda record: attrs.evolve(record, data=same.only(record.data))

        def mask(record: "Record") -> "Record":
            fields = access.fields(name, _resource(record), self._relations(access, name, record))
            return attrs.evolve(record, data=fields.only(record.data))

        return mask

    # -- inside --------------------------------------------------------------------------------------------------------

    def _relations(self, access: SubjectAccess, permission: str, record: "Record") -> Relations:
        def ask(wanted: frozenset[str]) -> frozenset[str]:
            if not wanted:
                return wanted
            caller = Caller.of(access, permission, self._platform.clock.now())
            names = sorted(wanted)
            columns = [condition(relation, f"r{n}").label(f"c{n}") for n, relation in enumerate(names)]
            parameters: dict[str, Any] = {"record": record.id}
            for n, relation in enumerate(names):
                parameters |= prefixed(f"r{n}", caller.values(relation))
            with self._platform.transaction(readonly=True) as transaction:
                return _held(transaction, names, columns, parameters)

        return ask


def _held(transaction: "Transaction", names: list[str], columns: list[Any], parameters: dict[str, Any]) -> frozenset[str]:
    statement = select(*columns).where(
        table.c.tenant_id == bindparam("tenant", type_=String()), table.c.id == bindparam("record", type_=Uuid())
    )
    row = transaction.execute(statement, {"tenant": transaction.tenant, **parameters}).one_or_none()
    return frozenset(name for name, holds in zip(names, row or (), strict=False) if holds)


def _name(type: str, verb: str) -> str:
    return f"entities.{type}.{verb}"


def _resource(record: "Record") -> Mapping[str, Any]:
    """What conditions may ask for: every field of the type, empty ones as null, and the system's."""
    compiled = record._compiled
    assert compiled is not None
    values: dict[str, Any] = {name: compiled.read(name, record.data) for name in compiled.definition.fields}
    values |= {
        "id": str(record.id), "version": record.version, "created_by": record.created_by, "updated_by": record.updated_by,
        "created_at": record.created_at, "updated_at": record.updated_at,
    }  # fmt: skip
    return values
