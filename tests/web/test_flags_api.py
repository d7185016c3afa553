"""Flags over HTTP: what they come to for the caller, and what the caller's tenant has differently."""

import pytest
from starlette.testclient import TestClient

from brickwork.flags import Flag, Rule
from brickwork.kernel.platform import Platform

from .conftest import TENANT, data_of, errors_of

FLAGS = "/api/v1/flags"


@pytest.fixture(autouse=True)
def defined(platform: Platform) -> None:
    platform.flags.define(Flag(key="engine"))
    platform.flags.define(
        Flag(
            key="theme",
            variants={"a": "light", "b": "dark"},
            default="a",
            off="a",
            rules=[Rule(when=f'tenant == "{TENANT}"', serve="b")],
        )
    )


def test_a_page_asks_once_for_all(api: TestClient) -> None:
    assert data_of(api.get(FLAGS)) == {"engine": False, "theme": "dark"}


def test_a_tenant_is_served_something_else_until_it_is_revoked(api: TestClient, platform: Platform) -> None:
    wanted = {"variant": "on", "reason": "pilot", "until": "2099-01-01T00:00:00Z"}
    answer = data_of(api.put(f"{FLAGS}/overrides/engine", json=wanted))
    assert (answer["key"], answer["variant"]) == ("engine", "on")
    assert data_of(api.get(FLAGS))["engine"] is True
    assert [own["reason"] for own in data_of(api.get(f"{FLAGS}/overrides"))] == ["pilot"]
    with platform.context(tenant="other", actor="user:kim"):
        assert not platform.flags.enabled("engine")
    assert api.delete(f"{FLAGS}/overrides/engine").status_code == 204
    assert data_of(api.get(FLAGS))["engine"] is False
    assert data_of(api.get(f"{FLAGS}/overrides")) == []


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("typo", {"variant": "on", "reason": "x"}, 404),
        ("engine", {"variant": "maybe", "reason": "x"}, 422),
        ("engine", {"variant": "on"}, 422),
        ("engine", {"variant": "on", "reason": "x", "until": "2099-01-01T00:00:00"}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(api: TestClient, key: str, body: dict[str, str], status: int) -> None:
    answer = api.put(f"{FLAGS}/overrides/{key}", json=body)
    assert answer.status_code == status
    assert errors_of(answer)
    assert data_of(api.get(f"{FLAGS}/overrides")) == []
