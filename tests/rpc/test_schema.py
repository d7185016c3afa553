"""Describing services: what becomes of types and numbers, and what is refused with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import attrs
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from brickwork import hookimpl
from brickwork.cli.app import app
from brickwork.errors import BrickworkError, NotFoundError, PluginError, ValidationError
from brickwork.rpc import Channel, Number, Service, exposed
from brickwork.rpc.generate import module
from brickwork.rpc.methods import describe

from .conftest import key_of

T = TypeVar("T")


def proto(kind):
    return describe("shop.v1", {"Shop": kind})[0].proto()


def one(annotation, default=...):
    """A class with one method that takes one argument."""

    class Shop:
        @exposed("shop.read")
        def look(self, thing) -> None: ...

    Shop.look.__annotations__ = {"thing": annotation, "return": None}
    if default is not ...:
        Shop.look.__defaults__ = (default,)
    return Shop


@pytest.mark.parametrize(
    "annotation, declared",
    [
        (str, "optional string thing = 1;  // required"),
        (str | None, "optional string thing = 1;"),
        (list[int], "repeated int64 thing = 1;"),
        (list[int] | None, "repeated int64 thing = 1;"),
        (dict[str, float], "map<string, double> thing = 1;"),
        (dict[str, Any], "google.protobuf.Struct thing = 1;  // required"),
        (list[dict[str, Any]], "repeated google.protobuf.Struct thing = 1;"),
        (Any, "google.protobuf.Value thing = 1;  // required"),
        (Annotated[int, Number(7)], "optional int64 thing = 7;  // required"),
    ],
)
def test_types_become_fields(annotation, declared):
    lines = [line.strip() for line in proto(one(annotation)).splitlines()]
    assert declared in lines


@pytest.mark.parametrize(
    "annotation, reason",
    [
        (int | str, "int | str"),
        (list[list[int]], "list"),
        (tuple[int, str], "tuple"),
        (dict[float, str], "keys"),
        (object, "object"),
        (complex, "complex"),
        (list[int | None], "int | None"),
        ("Nowhere", "Nowhere"),
    ],
)
def test_what_protobuf_cant_say_is_refused(annotation, reason):
    with pytest.raises((ValidationError, NameError)) as caught:
        proto(one(annotation))
    assert reason in str(caught.value)


def test_a_number_keeps_a_fields_place():
    class Before(BaseModel):
        a: int
        b: str

    class After(BaseModel):
        c: float = 0.0
        a: Annotated[int, Number(1)]
        b: str

    with pytest.raises(ValidationError, match="number 1 is taken"):
        proto(one(After))
    After.model_fields["c"].metadata.append(Number(3))
    old, new = (describe("shop.v1", {"Shop": one(kind)})[1]["Shop"]["look"] for kind in (Before, After))
    assert new.arguments(old.ask({"thing": Before(a=4, b="x")})) == {"thing": After(a=4, b="x", c=0.0)}
    assert old.arguments(new.ask({"thing": After(a=4, b="x", c=1.5)})) == {"thing": Before(a=4, b="x")}


def test_two_types_of_one_name_are_refused():
    class Price(BaseModel):
        amount: int

    Another = dataclass(type("Price", (), {"__annotations__": {"amount": str}}))

    class Shop:
        @exposed("shop.read")
        def look(self, one: Price, two: Another) -> None: ...

    with pytest.raises(ValidationError, match="two types are named Price"):
        proto(Shop)


def test_generic_classes_are_named_after_what_they_hold():
    @attrs.frozen
    class Box(Generic[T]):
        items: list[T]
        first: T

    @attrs.frozen
    class Item:
        name: str

    class Shop:
        @exposed("shop.read")
        def look(self) -> Box[Item]: ...

    look = describe("shop.v1", {"Shop": Shop})[1]["Shop"]["look"]
    assert look.reply.name == "ItemBox"
    box = Box([Item("a")], Item("b"))
    assert look.result(look.answer(box)) == box


@pytest.mark.parametrize(
    "source, reason",
    [
        ("def look(self, thing): ...", "annotate it"),
        ("def look(self, thing) -> None: ...", "thing must be a named parameter with an annotation"),
        ("def look(self, *things: int) -> None: ...", "things must be a named parameter"),
        ("def look(self, thing: int, /) -> None: ...", "thing must be a named parameter"),
    ],
)
def test_signatures_must_say_what_travels(source, reason):
    space = {}
    exec(source, space)
    with pytest.raises(ValidationError, match=reason):
        proto(type("Shop", (), {"look": exposed("shop.read")(space["look"])}))


def test_a_hidden_parameter_is_not_there_and_has_a_default():
    class Shop:
        @exposed("shop.read", hidden=["secretly"])
        def look(self, thing: int, secretly: bool = False) -> None: ...

    class Wrong:
        @exposed("shop.read", hidden=["thing"])
        def look(self, thing: int) -> None: ...

    assert "secretly" not in proto(Shop)
    with pytest.raises(ValidationError, match="hidden and has no default"):
        proto(Wrong)


def test_what_a_method_returns_is_held_to_what_it_says():
    class Shop:
        @exposed("shop.read")
        def look(self) -> list[int]: ...

    look = describe("shop.v1", {"Shop": Shop})[1]["Shop"]["look"]
    assert look.result(look.answer([])) == []
    with pytest.raises(TypeError, match="returned something else than it says"):
        look.answer(["one"])


def test_a_permission_names_required_parameters_only():
    class Shop:
        @exposed("shop.{kind}.read")
        def look(self, kind: str = "any") -> None: ...

    with pytest.raises(ValidationError, match="names kind, which is no required parameter"):
        proto(Shop)


def test_a_class_that_exposes_nothing_is_refused():
    with pytest.raises(ValidationError, match="no method with @exposed"):
        proto(type("Shop", (), {}))
    with pytest.raises(ValueError, match="name"):
        Service("Shop", object())


def test_a_method_named_like_a_type_doesnt_hide_it_in_the_client():
    class Shop:
        @exposed("shop.read")
        def list(self) -> Iterator[str]: ...

        @exposed("shop.read")
        def dict(self, str: str) -> dict[str, int]: ...

    source = module(*describe("shop.v1", {"Shop": Shop}))
    assert "def dict(self, str: str) -> builtins.dict[str, int]:" in source
    assert "import builtins" in source


def test_two_services_of_one_name_are_refused(platform):
    class Twice:
        @hookimpl
        def brickwork_rpc_services(self, platform):
            return [Service("brickwork.entities.v1.Entities", platform.entities)]

    platform.plugins.register(Twice())
    with pytest.raises(PluginError, match="two services"):
        platform.rpc.packages()


def test_an_unknown_package_names_those_there_are(platform):
    with pytest.raises(NotFoundError, match=r"brickwork\.entities\.v1"):
        platform.rpc.proto("nothing.v1")


def test_the_commands_list_describe_and_generate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(app, ["rpc", *words], env={"COLUMNS": "200"})
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "service Entities {" in run("proto")
    run("client", "brickwork.entities.v1", "--file", "entities_client.py")
    compile((tmp_path / "entities_client.py").read_text(), "entities_client.py", "exec")
    with pytest.raises(NotFoundError):
        run("proto", "shop.v1")


# -- entities over gRPC ------------------------------------------------------------------------------------------------

PATIENT = {
    "name": "patient",
    "fields": {"family_name": {"type": "text", "required": True, "indexed": True}, "age": {"type": "number"}},
}


def test_records_are_created_read_changed_listed_and_deleted(shop, served, tmp_path, monkeypatch):
    (tmp_path / "entities_client_x.py").write_text(shop.rpc.client("brickwork.entities.v1"))
    monkeypatch.syspath_prepend(str(tmp_path))
    from entities_client_x import Entities

    with shop.context(tenant="north", actor="testing"):
        shop.entities.types.apply(PATIENT)
    with Channel(served, token=key_of(shop, "north")) as channel, Channel(served, token=key_of(shop, "south")) as other:
        entities = Entities(channel)
        okafor = entities.create("patient", {"family_name": "Okafor", "age": 41})
        assert (okafor.version, okafor.created_by) == (1, "service:till")
        assert entities.get("patient", okafor.id) == okafor
        changed = entities.update("patient", okafor.id, {"age": None}, version=1)
        assert changed.data == {"family_name": "Okafor"}
        with pytest.raises(BrickworkError) as caught:
            entities.update("patient", okafor.id, {"age": 1}, version=1)
        assert (caught.value.code, caught.value.details["actual"]) == ("stale_version", 2)
        for number in range(5):
            entities.create("patient", {"family_name": f"Ito {number}"})
        page = entities.query("patient", where={"family_name": {"contains": "Ito"}}, sort=["-family_name"], limit=2)
        assert [record.data["family_name"] for record in page.items] == ["Ito 4", "Ito 3"]
        following = entities.query(
            "patient", where={"family_name": {"contains": "Ito"}}, sort=["-family_name"], limit=2, cursor=page.cursor
        )
        assert [record.data["family_name"] for record in following.items] == ["Ito 2", "Ito 1"]
        assert entities.count("patient") == len(list(entities.each("patient"))) == 6
        with pytest.raises(BrickworkError):
            Entities(other).get("patient", okafor.id)
        entities.delete("patient", okafor.id)
        with pytest.raises(NotFoundError):
            entities.get("patient", okafor.id)
        with pytest.raises(ValidationError) as caught:
            entities.create("patient", {"age": "old"})
        assert {problem.field for problem in caught.value.problems} == {"family_name", "age"}
