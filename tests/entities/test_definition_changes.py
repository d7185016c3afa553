"""Definitions: what is refused, and changing a type that has records without losing any."""

import copy

import pytest

from brickwork.entities import EntityTypeChanged
from brickwork.errors import DefinitionChangeError, DefinitionError, NotFoundError

BASE = {
    "name": "room",
    "fields": {
        "number": {"type": "text", "required": True, "unique": True},
        "beds": {"type": "text"},
        "floor": {"type": "number", "integer": True, "indexed": True},
    },
}


def changed(**fields):
    definition = copy.deepcopy(BASE)
    for name, field in fields.items():
        if field is None:
            del definition["fields"][name]
        else:
            definition["fields"][name] = field
    return definition


@pytest.fixture
def rooms(clinic):
    """Three rooms; the third's beds are no number."""
    clinic.types.apply(BASE)
    for number, beds, floor in (("1", "2", 1), ("2", "4", 1), ("3", "many", 2)):
        clinic.create("room", {"number": number, "beds": beds, "floor": floor})
    return clinic


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ({"fields": {"a": {"type": "text"}}}, "name"),
        ({"name": "Room!", "fields": {"a": {"type": "text"}}}, "name"),
        ({"name": "x", "fields": {}}, "fields"),
        ({"name": "x", "fields": {"a": {"type": "colour"}}}, "fields.a"),
        ({"name": "x", "fields": {"a": {"type": "text", "max": 3}}}, "fields.a.max"),
        ({"name": "x", "fields": {"id": {"type": "text"}}}, None),
        ({"name": "x", "fields": {"a": {"type": "json", "indexed": True}}}, None),
        ({"name": "x", "fields": {"a": {"type": "text", "pattern": "("}}}, None),
        ({"name": "x", "fields": {"a": {"type": "text"}}, "unique_together": [["a", "b"]]}, None),
        ({"name": "x", "fields": {"a": {"type": "text"}}, "title": "{b}"}, None),
        ({"name": "x", "fields": {"a": {"type": "choice", "choices": []}}}, "fields.a.choices"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_path(clinic, definition, path):
    with pytest.raises(DefinitionError) as caught:
        clinic.types.apply(definition)
    assert path is None or str(caught.value.field).startswith(path)


def test_a_default_that_its_own_field_refuses_is_refused(clinic):
    with pytest.raises(DefinitionError, match="default"):
        clinic.types.apply({"name": "x", "fields": {"a": {"type": "number", "default": "tall"}}})


def test_more_indexed_fields_than_there_are_columns_are_refused(clinic):
    fields = {f"f{n}": {"type": "text", "indexed": True} for n in range(17)}
    with pytest.raises(DefinitionError, match="at most 16 indexed"):
        clinic.types.apply({"name": "x", "fields": fields})


def test_applying_the_same_definition_again_changes_nothing(rooms):
    rooms.types.apply(BASE)
    assert [version for version, _ in rooms.types.history("room")] == [1]


def test_adding_an_optional_field_rewrites_no_record(rooms, captured_events):
    rooms.types.apply(changed(view={"type": "text"}))
    assert captured_events.of(EntityTypeChanged)[-1] == EntityTypeChanged(type="room", version=2)
    assert {record.version for record in rooms.query("room")} == {1}
    record = rooms.query("room", {"number": "1"}).items[0]
    assert rooms.update("room", record.id, {"view": "sea"}).data["view"] == "sea"


def test_removing_a_field_that_has_values_needs_consent(rooms):
    plan = rooms.types.preview(changed(beds=None))
    assert (plan.harmed, plan.safe, plan.can_be_forced) == ({"beds": 3}, False, True)
    with pytest.raises(DefinitionChangeError, match="3 of 3") as caught:
        rooms.types.apply(changed(beds=None))
    assert caught.value.details["harmed"] == {"beds": 3}
    assert rooms.types.get("room").fields.keys() == BASE["fields"].keys()
    rooms.types.apply(changed(beds=None), allow_loss=True)
    assert all("beds" not in record.data for record in rooms.query("room"))


def test_changing_a_fields_type_converts_and_counts_what_cannot_be(rooms):
    number = {"type": "number", "integer": True}
    assert rooms.types.preview(changed(beds=number)).harmed == {"beds": 1}
    with pytest.raises(DefinitionChangeError):
        rooms.types.apply(changed(beds=number))
    assert rooms.query("room", {"number": "1"}).items[0].data["beds"] == "2"
    rooms.types.apply(changed(beds=number), allow_loss=True)
    assert [r.data.get("beds") for r in rooms.query("room", sort=["id"])] == [2, 4, None]


def test_a_new_required_field_needs_a_default(rooms):
    plan = rooms.types.preview(changed(wing={"type": "text", "required": True}))
    assert (plan.harmed, plan.can_be_forced) == ({"wing": 3}, False)
    with pytest.raises(DefinitionChangeError, match="default"):
        rooms.types.apply(changed(wing={"type": "text", "required": True}), allow_loss=True)
    rooms.types.apply(changed(wing={"type": "text", "required": True, "default": "east"}))
    assert {r.data["wing"] for r in rooms.query("room")} == {"east"}


def test_a_renamed_field_takes_its_values_along(rooms):
    rooms.types.apply(changed(beds=None, bed_count={"type": "text", "renamed_from": "beds"}))
    assert [r.data["bed_count"] for r in rooms.query("room", sort=["id"])] == ["2", "4", "many"]


def test_a_field_made_unique_is_refused_while_values_repeat(rooms):
    floor = {"type": "number", "integer": True, "unique": True}
    assert rooms.types.preview(changed(floor=floor)).harmed == {"floor": 1}
    with pytest.raises(DefinitionChangeError, match="not unique"):
        rooms.types.apply(changed(floor=floor), allow_loss=True)


def test_a_field_made_indexed_is_found_by_the_index_in_old_records(rooms):
    rooms.types.apply(changed(beds={"type": "text", "indexed": True}))
    assert [r.data["number"] for r in rooms.query("room", {"beds": "4"})] == ["2"]
    assert [r.data["number"] for r in rooms.query("room", sort=["-beds"])] == ["3", "2", "1"]


def test_a_field_made_sensitive_is_encrypted_in_old_records(rooms, platform):
    rooms.types.apply(changed(beds={"type": "text", "sensitive": True, "indexed": True}))
    assert [r.data["number"] for r in rooms.query("room", {"beds": "many"})] == ["3"]
    with platform.transaction() as tx, tx.unscoped(reason="look at what is stored"):
        stored = tx.connection.exec_driver_sql("SELECT data, sealed FROM entity_record WHERE type = 'room'").all()
    assert "many" not in str(stored)


def test_deleted_records_are_brought_along(rooms):
    record = rooms.query("room", {"number": "2"}).items[0]
    rooms.delete("room", record.id)
    rooms.types.apply(changed(beds=None, bed_count={"type": "text", "renamed_from": "beds"}))
    assert rooms.restore("room", record.id).data["bed_count"] == "4"


def test_another_process_sees_the_new_definition_in_its_next_write(rooms, make_platform, platform):
    other = make_platform(database=platform.settings.database.model_dump())
    with other.context(tenant="st-marys"):
        other.entities.create("room", {"number": "9"})
        rooms.types.apply(changed(wing={"type": "text", "required": True, "default": "east"}))
        assert other.entities.create("room", {"number": "10"}).data["wing"] == "east"


def test_a_shipped_definition_is_installed_for_each_tenant_and_follows_its_file(make_platform, tmp_path):
    file = tmp_path / "types.yaml"
    file.write_text("name: bed\nfields:\n  code: {type: text, required: true}\n")
    platform = make_platform(entities={"definitions": file})
    with platform.context(tenant="a"):
        platform.entities.create("bed", {"code": "1"})
    file.write_text("name: bed\nfields:\n  code: {type: text, required: true}\n  soft: {type: boolean}\n")
    later = make_platform(database=platform.settings.database.model_dump(), entities={"definitions": file})
    for tenant in ("a", "b"):
        with later.context(tenant=tenant):
            assert later.entities.create("bed", {"code": "2", "soft": True}).data["soft"] is True
    with later.context(tenant="a"):
        assert [version for version, _ in later.entities.types.history("bed")] == [2, 1]


def test_a_broken_definition_file_is_named(make_platform, tmp_path):
    file = tmp_path / "types.yaml"
    file.write_text("name: [")
    platform = make_platform(entities={"definitions": file})
    with pytest.raises(DefinitionError, match=r"types\.yaml"):
        platform.entities  # noqa: B018 - building it reads the file


def test_the_order_of_fields_is_kept(rooms):
    assert list(rooms.types.get("room").fields) == ["number", "beds", "floor"]
    with pytest.raises(NotFoundError):
        rooms.types.get("hall")
