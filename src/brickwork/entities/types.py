"""The types of a tenant: definitions in force, their history, and changing them without losing data."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import orjson
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.types import String

from brickwork.data.prepared import Prepared
from brickwork.data.transaction import Transaction
from brickwork.entities.changes import ChangePlan, Migration
from brickwork.entities.compiled import CompiledType, Slots
from brickwork.entities.definitions import EntityTypeDefinition, parse_definition
from brickwork.entities.events import EntityTypeChanged
from brickwork.entities.models import EntityTypeRow, EntityTypeVersionRow
from brickwork.errors import DefinitionChangeError, DuplicateError, NotFoundError

if TYPE_CHECKING:
    from brickwork.data import Database
    from brickwork.entities.repository import Records

#: Seconds for which a read trusts the definition it has; writes always ask the database.
TRUST = 1.0

_type: Any = EntityTypeRow.__table__
_history: Any = EntityTypeVersionRow.__table__
_TENANT = _type.c.tenant_id == bindparam("tenant", type_=String())
_NAME = _type.c.name == bindparam("of_type", type_=String())
_LOAD = select(_type).where(_TENANT, _NAME)
_ASK_VERSION = select(_type.c.version).where(_TENANT, _NAME)
_VERSION = Prepared(_ASK_VERSION)
_VERSION_SHARED = Prepared(_ASK_VERSION.with_for_update(read=True, key_share=True))
_LOCK = _LOAD.with_for_update()


Versions = list[tuple[int, EntityTypeDefinition]]
Definitions = list[EntityTypeDefinition]


class EntityTypes:
    """`platform.entities.types`."""

    def __init__(
        self,
        database: "Database",
        records: "Records",
        shipped: Sequence[EntityTypeDefinition],
        require: Callable[[str], None],
    ) -> None:
        self._database = database
        self._require = require
        self._records = records
        #: Definitions that every tenant has, by name; installed for a tenant on first use.
        self.shipped = {definition.name: definition for definition in shipped}
        self._cache: dict[tuple[str, str], tuple[CompiledType, float]] = {}
        self._compiled: dict[tuple[str, int], CompiledType] = {}
        self._current: set[tuple[str, str]] = set()

    # -- asking ----------------------------------------------------------------------------------------------------

    def get(self, name: str) -> EntityTypeDefinition:
        """The definition in force; raises `NotFoundError`."""
        self._require("entity_types.read")
        with self._database.transaction(readonly=True) as transaction:
            return self.for_reading(transaction, name).definition

    def list(self) -> Definitions:
        """All definitions in force, by name, the shipped ones included (at most 1,000)."""
        self._require("entity_types.read")
        with self._database.transaction(readonly=True) as transaction:
            statement = select(_type).where(_type.c.tenant_id == transaction.tenant).order_by(_type.c.name).limit(1000)
            own = {row.name: EntityTypeDefinition.model_validate(row.definition) for row in transaction.execute(statement)}
        return [definition for _, definition in sorted({**self.shipped, **own}.items())]

    def history(self, name: str) -> Versions:
        """Every version of the definition, the newest first (at most 1,000)."""
        self._require("entity_types.read")
        with self._database.transaction(readonly=True) as transaction:
            statement = (
                select(_history.c.version, _history.c.definition)
                .where(_history.c.tenant_id == transaction.tenant, _history.c.name == name)
                .order_by(_history.c.version.desc())
                .limit(1000)
            )
            return [(row.version, EntityTypeDefinition.model_validate(row.definition)) for row in transaction.execute(statement)]

    # -- changing --------------------------------------------------------------------------------------------------

    def preview(self, source: Mapping[str, Any] | EntityTypeDefinition) -> ChangePlan:
        """What `apply` would do, with the number of records that the change would harm."""
        self._require("entity_types.write")
        definition = parse_definition(source)
        with self._database.transaction(readonly=True) as transaction:
            old = self._load(transaction, definition.name)
            new = self._next(definition, old)
            return Migration(self._records, transaction, old, new).plan()

    def apply(
        self,
        source: Mapping[str, Any] | EntityTypeDefinition,
        *,
        allow_loss: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> EntityTypeDefinition:
        """Put a definition into force and bring the stored records to it, all or nothing.

        Applying the definition in force again changes nothing. A change that would lose or invalidate stored values
        raises `DefinitionChangeError` with counts; `allow_loss` drops those values. `progress` hears how many records
        were rewritten.
        """
        self._require("entity_types.write")
        definition = parse_definition(source)
        with self._database.transaction() as transaction:
            return self._apply(transaction, definition, None, allow_loss, progress).definition

    # -- for the other services ------------------------------------------------------------------------------------

    def for_reading(self, transaction: Transaction, name: str) -> CompiledType:
        """The type, trusted for a moment without asking the database."""
        if (trusted := self.trusted(transaction.tenant, name)) is not None:
            return trusted
        key = (transaction.tenant, name)
        known = self._cache.get(key)
        if known is not None and key in self._current:
            row = _VERSION.one(transaction, {"of_type": name})
            if row is not None and row.version == known[0].version:
                return self._remember(key, known[0])
        return self._fresh(transaction, name)

    def trusted(self, tenant: str, name: str) -> CompiledType | None:
        """The type, if it may be trusted for a moment yet."""
        known = self._cache.get((tenant, name))
        return known[0] if known is not None and known[1] > time.monotonic() else None

    def for_writing(self, transaction: Transaction, name: str) -> CompiledType:
        """The type, held against change until the transaction ends."""
        key = (transaction.tenant, name)
        known = self._cache.get(key)
        if known is None or key not in self._current:
            known = (self._fresh(transaction, name), 0.0)
        row = _VERSION_SHARED.one(transaction, {"of_type": name})
        return known[0] if row is not None and row.version == known[0].version else self._fresh(transaction, name)

    def forget(self) -> None:
        """Drop what is remembered, as after a rollback of a definition's change."""
        self._cache.clear()
        self._current.clear()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _fresh(self, transaction: Transaction, name: str) -> CompiledType:
        key = (transaction.tenant, name)
        shipped = self.shipped.get(name)
        compiled = None
        if shipped is not None and key not in self._current:
            compiled = self._install(transaction, shipped)
        compiled = compiled or self._load(transaction, name)
        if compiled is None:
            known = ", ".join(definition.name for definition in self.list()) or "none"
            raise NotFoundError(f"there is no entity type {name!r}; this tenant has {known}"[:500], type=name)
        self._current.add(key)
        return self._remember(key, compiled)

    def _install(self, transaction: Transaction, definition: EntityTypeDefinition) -> CompiledType | None:
        """Put a shipped definition into force for the tenant if it is new or has changed since; the type, if it was."""
        digest = _digest(definition)
        row = transaction.execute(_LOAD, {"tenant": transaction.tenant, "of_type": definition.name}).one_or_none()
        if row is not None and (row.origin is None or row.origin == digest):
            return None
        if not transaction.readonly:
            return self._apply(transaction, definition, digest, False, None)
        # a reading transaction may not see what is committed after it began, so what it needs is handed to it
        try:
            with self._database.begin(transaction.context) as own:
                return self._apply(own, definition, digest, False, None)
        except DuplicateError:  # another process installed it just now
            with self._database.begin(transaction.context, readonly=True) as own:
                return self._load(own, definition.name)

    def _apply(
        self,
        transaction: Transaction,
        definition: EntityTypeDefinition,
        origin: str | None,
        allow_loss: bool,
        progress: Callable[[int], None] | None,
    ) -> CompiledType:
        key = (transaction.tenant, definition.name)
        row = transaction.execute(_LOCK, {"tenant": key[0], "of_type": key[1]}).one_or_none()
        old = self._compile(row) if row is not None else None
        if old is not None and old.definition == definition and (origin is None or (row is not None and row.origin == origin)):
            return old
        new = self._next(definition, old)
        new.defaults  # noqa: B018 - a default that its field refuses must stop the change here
        migration = Migration(self._records, transaction, old, new)
        plan = migration.plan()
        if not plan.safe and not (allow_loss and plan.can_be_forced):
            raise DefinitionChangeError(plan.describe(), type=definition.name, harmed=plan.harmed)
        migration.run(progress)
        self._store(transaction, new, origin, first=old is None)
        transaction.publish(EntityTypeChanged(type=definition.name, version=new.version))
        self._cache.pop(key, None)
        self._current.discard(key)
        return new

    def _store(self, transaction: Transaction, new: CompiledType, origin: str | None, *, first: bool) -> None:
        now = self._database.clock.now()
        document = new.definition.model_dump(mode="json", exclude_unset=True)
        head = {
            "version": new.version,
            "definition": document,
            "slots": attrs.asdict(new.slots),
            "origin": origin,
            "updated_at": now,
        }
        if first:
            transaction.execute(insert(_type), {"tenant_id": transaction.tenant, "name": new.name, **head})
        else:
            statement = update(_type).where(_type.c.tenant_id == transaction.tenant, _type.c.name == new.name)
            transaction.execute(statement.values(head))
        transaction.execute(
            insert(_history),
            {
                "tenant_id": transaction.tenant,
                "name": new.name,
                "version": new.version,
                "definition": document,
                "created_at": now,
                "created_by": transaction.context.actor,
            },
        )

    def _next(self, definition: EntityTypeDefinition, old: CompiledType | None) -> CompiledType:
        return CompiledType(definition, old.version + 1 if old else 1, Slots.assign(definition, old.slots if old else None))

    def _load(self, transaction: Transaction, name: str) -> CompiledType | None:
        row = transaction.execute(_LOAD, {"tenant": transaction.tenant, "of_type": name}).one_or_none()
        return self._compile(row) if row is not None else None

    def _compile(self, row: Any) -> CompiledType:
        """Tenants with equal definitions share one compiled type."""
        document = orjson.dumps([row.definition, row.slots], option=orjson.OPT_SORT_KEYS)
        key = (hashlib.sha256(document).hexdigest(), row.version)
        if key not in self._compiled:
            definition = EntityTypeDefinition.model_validate(row.definition)
            self._compiled[key] = CompiledType(definition, row.version, Slots(**row.slots))
        return self._compiled[key]

    def _remember(self, key: tuple[str, str], compiled: CompiledType) -> CompiledType:
        self._cache[key] = (compiled, time.monotonic() + TRUST)
        return compiled


def _digest(definition: EntityTypeDefinition) -> str:
    return hashlib.sha256(
        orjson.dumps(definition.model_dump(mode="json", exclude_unset=True), option=orjson.OPT_SORT_KEYS)
    ).hexdigest()
