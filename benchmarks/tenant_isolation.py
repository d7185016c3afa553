"""Random operations by two tenants over every way to the data, counting leaks.

Claim: of 100,000 operations (half on SQLite, half on PostgreSQL) through the ORM, bulk, relationship, Core and raw SQL paths,
many of them aimed at the other tenant's rows, none reads or changes a row of the other tenant. What each tenant must see is
known from a plain Python model of its rows, compared all along and in the end.
"""

import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.exc import StaleDataError

from benchmarks.harness import postgres_database, postgres_runs, say
from brickwork import Platform
from brickwork.errors import BrickworkError
from brickwork.testing.ward import Patient, Visit, component

OPERATIONS = 100_000
TENANTS = ("alpha", "beta")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(*, quick: bool = False) -> dict[str, Any]:
    """Operations per second, and whether anything leaked."""
    count = 2_000 if quick else OPERATIONS
    begin, checks, done = time.perf_counter(), dict[str, bool](), 0
    postgres = postgres_runs()
    share = count // 2 if postgres else count
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name:
        url = f"sqlite:///{Path(name) / 'ward.db'}"
        leaks = play({"url": url}, share)
        checks["no_leak_sqlite"], done = leaks == 0, share
        if postgres:
            from brickwork.data.roles import create_roles

            with postgres_database() as admin:
                roles = create_roles(admin)
                leaks = play({"url": roles.url, "owner_url": roles.owner_url}, count - share)
            checks["no_leak_postgres"], done = leaks == 0, count
    checks["operations_100000"] = done >= OPERATIONS
    rate = done / (time.perf_counter() - begin)
    return {"name": "tenant_isolation", "unit": "operations/s", "ours": round(rate, 1), "peers": {}, "checks": checks}


def play(database: dict[str, str], count: int) -> int:
    """Run `count` operations on a new database; the number of leaks."""
    settings = {"database": database}
    with Platform(["ward"], settings=settings, plugins=[component], discover=False) as platform:
        platform.migrate()
        game = Game(platform, random.Random(20261124))
        for number in range(count):
            game.step()
            if number % 5_000 == 4_999:
                game.compare()
                say(f"{platform.database.backend.name}: {number + 1:,} operations, {game.leaks} leaks, {game.refused:,} refusals")
        game.compare()
        return game.leaks


class Game:
    """Two tenants, what each has, and the moves they make."""

    def __init__(self, platform: Platform, chance: random.Random) -> None:
        self.platform = platform
        self.chance = chance
        self.names: dict[str, dict[UUID, str]] = {tenant: {} for tenant in TENANTS}
        self.visits: dict[str, dict[UUID, UUID]] = {tenant: {} for tenant in TENANTS}
        self.read_fence = platform.database.backend.name == "postgresql"
        self.leaks = 0
        self.refused = 0
        self.moves: list[Callable[[Any, str, str], None]] = [
            self.orm_insert, self.orm_insert, self.orm_select, self.orm_get, self.orm_update, self.orm_where, self.orm_delete,
            self.joined, self.lazy, self.visit, self.foreign_visit, self.bulk_insert, self.bulk_update, self.legacy_bulk,
            self.core_select, self.core_forgets, self.core_update, self.core_update_forgets, self.core_delete,
            self.foreign_insert, self.merge, self.upsert, self.raw_refused, self.raw_select, self.raw_update, self.refresh,
        ]  # fmt: skip

    def step(self) -> None:
        """One move by one of the tenants, in a transaction of its own; a refusal must leave everything as it was."""
        me = self.chance.choice(TENANTS)
        other = TENANTS[1 - TENANTS.index(me)]
        kept = dict(self.names[me]), dict(self.visits[me])
        try:
            with self.platform.context(tenant=me, actor="user:bench"), self.platform.transaction() as transaction:
                self.chance.choice(self.moves)(transaction, me, other)
        except (BrickworkError, StaleDataError):
            self.refused += 1
            self.names[me], self.visits[me] = kept

    def compare(self) -> None:
        """What each tenant has must be what the model says."""
        for tenant in TENANTS:
            with self.platform.context(tenant=tenant), self.platform.transaction(readonly=True) as transaction:
                stored = {p.id: p.name for p in transaction.session.scalars(select(Patient))}
                visits = {v.id: v.patient_id for v in transaction.session.scalars(select(Visit))}
            self.expect(stored == self.names[tenant])
            self.expect(visits == self.visits[tenant])

    def expect(self, held: bool) -> None:
        """Count a leak where something did not hold."""
        self.leaks += not held

    def own(self, me: str) -> UUID:
        """An id of the tenant's own, or one of nobody."""
        return self.chance.choice(list(self.names[me])) if self.names[me] else uuid4()

    def any(self, me: str, other: str) -> UUID:
        """An id of the tenant's own or of the other's."""
        return self.own(self.chance.choice((me, other)))

    # -- the ORM -------------------------------------------------------------------------------------------------------

    def orm_insert(self, tx: Any, me: str, other: str) -> None:
        if len(self.names[me]) > 300:
            return
        patient = Patient(id=uuid4(), name=f"{me}-{self.chance.random()}")
        tx.session.add(patient)
        tx.session.flush()
        self.names[me][patient.id] = patient.name

    def orm_select(self, tx: Any, me: str, other: str) -> None:
        found = tx.session.scalars(select(Patient).limit(50)).all()
        self.expect(all(p.id in self.names[me] and p.tenant_id == me for p in found))

    def orm_get(self, tx: Any, me: str, other: str) -> None:
        key = self.any(me, other)
        for tenant in (me, other):
            found = tx.session.get(Patient, (tenant, key))
            self.expect((found is not None) == (tenant == me and key in self.names[me]))

    def orm_update(self, tx: Any, me: str, other: str) -> None:
        patient = tx.session.scalars(select(Patient).where(Patient.id == self.any(me, other))).one_or_none()
        self.expect(patient is None or patient.id in self.names[me])
        if patient is not None:
            patient.name = self.names[me][patient.id] = f"{me}-{self.chance.random()}"

    def orm_where(self, tx: Any, me: str, other: str) -> None:
        key, name = self.any(me, other), f"{me}-{self.chance.random()}"
        done = tx.session.execute(update(Patient).where(Patient.id == key).values(name=name)).rowcount
        self.expect(done == (key in self.names[me]))
        if key in self.names[me]:
            self.names[me][key] = name

    def orm_delete(self, tx: Any, me: str, other: str) -> None:
        key = self.any(me, other)
        patient = tx.session.scalars(select(Patient).where(Patient.id == key)).one_or_none()
        self.expect((patient is not None) == (key in self.names[me]))
        if patient is not None:
            tx.session.delete(patient)
            del self.names[me][key]

    def refresh(self, tx: Any, me: str, other: str) -> None:
        patient = tx.session.scalars(select(Patient).limit(1)).one_or_none()
        if patient is not None:
            tx.session.refresh(patient)
            self.expect(patient.name == self.names[me].get(patient.id))

    # -- relationships -------------------------------------------------------------------------------------------------

    def joined(self, tx: Any, me: str, other: str) -> None:
        for visit in tx.session.scalars(select(Visit).options(joinedload(Visit.patient)).limit(20)):
            self.expect(visit.id in self.visits[me] and (visit.patient is None or visit.patient.id in self.names[me]))

    def lazy(self, tx: Any, me: str, other: str) -> None:
        option = self.chance.choice((selectinload(Patient.visits), joinedload(Patient.visits), None))
        statement = select(Patient).limit(5)
        for patient in tx.session.scalars(statement.options(option) if option is not None else statement).unique():
            self.expect(all(visit.id in self.visits[me] for visit in patient.visits))

    def visit(self, tx: Any, me: str, other: str) -> None:
        if self.names[me] and len(self.visits[me]) < 300:
            row = Visit(id=uuid4(), patient_id=self.own(me), reason="x")
            tx.session.add(row)
            tx.session.flush()
            self.visits[me][row.id] = row.patient_id

    def foreign_visit(self, tx: Any, me: str, other: str) -> None:
        if self.names[other]:
            tx.session.add(Visit(id=uuid4(), patient_id=self.own(other), reason="x"))
            tx.session.flush()
            self.leaks += 1

    # -- bulk and Core -------------------------------------------------------------------------------------------------

    def bulk_insert(self, tx: Any, me: str, other: str) -> None:
        if len(self.names[me]) > 300:
            return
        rows = [
            {"id": uuid4(), "name": f"{me}-{self.chance.random()}", "version": 1, "created_at": NOW, "updated_at": NOW}
            for _ in range(3)
        ]
        if self.chance.random() < 0.3:
            rows[-1]["tenant_id"] = other
        tx.session.execute(insert(Patient), rows)
        self.expect(not any(row.get("tenant_id") == other for row in rows))
        self.names[me].update({row["id"]: row["name"] for row in rows})

    def bulk_update(self, tx: Any, me: str, other: str) -> None:
        tenant, key = self.chance.choice(TENANTS), self.chance.choice([*self.visits[me], *self.visits[other], uuid4()])
        tx.session.execute(update(Visit), [{"tenant_id": tenant, "id": key, "reason": "seen"}])
        self.expect(tenant == me and key in self.visits[me])

    def legacy_bulk(self, tx: Any, me: str, other: str) -> None:
        if self.names[other]:
            tx.session.bulk_update_mappings(
                Patient, [{"tenant_id": other, "id": self.own(other), "name": "stolen", "version": 1}]
            )
            self.leaks += 1

    def core_select(self, tx: Any, me: str, other: str) -> None:
        table = Patient.__table__
        rows = tx.execute(select(table.c.id).where(table.c.tenant_id == me, table.c.deleted_at.is_(None)).limit(50)).all()
        self.expect(all(row.id in self.names[me] for row in rows))
        tx.execute(select(table.c.id).where(table.c.tenant_id == other))
        self.leaks += 1

    def core_forgets(self, tx: Any, me: str, other: str) -> None:
        tx.execute(select(Patient.__table__.c.id))
        self.leaks += 1

    def core_update(self, tx: Any, me: str, other: str) -> None:
        table, key, name = Patient.__table__, self.any(me, other), f"{me}-{self.chance.random()}"
        done = tx.execute(
            update(table).where(table.c.tenant_id == me, table.c.id == key, table.c.deleted_at.is_(None)).values(name=name)
        ).rowcount
        self.expect(done == (key in self.names[me]))
        if key in self.names[me]:
            self.names[me][key] = name

    def core_update_forgets(self, tx: Any, me: str, other: str) -> None:
        table = Patient.__table__
        tx.execute(update(table).where(table.c.id == self.any(me, other)).values(name="stolen"))
        self.leaks += 1

    def core_delete(self, tx: Any, me: str, other: str) -> None:
        table, key = Visit.__table__, self.chance.choice([*self.visits[me], *self.visits[other], uuid4()])
        tx.execute(delete(table).where(table.c.tenant_id == me, table.c.id == key))
        self.visits[me].pop(key, None)

    def foreign_insert(self, tx: Any, me: str, other: str) -> None:
        tx.session.add(Patient(id=uuid4(), tenant_id=other, name="planted"))
        tx.session.flush()
        self.leaks += 1

    def merge(self, tx: Any, me: str, other: str) -> None:
        tx.session.merge(Patient(tenant_id=other, id=self.any(me, other), name="stolen"))
        self.leaks += 1

    def upsert(self, tx: Any, me: str, other: str) -> None:
        if self.read_fence:
            from sqlalchemy.dialects.postgresql import insert as upserted
        else:
            from sqlalchemy.dialects.sqlite import insert as upserted
        tenant = self.chance.choice(TENANTS)
        key, name = self.own(tenant), f"{me}-{self.chance.random()}"
        row = {"tenant_id": tenant, "id": key, "name": name, "version": 1, "created_at": NOW, "updated_at": NOW}
        statement = upserted(Patient.__table__).values(row)
        before = key in self.names[me]
        tx.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={"name": name}))
        self.expect(tenant == me)
        hidden = not before and tx.session.scalars(select(Patient).where(Patient.id == key)).one_or_none() is None
        if not hidden:
            self.names[me][key] = name

    # -- raw SQL -------------------------------------------------------------------------------------------------------

    def raw_refused(self, tx: Any, me: str, other: str) -> None:
        statement = "SELECT id FROM ward_patient"
        if self.chance.random() < 0.5:
            tx.execute(text(statement))
        else:
            tx.connection.exec_driver_sql(statement)
        self.leaks += 1

    def raw_select(self, tx: Any, me: str, other: str) -> None:
        """With the guard aside PostgreSQL's policies still hold; SQLite has no fence for reads and declares so."""
        with tx.unscoped(reason="benchmark"):
            forgets = self.read_fence and self.chance.random() < 0.7
            where = "" if forgets else f" WHERE tenant_id = '{me}'"
            rows = tx.connection.execute(text("SELECT tenant_id FROM ward_patient" + where)).all()
        self.expect(all(row.tenant_id == me for row in rows))

    def raw_update(self, tx: Any, me: str, other: str) -> None:
        with tx.unscoped(reason="benchmark"):
            done = tx.connection.execute(
                text("UPDATE ward_patient SET name = 'stolen' WHERE tenant_id = :other"), {"other": other}
            )
        self.expect(done.rowcount == 0)
