"""`platform.entities`: records of types that tenants define, with their rules, links and history."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import attrs

from brickwork.data import AuditEntry, Page
from brickwork.data.pagination import cut, decode_cursor, encode_cursor
from brickwork.entities.cached import CachedRows
from brickwork.entities.compiled import CompiledType, Data
from brickwork.entities.definitions import EntityTypeDefinition
from brickwork.entities.deletion import Deletions
from brickwork.entities.events import EntityCreated, EntityUpdated, tags_of
from brickwork.entities.filters import Shape, bind, parse_sort, parse_where
from brickwork.entities.guarding import Guard
from brickwork.entities.links import Links
from brickwork.entities.query import build, build_count, cursor_value
from brickwork.entities.record import Record
from brickwork.entities.relations import Relations
from brickwork.entities.repository import Records, check_text, check_version
from brickwork.entities.types import EntityTypes
from brickwork.errors import NotFoundError, PermissionDeniedError, ValidationError
from brickwork.kernel.exposed import exposed
from brickwork.kernel.ids import parse_id, uuid7

if TYPE_CHECKING:
    from brickwork.auth import Verdict
    from brickwork.data.keyring import Keyring
    from brickwork.entities.bulk import Bulk
    from brickwork.entities.duplicates import Duplicates
    from brickwork.entities.transfer import Transfer
    from brickwork.kernel.platform import Platform

MAX_PAGE = 500


class Entities:
    """Create, read, change, find and delete records. Every method works within the context's tenant.

    `types` holds the definitions, `relations` the graph, `bulk` many records at once, `transfer` import and export,
    `duplicates` finds and merges records that mean the same thing.
    """

    def __init__(self, platform: "Platform", shipped: Sequence[EntityTypeDefinition] = ()) -> None:
        self._platform = platform
        self._database = platform.database
        self._records = Records(self._keyring)
        self._dialect = self._database.backend.name
        self.types = EntityTypes(self._database, self._records, shipped, platform.require)
        self._rows = CachedRows(platform.cache)
        self._guard = Guard(platform)
        self._links = Links(self._records, self.types)
        self._deletions = Deletions(self._records, self.types, self._links)
        self.relations = Relations(self, self._links)

    @cached_property
    def bulk(self) -> "Bulk":
        from brickwork.entities.bulk import Bulk

        return Bulk(self)

    @cached_property
    def transfer(self) -> "Transfer":
        from brickwork.entities.transfer import Transfer

        return Transfer(self)

    @cached_property
    def duplicates(self) -> "Duplicates":
        from brickwork.entities.duplicates import Duplicates

        return Duplicates(self)

    # -- one record ------------------------------------------------------------------------------------------------

    @exposed("entities.{type}.create")
    def create(self, type: str, data: Mapping[str, Any], *, id: UUID | str | None = None) -> Record:
        """Store a new record. `id` may be given by a caller that must be able to repeat the call.

        Raises `ValidationError` naming each bad field, `DuplicateError`, `BrokenReferenceError`.
        """
        with self._database.transaction() as transaction:
            self._guard.holds(type, "create")
            compiled = self.types.for_writing(transaction, type)
            now = self._database.clock.now()
            key = uuid7() if id is None else self._id(type, id)
            clean = compiled.check_new(data, now)
            check_text(clean)
            row = self._records.new_row(transaction, compiled, key, clean, now)
            self._records.insert(transaction, compiled, [row])
            if compiled.references:
                self._links.set_references(transaction, compiled, [(key, clean)])
            actor = transaction.context.actor
            record = Record(type, key, 1, clean, now, actor, now, actor, None, compiled)
            self._guard.check(record, "create", data, written=True)  # relations are asked of what is stored
            transaction.publish(EntityCreated(type=type, id=key, version=1))
        return self._returned(record)

    @exposed("entities.{type}.read", hidden=["include_deleted"])
    def get(self, type: str, id: UUID | str, *, include_deleted: bool = False) -> Record:
        """The record; raises `NotFoundError`. Outside a transaction it comes from the cache, if that has it."""
        context = self._platform.contexts.current
        if not (include_deleted or context.system) and self._database.current is None:
            return self._guard.seen(self._cached(context.require_tenant(), type, self._id(type, id)))
        with self._database.transaction(readonly=True) as transaction:
            compiled = self.types.for_reading(transaction, type)
            row = self._records.get(transaction, compiled, self._id(type, id), deleted=include_deleted)
            return self._guard.seen(self._records.record(transaction, compiled, row))

    def get_many(self, type: str, ids: Sequence[UUID | str]) -> dict[UUID, Record]:
        """The records that exist among `ids` (at most 1,000), by id, in one query."""
        cut(max(len(ids), 1), 1000)
        with self._database.transaction(readonly=True) as transaction:
            compiled = self.types.for_reading(transaction, type)
            access = self._guard.holds(type, "read")
            if access is not None and not access.everywhere(f"entities.{type}.read"):
                return self._get_visible(type, [self._id(type, id) for id in ids])
            rows = self._records.get_many(transaction, compiled, [self._id(type, id) for id in ids])
            return {id: self._records.record(transaction, compiled, row) for id, row in rows.items() if row.deleted_at is None}

    @exposed("entities.{type}.update")
    def update(self, type: str, id: UUID | str, changes: Mapping[str, Any], *, version: int | None = None) -> Record:
        """Change the given fields; None empties one. With `version`, only if the record is still at it.

        Raises `StaleVersionError`, and what `create` raises. Changing nothing writes nothing.
        """
        with self._database.transaction() as transaction:
            compiled = self.types.for_writing(transaction, type)
            row = self._records.get(transaction, compiled, self._id(type, id), lock=True)
            record = self._records.record(transaction, compiled, row)
            self._guard.check(record, "update", changes)
            check_version(type, row, version)
            before = record.data
            now = self._database.clock.now()
            after = compiled.check_changes(changes, before, now)
            changed = tuple(name for name in {**before, **after} if before.get(name) != after.get(name))
            if not changed:
                return self._guard.seen(record)
            check_text(after)
            content = self._records.content(transaction, compiled, row.id, after)
            change = {"key": row.id, "expected": row.version, "updated_at": now, **content}
            self._records.write(transaction, compiled, [change])
            if compiled.references.keys() & set(changed):
                self._links.set_references(transaction, compiled, [(row.id, after)], replace=True)
            actor = transaction.context.actor
            record = Record(type, row.id, row.version + 1, after, row.created_at, row.created_by, now, actor, None, compiled)
            self._guard.check(record, "update", written=True)  # nobody changes a record out of their own reach
            transaction.publish(EntityUpdated(type=type, id=row.id, version=row.version + 1, fields=changed))
        return self._returned(record)

    @exposed("entities.{type}.delete")
    def delete(self, type: str, id: UUID | str, *, version: int | None = None) -> None:
        """Hide the record, and what its links say goes with it; `restore` brings all of it back.

        Raises `RestrictedError` while a link with the rule "restrict" points to it.
        """
        with self._database.transaction() as transaction:
            compiled = self.types.for_writing(transaction, type)
            row = self._records.get(transaction, compiled, self._id(type, id), lock=True)
            self._guard.check(self._records.record(transaction, compiled, row), "delete")
            check_version(type, row, version)
            self._deletions.delete(transaction, compiled, row)

    def restore(self, type: str, id: UUID | str) -> Record:
        """Bring back a deleted record and what was deleted along with it; raises `DuplicateError` if a unique value was
        given to another meanwhile."""
        with self._database.transaction() as transaction:
            compiled = self.types.for_writing(transaction, type)
            row = self._records.get(transaction, compiled, self._id(type, id), lock=True, deleted=True)
            self._guard.check(self._records.record(transaction, compiled, row), "delete")
            if row.merged_into is not None:
                raise ValidationError(f"{type} {row.id} was merged into {row.merged_into}; undo the merge instead")
            if row.deleted_at is not None:
                self._deletions.restore(transaction, row.deletion_id)
            row = self._records.get(transaction, compiled, row.id)
            return self._guard.seen(self._records.record(transaction, compiled, row))

    def purge(self, type: str, id: UUID | str) -> None:
        """Erase a deleted record for good, with its links. Its audit entries stay; sensitive values never were in them."""
        with self._database.transaction() as transaction:
            compiled = self.types.for_writing(transaction, type)
            row = self._records.get(transaction, compiled, self._id(type, id), lock=True, deleted=True)
            self._guard.check(self._records.record(transaction, compiled, row), "purge")
            if row.deleted_at is None:
                raise ValidationError(f"{type} {row.id} is in use; delete it before purging")
            self._deletions.purge(transaction, compiled, row.id)

    def history(self, type: str, id: UUID | str, *, limit: int = 50, cursor: str | None = None) -> Page[AuditEntry]:
        """Who changed the record, when and how, the newest first."""
        if self._guard.holds(type, "read") is not None:
            with self._platform.trusted():
                record = self.get(type, id, include_deleted=True)
            self._guard.complete(record)
        key = str(self._id(type, id))
        stored = key if self._dialect == "postgresql" else key.replace("-", "")
        return self._database.audit.entries(entity="entity_record", record_id=stored, limit=limit, cursor=cursor)

    # -- many records ----------------------------------------------------------------------------------------------

    @exposed("entities.{type}.read", hidden=["include_deleted"])
    def query(
        self,
        type: str,
        where: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[str] | None = None,
        fields: Sequence[str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        include_deleted: bool = False,
    ) -> Page[Record]:
        """One page of the records that `where` admits (see `brickwork.entities.filters`), at most 500.

        `sort` takes names, `-name` for descending; empty values come last in ascending order. `fields` limits `data`.
        """
        cut(limit, MAX_PAGE)
        with self._database.transaction(readonly=True) as transaction:
            compiled = self.types.for_reading(transaction, type)
            _check_fields(compiled, fields)
            order = parse_sort(compiled, sort)
            parsed = self._guard.narrow(compiled, parse_where(compiled, where), order)
            mask = self._guard.masked(compiled)
            blinds = self._records.blinds(transaction.tenant, compiled)
            shape = Shape(parsed.where, order, cursor is not None, include_deleted, self._dialect)
            statement = build(compiled, shape)
            parameters = {"tenant": transaction.tenant, "limit": limit + 1, **bind(compiled, parsed, blinds)}
            signature = ",".join([compiled.name, *(f"{'-' if o.descending else ''}{o.field}" for o in order)])
            keys = [o for o in order if o.field != "id"]
            if cursor is not None:
                parameters.update(_after(statement, decode_cursor(cursor, signature), len(keys)))
            rows = transaction.execute(statement, parameters).all()
            records = [self._project(mask(self._records.record(transaction, compiled, row)), fields) for row in rows[:limit]]
        if len(rows) <= limit:
            return Page(records)
        last = rows[limit - 1]
        return Page(records, encode_cursor(signature, [*(getattr(last, f"s{n}") for n in range(len(keys))), last.id]))

    @exposed("entities.{type}.read")
    def count(self, type: str, where: Mapping[str, Any] | None = None) -> int:
        """How many records `where` admits."""
        with self._database.transaction(readonly=True) as transaction:
            compiled = self.types.for_reading(transaction, type)
            parsed = self._guard.narrow(compiled, parse_where(compiled, where))
            blinds = self._records.blinds(transaction.tenant, compiled)
            statement = build_count(compiled, Shape(parsed.where, (), False, False, self._dialect))
            parameters = {"tenant": transaction.tenant, **bind(compiled, parsed, blinds)}
            return int(transaction.execute(statement, parameters).scalar_one())

    @exposed("entities.{type}.read", hidden=["batch"])
    def each(self, type: str, where: Mapping[str, Any] | None = None, *, batch: int = MAX_PAGE) -> Iterator[Record]:
        """Every record that `where` admits, in order of id, a page at a time; each page is a transaction of its own."""
        cursor = None
        while True:
            page = self.query(type, where, limit=batch, cursor=cursor)
            yield from page.items
            if (cursor := page.cursor) is None:
                return

    def rekey(self, type: str) -> int:
        """Encrypt again, with the keyring's active key, what an older key encrypted; returns how many records changed.

        Run it for every tenant and type after adding a key, before the old one is taken out of the settings.
        """
        changed = 0
        self._guard.everywhere(type, "read", "update")
        with self._database.transaction() as transaction:
            compiled = self.types.for_writing(transaction, type)
            for rows in self._records.scan(transaction, compiled):
                changed += self._records.rekey(transaction, compiled, rows)
            self._platform.cache.invalidate(*tags_of(type))  # what is kept is encrypted as the rows were
        return changed

    def _cached(self, tenant: str, type: str, key: UUID) -> Record:
        compiled = self.types.trusted(tenant, type)
        if compiled is None:
            with self._database.transaction(readonly=True) as transaction:
                compiled = self.types.for_reading(transaction, type)

        def load() -> Any:
            with self._database.transaction(readonly=True) as transaction:
                return self._records.get(transaction, compiled, key)

        return self._records.record_of(tenant, compiled, self._rows.get(type, key, load))

    # -- sharing -------------------------------------------------------------------------------------------------------

    def share(
        self, type: str, id: UUID | str, subject: str, *, level: Literal["read", "write"] = "read", until: datetime | None = None
    ) -> None:
        """Share a record with "user:…", "service:…" or "group:…". Roles whose grants are `related` to `shared` decide what that
        admits. Takes `entities.TYPE.share`; raises `PermissionDeniedError` and `ValidationError`."""
        self._platform.auth.shares.grant(self._sharable(type, id), subject, level=level, until=until)

    def unshare(self, type: str, id: UUID | str, subject: str) -> None:
        """Share it with that subject no more."""
        self._platform.auth.shares.revoke(self._sharable(type, id), subject)

    def shares(self, type: str, id: UUID | str) -> Sequence[tuple[str, str, datetime | None]]:
        """With whom a record is shared: subject, level, until when."""
        return self._platform.auth.shares.list(self._sharable(type, id))

    def explain(self, subject: str, verb: str, type: str, id: UUID | str) -> "Verdict":
        """Why "user:…" or "service:…" may do `verb` ("read", "update" …) to a record, or not. Takes `auth.explain` for other
        subjects than the caller. Raises `NotFoundError`."""
        with self._platform.trusted():
            record = self.get(type, id)
        return self._guard.explain(subject, verb, record)

    def _sharable(self, type: str, id: UUID | str) -> UUID:
        with self._platform.trusted():
            record = self.get(type, id)
        self._guard.check(record, "share")
        return record.id

    def _get_visible(self, type: str, ids: Sequence[UUID]) -> dict[UUID, Record]:
        """Those that the caller may see, in two queries at most."""
        found: dict[UUID, Record] = {}
        for start in range(0, len(ids), MAX_PAGE):
            some = list(ids[start : start + MAX_PAGE])
            found |= {record.id: record for record in self.query(type, {"id": {"in": some}}, limit=MAX_PAGE).items}
        return found

    def _returned(self, record: Record) -> Record:
        """What a writer gets to see of what it wrote; who may not read gets no fields."""
        access = self._guard.access()
        if access is None or access.everywhere(f"entities.{record.type}.read"):
            return record
        try:
            return self._guard.seen(record)
        except (NotFoundError, PermissionDeniedError):
            return attrs.evolve(record, data={})

    # -- for the neighbours in this room ---------------------------------------------------------------------------

    def _keyring(self) -> "Keyring":
        keyring: Keyring = self._platform.get("keyring")
        return keyring

    def _id(self, type: str, id: UUID | str) -> UUID:
        """The id; a text that spells none cannot name a record."""
        key = id if isinstance(id, UUID) else parse_id(id)
        if key is None:
            raise NotFoundError(f"there is no {type} {str(id)[:80]!r}", type=type)
        return key

    def _project(self, record: Record, fields: Sequence[str] | None) -> Record:
        if fields is None:
            return record
        data: Data = {name: record.data[name] for name in fields if name in record.data}
        return attrs.evolve(record, data=data)


def _check_fields(compiled: CompiledType, fields: Sequence[str] | None) -> None:
    unknown = [name for name in fields or () if name not in compiled.definition.fields]
    if unknown:
        known = ", ".join(compiled.definition.fields)
        raise ValidationError(
            f"fields: {', '.join(unknown)} are no fields of {compiled.name}; there are {known}"[:500], field="fields"
        )


def _after(statement: Any, keys: list[Any], count: int) -> dict[str, Any]:
    """The parameters of a cursor."""
    columns = [statement.selected_columns[f"s{n}"] for n in range(count)]
    try:
        if len(keys) != count + 1:
            raise ValueError
        values = {f"s{n}": cursor_value(column, key) for n, (column, key) in enumerate(zip(columns, keys, strict=False))}
        return {**values, "after_id": UUID(keys[-1])}
    except (ValueError, TypeError, AttributeError):
        raise ValidationError("the cursor is damaged; use the one from the page before", field="cursor") from None
