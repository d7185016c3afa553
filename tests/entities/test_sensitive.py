"""Sensitive fields: encrypted at rest, searchable by equality, bound to their place, rotated."""

import pytest

from brickwork.data.keyring import DecryptionError, generate_key
from brickwork.errors import SettingsError


def raw(platform, sql):
    with platform.transaction() as tx, tx.unscoped(reason="look at what is stored"):
        return tx.connection.exec_driver_sql(sql).all()


def test_a_sensitive_value_is_nowhere_in_the_database_in_the_clear(clinic, platform):
    clinic.create("patient", {"family_name": "x", "insurance_no": "TOP-SECRET-77"})
    for table in ("entity_record", "audit_entry"):
        assert "TOP-SECRET-77" not in str(raw(platform, f"SELECT * FROM {table}"))
    assert clinic.query("patient", {"insurance_no": "TOP-SECRET-77"}).items[0].data["insurance_no"] == "TOP-SECRET-77"


def test_equal_values_of_two_tenants_have_different_indexes(clinic, platform):
    keyring = platform.get("keyring")
    assert keyring.blind("a", "f", "x") != keyring.blind("b", "f", "x")
    assert keyring.blind("a", "f", "x") == keyring.blind("a", "f", "x")


def test_a_secret_moved_to_another_place_or_tenant_cannot_be_read(platform):
    keyring = platform.get("keyring")
    token = keyring.encrypt("a", "patient.no.1", "x")
    assert keyring.decrypt("a", "patient.no.1", token) == "x"
    for tenant, where in (("a", "patient.no.2"), ("b", "patient.no.1")):
        with pytest.raises(DecryptionError):
            keyring.decrypt(tenant, where, token)


def test_production_wants_a_key_and_a_wrong_one_is_refused_without_showing_it(make_platform):
    platform = make_platform(platform={"environment": "production"})
    with pytest.raises(SettingsError, match=r"keyring\.keys: missing"):
        platform.get("keyring")
    platform = make_platform(keyring={"keys": {"k1": "hunter2"}})
    with pytest.raises(SettingsError, match="32 bytes") as caught:
        platform.get("keyring")
    assert "hunter2" not in str(caught.value)


def test_after_a_rotation_old_values_are_read_and_rekey_moves_them_to_the_new_key(make_platform):
    old, new = generate_key(), generate_key()
    first = make_platform(keyring={"keys": {"k1": old}})
    definition = {"name": "p", "fields": {"no": {"type": "text", "sensitive": True, "unique": True}}}
    with first.context(tenant="a"):
        first.entities.types.apply(definition)
        first.entities.create("p", {"no": "77"})
    database = first.settings.database.model_dump()
    both = make_platform(database=database, keyring={"keys": {"k1": old, "k2": new}})
    with both.context(tenant="a"):
        assert both.entities.query("p", {"no": "77"}).items[0].data == {"no": "77"}
        assert both.entities.rekey("p") == 1
        assert both.entities.rekey("p") == 0
    only = make_platform(database=database, keyring={"keys": {"k2": new}})
    with only.context(tenant="a"):
        assert only.entities.query("p", {"no": "77"}).items[0].data == {"no": "77"}
