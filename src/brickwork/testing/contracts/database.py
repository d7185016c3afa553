"""The contract of `brickwork.data.port.DatabaseBackend`.

A backend's tests subclass `DatabaseContract` and give it the fixture `ward`: a migrated platform on a new database, with the
tables of `brickwork.testing.ward`. What a backend declares as a capability must be there; what it doesn't must be absent.
"""

from typing import Any

import pytest
from sqlalchemy import bindparam, delete, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from brickwork.data.guard import UNSCOPED
from brickwork.data.prepared import Prepared
from brickwork.errors import (
    BrickworkError,
    BrokenReferenceError,
    CrossTenantError,
    DatabaseBusyError,
    DuplicateError,
    ValidationError,
)
from brickwork.kernel.context import Context
from brickwork.kernel.ids import uuid7
from brickwork.kernel.platform import Platform
from brickwork.testing.ward import Patient, Tag, Visit

_tag: Any = Tag.__table__
_ADD = Prepared(
    insert(_tag).values(
        tenant_id=bindparam("tenant_id", type_=_tag.c.tenant_id.type),
        id=bindparam("id", type_=_tag.c.id.type),
        name=bindparam("name", type_=_tag.c.name.type),
    )
)
_END = Prepared(
    delete(_tag).where(
        _tag.c.tenant_id == bindparam("tenant", type_=_tag.c.tenant_id.type),
        _tag.c.name == bindparam("name", type_=_tag.c.name.type),
    )
)
ALPHA, BETA = Context(tenant="alpha", actor="user:a"), Context(tenant="beta", actor="user:b")


class DatabaseContract:
    """Every promise of the port, a test each."""

    def declares(self, ward: Platform, capability: str) -> bool:
        """Whether the backend's registration names the capability."""
        return capability in ward.plugins.backends[("database", ward.database.backend.name)].capabilities

    def patients(self, ward: Platform) -> None:
        """One patient for each of two tenants."""
        for context in (ALPHA, BETA):
            with ward.database.begin(context) as transaction:
                transaction.session.add(Patient(name=f"of {context.tenant}"))

    def test_a_raw_write_reaches_no_row_of_another_tenant(self, ward: Platform) -> None:
        self.patients(ward)
        try:
            with ward.database.begin(ALPHA) as transaction, transaction.unscoped(reason="contract"):
                statement = "UPDATE ward_patient SET name = 'stolen' WHERE tenant_id = 'beta'"
                assert transaction.connection.execute(text(statement)).rowcount == 0
        except CrossTenantError:
            pass
        with ward.database.begin(BETA, readonly=True) as transaction:
            assert [p.name for p in transaction.session.query(Patient)] == ["of beta"]

    def test_a_raw_read_is_fenced_where_that_is_declared_and_only_there(self, ward: Platform) -> None:
        self.patients(ward)
        with ward.database.begin(ALPHA) as transaction, transaction.unscoped(reason="contract"):
            found = set(transaction.connection.scalars(text("SELECT tenant_id FROM ward_patient")))
        assert found == ({"alpha"} if self.declares(ward, "read_fence") else {"alpha", "beta"})

    def test_a_scope_ends_with_its_transaction(self, ward: Platform) -> None:
        self.patients(ward)
        with ward.database.engines.write.connect() as connection:
            connection.execution_options(**{UNSCOPED: True})
            statement = text("UPDATE ward_patient SET name = 'leaked'")
            try:
                assert connection.execute(statement).rowcount == 0
            except (BrickworkError, SQLAlchemyError):
                connection.rollback()
        with ward.database.begin(ALPHA, readonly=True) as transaction:
            assert [p.name for p in transaction.session.query(Patient)] == ["of alpha"]

    def test_the_systems_part_of_a_transaction_is_kept_or_undone_with_it(self, ward: Platform) -> None:
        self.patients(ward)

        def rename(*, fail: bool) -> None:
            with ward.database.begin(ALPHA) as transaction:
                transaction.session.add(Patient(name="mine"))
                with ward.database.elevated(Context(system=True, reason="contract")) as part:
                    for patient in part.session.query(Patient).filter_by(name="of beta"):
                        patient.name = "seen"
                assert {p.name for p in transaction.session.query(Patient)} == {"of alpha", "mine"}
                if fail:
                    raise RuntimeError

        with pytest.raises(RuntimeError):
            rename(fail=True)
        with ward.database.begin(BETA, readonly=True) as transaction:
            assert [p.name for p in transaction.session.query(Patient)] == ["of beta"]
        rename(fail=False)
        with ward.database.begin(BETA, readonly=True) as transaction:
            assert [p.name for p in transaction.session.query(Patient)] == ["seen"]
            with ward.database.elevated(Context(system=True)) as part:
                assert {p.name for p in part.session.query(Patient)} == {"of alpha", "mine", "seen"}
            assert [p.name for p in transaction.session.query(Patient)] == ["seen"]

    def test_a_part_that_fails_is_undone_and_the_tenants_scope_is_back(self, ward: Platform) -> None:
        self.patients(ward)
        with ward.database.begin(ALPHA) as transaction:
            transaction.session.add(Tag(name="urgent"))
            with pytest.raises(DuplicateError), ward.database.elevated(Context(system=True)) as part:
                part.session.add_all([Tag(tenant_id="beta", name="x"), Tag(tenant_id="alpha", name="urgent")])
            with pytest.raises(CrossTenantError):
                transaction.session.add(Tag(tenant_id="beta", name="y"))
            assert [p.name for p in transaction.session.query(Patient)] == ["of alpha"]
        with ward.database.begin(Context(system=True), readonly=True) as transaction:
            assert [(tag.tenant_id, tag.name) for tag in transaction.session.query(Tag)] == [("alpha", "urgent")]

    def test_a_savepoint_undoes_statements_that_went_past_the_session(self, ward: Platform) -> None:
        with ward.database.begin(ALPHA) as transaction:
            transaction.session.add(Tag(name="urgent"))
        with ward.database.begin(ALPHA) as transaction:
            assert transaction.session is not None  # it is there, and was not used
            with pytest.raises(DuplicateError), transaction.savepoint():
                _ADD.run(transaction, {"id": uuid7(), "name": "urgent"})
            assert [tag.name for tag in transaction.session.query(Tag)] == ["urgent"]

    def test_a_reading_transaction_writes_nothing(self, ward: Platform) -> None:
        with pytest.raises(ValidationError, match="read-only"), ward.database.begin(ALPHA, readonly=True) as transaction:
            transaction.session.add(Patient(name="x"))
        with ward.database.begin(ALPHA, readonly=True) as transaction:
            assert transaction.session.query(Patient).count() == 0

    def test_what_is_rolled_back_is_gone(self, ward: Platform) -> None:
        def fail() -> None:
            with ward.database.begin(ALPHA) as transaction:
                transaction.session.add(Patient(name="x"))
                transaction.session.flush()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        with ward.database.begin(ALPHA, readonly=True) as transaction:
            assert transaction.session.query(Patient).count() == 0

    def test_writes_are_audited_with_the_stamp(self, ward: Platform) -> None:
        self.patients(ward)
        with ward.context(tenant="alpha"):
            entries = ward.audit.entries(entity="ward_patient").items
        assert len(entries) == 1
        entry = entries[0]
        assert (entry.actor, entry.action) == ("user:a", "insert")
        assert entry.after is not None
        assert entry.after["name"] == "of alpha"

    def test_a_taken_unique_value_is_a_duplicate_within_the_tenant_only(self, ward: Platform) -> None:
        for context in (ALPHA, BETA):
            with ward.database.begin(context) as transaction:
                transaction.session.add(Tag(name="urgent"))
        with pytest.raises(DuplicateError), ward.database.begin(ALPHA) as transaction:
            transaction.session.add(Tag(name="urgent"))

    def test_a_key_into_nothing_is_a_broken_reference(self, ward: Platform) -> None:
        with pytest.raises(BrokenReferenceError), ward.database.begin(ALPHA) as transaction:
            transaction.session.add(Visit(patient_id=uuid7(), reason="x"))

    def test_protecting_again_changes_nothing_and_leaves_no_table_bare(self, ward: Platform) -> None:
        ward.migrate()
        with ward.database.begin(Context(system=True), readonly=True) as transaction:
            assert ward.database.backend.unprotected(transaction.connection) == []
        self.test_a_raw_write_reaches_no_row_of_another_tenant(ward)

    def test_writers_overlap_where_that_is_declared_and_only_there(self, ward: Platform) -> None:
        with ward.database.begin(ALPHA) as first:
            first.session.add(Patient(name="first"))
            first.session.flush()
            if self.declares(ward, "concurrent_writers"):
                with ward.database.begin(ALPHA) as second:
                    second.session.add(Patient(name="second"))
            else:
                with pytest.raises(DatabaseBusyError), ward.database.impatient(), ward.database.begin(ALPHA):
                    pass

    def test_statements_that_travel_with_a_transaction_are_a_part_of_it(self, ward: Platform) -> None:
        names = ["plain", "o'clock; DROP TABLE ward_tag --", "back\\slash'", "100 %s %(name)s", "ümläut ☃", ""]
        with ward.database.begin(ALPHA) as transaction:
            transaction.last += [_ADD.bound(transaction, {"id": uuid7(), "name": name}) for name in names]
        with ward.database.begin(ALPHA, first=lambda t: _END.bound(t, {"name": "plain"})) as transaction:
            assert transaction.opened is not None
            assert transaction.opened.count == 1
        with ward.database.begin(BETA, first=lambda t: _END.bound(t, {"name": ""})) as transaction:
            assert transaction.opened is not None
            assert transaction.opened.count == 0
        assert self.tags(ward) == sorted(names[1:])

    def test_what_travels_with_a_commit_and_fails_leaves_nothing(self, ward: Platform) -> None:
        with pytest.raises(DuplicateError), ward.database.begin(ALPHA) as transaction:
            transaction.session.add(Patient(name="x"))
            transaction.last += [_ADD.bound(transaction, {"id": uuid7(), "name": name}) for name in ("a", "b", "b", "c")]
        assert self.tags(ward) == []
        with ward.database.begin(ALPHA) as transaction:  # the connection is fit for the next
            assert transaction.session.query(Patient).count() == 0
            transaction.last.append(_ADD.bound(transaction, {"id": uuid7(), "name": "a"}))
        assert self.tags(ward) == ["a"]

    def test_very_many_may_travel_with_a_commit(self, ward: Platform) -> None:
        with ward.database.begin(ALPHA) as transaction:
            transaction.last += [_ADD.bound(transaction, {"id": uuid7(), "name": f"{n:04}"}) for n in range(1501)]
        assert self.tags(ward) == [f"{n:04}" for n in range(1501)]

    def tags(self, ward: Platform) -> list[str]:
        """The names of alpha's tags."""
        with ward.database.begin(ALPHA, readonly=True) as transaction:
            return sorted(transaction.session.scalars(select(Tag.name)))
