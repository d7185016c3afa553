"""Create, read, update, delete, restore, purge: versions, uniqueness, history, events."""

import threading
from uuid import uuid4

import pytest

from brickwork.entities import EntityCreated, EntityDeleted, EntityRef, EntityUpdated
from brickwork.errors import (
    DuplicateError,
    MissingTenantError,
    NotFoundError,
    RestrictedError,
    StaleVersionError,
    ValidationError,
)


def patient(clinic, **fields):
    return clinic.create("patient", {"family_name": "Okafor", **fields})


def test_what_was_created_is_read_back(clinic):
    made = patient(clinic, given_name="Ann")
    read = clinic.get("patient", made.id)
    assert read == made
    assert (read.version, read.created_by, read.title) == (1, "user:ito", "Okafor, Ann")
    assert EntityRef.parse(str(read.ref)) == read.ref


def test_an_id_of_the_callers_choosing_makes_the_call_repeatable(clinic):
    key = uuid4()
    assert patient(clinic, given_name="A").id != key
    assert clinic.create("patient", {"family_name": "B"}, id=key).id == key
    with pytest.raises(DuplicateError, match="id"):
        clinic.create("patient", {"family_name": "B"}, id=key)


def test_an_unknown_type_names_those_there_are(clinic):
    with pytest.raises(NotFoundError, match=r"patient.*surgeon"):
        clinic.create("invoice", {})


def test_without_a_tenant_nothing_can_be_read(platform):
    with pytest.raises(MissingTenantError):
        platform.entities.query("patient")


@pytest.mark.parametrize("key", ["01932c07-0000-7000-8000-000000000000", "nonsense", "'; DROP TABLE entity_record --"])
def test_what_is_not_there_is_not_found(clinic, key):
    with pytest.raises(NotFoundError):
        clinic.get("patient", key)


def test_another_tenants_record_is_not_found(clinic, platform):
    made = patient(clinic)
    with platform.context(tenant="st-johns"):
        platform.entities.types.apply({"name": "patient", "fields": {"family_name": {"type": "text"}}})
        for call in (
            lambda: platform.entities.get("patient", made.id),
            lambda: platform.entities.update("patient", made.id, {"family_name": "x"}),
            lambda: platform.entities.delete("patient", made.id),
        ):
            with pytest.raises(NotFoundError):
                call()
        assert platform.entities.count("patient") == 0


def test_an_update_changes_only_what_is_given_and_counts_the_version(clinic):
    made = patient(clinic, given_name="Ann", ward="icu")
    changed = clinic.update("patient", made.id, {"ward": "er"}, version=1)
    assert changed.version == 2
    assert changed.data == {**made.data, "ward": "er"}
    assert clinic.get("patient", made.id) == changed


def test_an_update_that_changes_nothing_writes_nothing(clinic):
    made = patient(clinic, ward="icu")
    assert clinic.update("patient", made.id, {"ward": "icu"}).version == 1


def test_a_stale_version_is_refused_with_both_versions(clinic):
    made = patient(clinic)
    clinic.update("patient", made.id, {"ward": "er"})
    for call in (clinic.update("patient", made.id, {"ward": "er"}),):
        assert call.version == 2
    with pytest.raises(StaleVersionError) as caught:
        clinic.update("patient", made.id, {"ward": "icu"}, version=1)
    assert caught.value.details == {"expected": 1, "actual": 2}
    with pytest.raises(StaleVersionError):
        clinic.delete("patient", made.id, version=1)


def test_of_many_writers_with_the_same_version_one_wins(clinic, platform):
    made = patient(clinic)
    outcomes = []

    def write(number):
        with platform.context(tenant="st-marys", actor=f"user:{number}"):
            try:
                clinic.update("patient", made.id, {"given_name": f"n{number}"}, version=1)
                outcomes.append("won")
            except StaleVersionError:
                outcomes.append("lost")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]
    assert clinic.get("patient", made.id).version == 2


def test_of_many_creators_with_the_same_unique_value_one_wins(clinic, platform):
    outcomes = []

    def create(number):
        with platform.context(tenant="st-marys"):
            try:
                patient(clinic, given_name=str(number), mrn="M-1")
                outcomes.append("won")
            except DuplicateError as error:
                outcomes.append(error.field)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["mrn"] * 7 + ["won"]


def test_unique_holds_within_a_tenant_only(clinic, platform):
    patient(clinic, mrn="M-1")
    with platform.context(tenant="st-johns"):
        platform.entities.types.apply({"name": "patient", "fields": {"mrn": {"type": "text", "unique": True}}})
        assert platform.entities.create("patient", {"mrn": "M-1"}).data["mrn"] == "M-1"


def test_fields_that_are_unique_together_may_repeat_apart(clinic):
    patient(clinic, given_name="Ann", birth_date="1980-01-01")
    patient(clinic, given_name="Ann", birth_date="1980-01-02")
    patient(clinic, given_name="Ann")
    patient(clinic, given_name="Ann")  # an empty part makes no group
    with pytest.raises(DuplicateError, match="family_name and given_name and birth_date"):
        patient(clinic, given_name="Ann", birth_date="1980-01-01")


def test_a_deleted_record_is_hidden_and_its_unique_value_free(clinic):
    made = patient(clinic, mrn="M-1")
    clinic.delete("patient", made.id)
    with pytest.raises(NotFoundError, match="deleted"):
        clinic.get("patient", made.id)
    assert clinic.get("patient", made.id, include_deleted=True).deleted_at is not None
    assert clinic.count("patient") == 0
    assert patient(clinic, mrn="M-1").version == 1


def test_a_restored_record_is_as_it_was(clinic):
    made = patient(clinic, mrn="M-1", insurance_no="A-77")
    clinic.delete("patient", made.id)
    back = clinic.restore("patient", made.id)
    assert (back.data, back.version) == (made.data, 3)
    assert [r.id for r in clinic.query("patient", {"mrn": "M-1"})] == [made.id]


def test_restoring_is_refused_when_the_unique_value_was_given_away(clinic):
    made = patient(clinic, mrn="M-1")
    clinic.delete("patient", made.id)
    patient(clinic, mrn="M-1")
    with pytest.raises(DuplicateError, match="mrn"):
        clinic.restore("patient", made.id)
    with pytest.raises(NotFoundError):
        clinic.get("patient", made.id)


def test_only_a_deleted_record_can_be_purged_and_then_it_is_gone(clinic):
    made = patient(clinic)
    with pytest.raises(ValidationError, match="delete it before"):
        clinic.purge("patient", made.id)
    clinic.delete("patient", made.id)
    clinic.purge("patient", made.id)
    with pytest.raises(NotFoundError):
        clinic.get("patient", made.id, include_deleted=True)


def test_a_referenced_record_cannot_be_deleted_while_it_is_in_use(clinic):
    surgeon = clinic.create("surgeon", {"name": "Adeyemi"})
    made = patient(clinic, surgeon=surgeon.id)
    with pytest.raises(RestrictedError, match=r"1 by patient\.surgeon"):
        clinic.delete("surgeon", surgeon.id)
    clinic.update("patient", made.id, {"surgeon": None})
    clinic.delete("surgeon", surgeon.id)


def test_history_tells_who_changed_what_and_hides_sensitive_values(clinic, platform):
    made = patient(clinic, insurance_no="A-77")
    with platform.context(actor="user:bo", reason="moved"):
        clinic.update("patient", made.id, {"ward": "er", "insurance_no": "B-88"})
    clinic.delete("patient", made.id)
    last, middle, first = clinic.history("patient", made.id)
    assert [e.action for e in (first, middle, last)] == ["insert", "update", "update"]
    assert (middle.actor, middle.reason, first.actor) == ("user:bo", "moved", "user:ito")
    assert middle.changes["data"][1]["ward"] == "er"
    assert "A-77" not in str([first, middle, last])
    assert "B-88" not in str([first, middle, last])


def test_events_tell_of_each_change_and_of_none_that_was_rolled_back(clinic, captured_events, platform):
    made = patient(clinic)
    clinic.update("patient", made.id, {"ward": "er"})
    clinic.delete("patient", made.id)

    def fail():
        with platform.transaction():
            patient(clinic, given_name="lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert captured_events.of(object)[-3:] == [
        EntityCreated(type="patient", id=made.id, version=1),
        EntityUpdated(type="patient", id=made.id, version=2, fields=("ward",)),
        EntityDeleted(type="patient", id=made.id),
    ]
    assert clinic.count("patient") == 0


def test_a_failed_call_inside_a_transaction_leaves_the_rest_of_it(clinic, platform):
    with platform.transaction():
        patient(clinic, mrn="M-1")
        with pytest.raises(DuplicateError):
            patient(clinic, given_name="x", mrn="M-1")
        patient(clinic, given_name="y", mrn="M-2")
    assert sorted(r.data["mrn"] for r in clinic.query("patient")) == ["M-1", "M-2"]
