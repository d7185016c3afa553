"""Which types' values may be given to many callers at once, and that others are read anew for each."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict

from brickwork.cache.codec import is_immutable


class Colour(StrEnum):
    RED = "red"


class Settled(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: UUID
    at: datetime | None
    names: tuple[str, ...]
    colour: Colour
    kind: Literal["a", "b"]


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True)

    inner: Settled


class Open(BaseModel):
    id: UUID


class Holding(BaseModel):
    model_config = ConfigDict(frozen=True)

    names: list[str]


class Extended(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


@pytest.mark.parametrize("kind", [int, str | None, tuple[int, ...], frozenset[Colour], Settled, Outer])
def test_plain_and_frozen_types_can_not_be_changed(kind):
    assert is_immutable(kind)


@pytest.mark.parametrize("kind", [None, Any, dict[str, int], list[int], tuple[list[int], ...], Open, Holding, Extended, object])
def test_what_holds_something_that_can_be_changed_is_not_shared(kind):
    assert not is_immutable(kind)


def test_a_frozen_value_is_read_once_and_another_is_a_new_one_each_time(platform):
    with platform.context(tenant="alpha"):
        platform.cache.region("entity_data", Outer).set("one", made())
        frozen = platform.cache.region("entity_data", Outer)
        assert frozen.get("one") == made()
        if frozen._in_memory:
            assert frozen.get("one") is frozen.get("one")
        loose = platform.cache.region("entity_data", dict)
        loose.set("two", {"a": [1]})
        loose.get("two")["a"].append(2)
        assert loose.get("two") == {"a": [1]}


def made():
    inner = {"id": UUID(int=1), "at": None, "names": ("x",), "colour": Colour.RED, "kind": "a"}
    return Outer(inner=Settled(**inner))
