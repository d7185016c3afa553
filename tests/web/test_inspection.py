"""How the server is doing is for this machine, and for whoever shows the token; strangers learn whether it is ready."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from brickwork.errors import SettingsError
from brickwork.kernel.platform import Platform
from brickwork.testing.auth import bearer
from brickwork.testing.plugin import PlatformMaker
from brickwork.web import create_app

TOKEN = "a token for the scraper"
ELSEWHERE = "203.0.113.7"
Caller = Callable[..., TestClient]


@pytest.fixture
def platform(make_platform: PlatformMaker) -> Platform:
    return make_platform(components=["web"], web={"metrics_token": TOKEN})


@pytest.fixture
def caller(platform: Platform) -> Caller:
    """A client at an address."""
    app = create_app(platform)
    return lambda address, **headers: TestClient(
        app, headers={name.replace("_", "-"): value for name, value in headers.items()}, client=(address, 50000)
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_itself_is_told(caller: Caller, address: str) -> None:
    client = caller(address)
    assert "brickwork_http_requests" in client.get("/metrics").text
    assert client.get("/readyz").json()["checks"]["database"]["ok"] is True


@pytest.mark.parametrize("address", [ELSEWHERE, "10.0.0.4", "2001:db8::1", "::ffff:10.0.0.4", "localhost.example.org"])
def test_others_learn_whether_it_is_ready_and_nothing_else(caller: Caller, address: str) -> None:
    client = caller(address)
    refused = client.get("/metrics")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="brickwork"')
    assert refused.json()["errors"][0]["code"] == "unauthenticated"
    assert "brickwork_http_requests" not in refused.text
    assert client.get("/readyz").json() == {"status": "ok"}
    assert client.get("/healthz").json() == {"status": "ok"}


def test_what_is_broken_is_not_told_to_strangers(caller: Caller, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ConnectionError("no route to host db.internal")

    monkeypatch.setattr(platform.database, "health", broken)
    answer = caller(ELSEWHERE).get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip"])
def test_what_a_proxy_on_this_machine_passes_on_comes_from_elsewhere(caller: Caller, header: str) -> None:
    client = caller("127.0.0.1", **{header: "127.0.0.1"})
    assert client.get("/metrics").status_code == 401
    assert client.get("/readyz").json() == {"status": "ok"}


def test_who_shows_the_token_is_told_from_anywhere(caller: Caller) -> None:
    client = caller(ELSEWHERE, authorization=f"Bearer {TOKEN}", x_forwarded_for="198.51.100.1")
    assert "brickwork_http_requests" in client.get("/metrics").text
    assert "database" in client.get("/readyz").json()["checks"]


@pytest.mark.parametrize("shown", ["Bearer wrong", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer None"])
def test_another_token_is_none(caller: Caller, shown: str) -> None:
    client = caller(ELSEWHERE, authorization=shown)
    assert client.get("/metrics").status_code == 401
    assert client.get("/readyz").json() == {"status": "ok"}


def test_a_caller_of_the_api_is_no_operator(caller: Caller, platform: Platform) -> None:
    """An administrator of a tenant runs its tenant and not the server."""
    key = bearer(platform, "alpha", "robot")["Authorization"]
    assert caller(ELSEWHERE, authorization=key).get("/metrics").status_code == 401


def test_without_a_token_nobody_elsewhere_is_told(make_platform: PlatformMaker) -> None:
    client = TestClient(
        create_app(make_platform(components=["web"])), headers={"authorization": "Bearer "}, client=(ELSEWHERE, 1)
    )
    assert client.get("/metrics").status_code == 401


def test_a_short_token_is_refused_and_none_is_shown(make_platform: PlatformMaker, platform: Platform) -> None:
    with pytest.raises(SettingsError, match="metrics_token"):
        make_platform(components=["web"], web={"metrics_token": "short"}, migrated=False)
    assert TOKEN not in repr(platform.get("web").settings)
