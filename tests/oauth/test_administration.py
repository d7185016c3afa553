"""Administration over HTTP and in code: who may register what, and what people see of what they have allowed."""

import json
import subprocess
import sys

import pytest

from brickwork.errors import NotFoundError, PermissionDeniedError, ValidationError
from brickwork.oauth import OAuth
from brickwork.testing.auth import bearer

from .conftest import CALLBACK, PASSWORD, error_of

CLIENTS = "/api/v1/oauth/clients"
WANTED = {"client_name": "Ward app", "redirect_uris": [CALLBACK], "scope": "openid entities.patient.read"}


@pytest.fixture
def desk(world):
    return bearer(world.platform, "alpha", "desk")


def test_a_client_over_http_from_registration_to_its_end(world, desk):
    made = world.http.post(CLIENTS, json=WANTED, headers=desk).json()["data"]
    assert made["client_secret"].startswith("bwo_alpha_")
    address = f"{CLIENTS}/{made['client_id']}"
    [listed] = world.http.get(CLIENTS, headers=desk).json()["data"]
    assert (listed["client_id"], listed["client_secret"]) == (made["client_id"], None)
    changed = world.http.put(address, json={**WANTED, "client_name": "New name"}, headers=desk)
    assert changed.json()["data"]["client_name"] == "New name"
    assert world.http.get(address, headers=desk).json()["data"]["client_name"] == "New name"
    rotated = world.http.post(f"{address}/secret", json={"overlap_hours": 1}, headers=desk)
    assert rotated.json()["data"]["client_secret"] != made["client_secret"]
    assert len(world.http.post("/api/v1/oauth/keys/rotate", headers=desk).json()["data"]) == 1
    assert world.http.delete(address, headers=desk).status_code == 204
    assert world.http.get(address, headers=desk).status_code == 404


def test_administration_takes_permissions(world):
    weak = bearer(world.platform, "alpha", "weak", roles=())
    for method, path, body in (
        ("GET", CLIENTS, None), ("POST", CLIENTS, WANTED), ("PUT", f"{CLIENTS}/x", WANTED), ("DELETE", f"{CLIENTS}/x", None),
        ("POST", f"{CLIENTS}/x/secret", {}), ("POST", "/api/v1/oauth/keys/rotate", None), ("GET", "/api/v1/oauth/grants", None),
    ):  # fmt: skip
        assert world.http.request(method, path, json=body, headers=weak).status_code == 403, path
        assert world.http.request(method, path, json=body).status_code == 401, path


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "mine"}, {"epoch": 7}, {"redirect_uris": ["http://x.example/"]}, {"redirect_uris": ["https://x.example/#a"]},
        {"redirect_uris": ["org.example:/x", "mailto:a@b"]}, {"redirect_uris": ["https://user@x.example/"]},
        {"redirect_uris": ["https://x.example;script-src/"]}, {"redirect_uris": ["https://x.example:99999999/"]},
        {"scope": "öpenid"},
        {"token_endpoint_auth_method": "client_secret_jwt"}, {"audiences": ["x"]}, {"client_name": "a\nb"}, {"grant_types": []},
        {"token_endpoint_auth_method": "tls_client_auth"}, {"post_logout_redirect_uris": ["javascript:alert(1)"]},
    ],
)  # fmt: skip
def test_a_client_that_makes_no_sense_is_refused(world, desk, changed):
    answer = world.http.post(CLIENTS, json={**WANTED, **changed}, headers=desk)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert world.http.get(CLIENTS, headers=desk).json()["data"] == []


def test_who_registers_a_client_gives_away_no_more_than_they_have(world):
    """OWASP API5:2023: a client that acts without asking anybody must not be a way up."""
    world.service("strong", allow=("*",))
    clerk = world.person("ann@example.org", allow=("oauth.clients.*", "entities.patient.read"))
    machine = {"grant_types": ["client_credentials"], "service": "strong", "redirect_uris": []}
    clients = world.platform.oauth.clients
    with world.context(), world.platform.auth.acting_as(clerk):
        clients.register("Asks", redirect_uris=[CALLBACK], scope="openid jobs.read")  # who signs in decides
        clients.register("Reads", **machine, scope="entities.patient.read")
        for wanted in ({**machine, "scope": "jobs.read"}, {**machine, "scope": "*"},
                       {"redirect_uris": [CALLBACK], "trusted": True, "scope": "jobs.read"}):  # fmt: skip
            with pytest.raises(PermissionDeniedError):
                clients.register("Grabs", **wanted)
        made = clients.register("Trusted", redirect_uris=[CALLBACK], trusted=True, scope="openid entities.patient.read")
        with pytest.raises(PermissionDeniedError):
            clients.update(made.client.client_id, scope="*")


def test_people_see_and_take_back_what_they_allowed(world):
    made = world.register()
    body = world.tokens(made)
    with world.context():
        session = world.platform.auth.sessions.sign_in("kim@example.org", PASSWORD)
    own = {"Authorization": f"Bearer {session.token}"}
    kim = world.platform.auth.users.find("kim@example.org").actor
    [grant] = world.http.get(f"/api/v1/oauth/grants?subject={kim}", headers=own).json()["data"]
    assert (grant["client_name"], grant["scopes"]) == ("Ward app", ["openid", "offline_access", "entities.patient.read"])
    assert world.http.get("/api/v1/oauth/grants", headers=own).status_code == 403
    stranger = world.person("ann@example.org")
    with world.context(), world.platform.auth.acting_as(stranger), pytest.raises(PermissionDeniedError):
        world.platform.oauth.grants.revoke(grant["id"])
    assert world.http.delete(f"/api/v1/oauth/grants/{grant['id']}", headers=own).status_code == 204
    assert world.call(body["access_token"]).status_code == 401
    assert error_of(world.refresh(made, body["refresh_token"])) == "invalid_grant"
    assert world.http.delete(f"/api/v1/oauth/grants/{grant['id']}x", headers=own).status_code == 404


def test_a_clients_token_takes_nothing_back_and_gives_nothing(world):
    """What a person allowed a client doesn't reach to other clients."""
    first, second = world.register("First"), world.register("Second")
    token = world.tokens(first, scope="entities.patient.read")["access_token"]
    world.tokens(second)
    headers = {"Authorization": f"Bearer {token}"}
    kim = world.platform.auth.users.find("kim@example.org").actor
    assert world.http.get(f"/api/v1/oauth/grants?subject={kim}", headers=headers).status_code == 403
    with world.context():
        [grant] = [one for one in world.platform.oauth.grants.list() if one.client_name == "Second"]
    assert world.http.delete(f"/api/v1/oauth/grants/{grant.id}", headers=headers).status_code == 403


def test_tenants_have_clients_of_their_own(world):
    made = world.register()
    with world.platform.context(tenant="beta", actor="setup"):
        assert list(world.platform.oauth.clients.list()) == []
        for deed in (
            world.platform.oauth.clients.get,
            world.platform.oauth.clients.remove,
            world.platform.oauth.clients.rotate_secret,
        ):
            with pytest.raises(NotFoundError):
                deed(made.client.client_id)


def test_what_happens_is_published_and_audited_without_secrets(platform, captured_events, world):
    made = world.register()
    world.tokens(made)
    names = [event.event_name for event in captured_events.events if hasattr(event, "event_name")]
    assert "oauth.client_changed" in names
    assert "oauth.consent_given" in names
    with world.context():
        entries = platform.audit.entries(entity="oauth_client").items
        assert entries
        assert made.secret not in json.dumps([str(entry) for entry in entries])


def test_the_service_is_found_by_its_class(platform):
    assert platform.get(OAuth) is platform.oauth


def test_a_wrong_address_in_the_settings_is_told_at_start(make_platform):
    from brickwork.errors import SettingsError

    for wrong in ("http://api.example.org", "https://api.example.org/", "ftp://x", "https://a b", "https://x/?y"):
        with pytest.raises(SettingsError, match="base_url"):
            make_platform(oauth={"base_url": wrong}, migrated=False)


def test_a_client_without_a_secret_can_not_be_given_one(world):
    made = world.register(token_endpoint_auth_method="none")
    with world.context():
        with pytest.raises(ValidationError, match="shows who it is by none"):
            world.platform.oauth.clients.rotate_secret(made.client.client_id)
        with pytest.raises(ValidationError, match="register it anew"):
            world.platform.oauth.clients.update(made.client.client_id, token_endpoint_auth_method="client_secret_basic")


def test_without_the_extra_the_platform_runs_and_says_what_to_install(tmp_path):
    """In an interpreter that finds none of the packages."""
    script = """
import sys
for name in ("authlib", "joserfc", "jinja2"):
    sys.modules[name] = None
from starlette.testclient import TestClient
from brickwork import Platform
from brickwork.errors import MissingDependencyError
from brickwork.web import create_app
platform = Platform(settings={"database": {"url": "sqlite:///bare.db"}})
platform.migrate()
with TestClient(create_app(platform), base_url="http://127.0.0.1") as http:
    assert http.get("/healthz").status_code == 200
    answer = http.get("/oauth/alpha/jwks")
    assert (answer.status_code, answer.json()["error"]) == (501, "not_installed"), answer.text
    assert "pip install 'brickwork[oauth]'" in answer.json()["error_description"]
    assert http.get("/api/v1/auth/session", headers={"Authorization": "Bearer a.b.c"}).status_code == 401
    with platform.context(tenant="alpha", actor="setup"):
        try:
            platform.oauth.clients.register("x", redirect_uris=["https://x.example/"])
        except MissingDependencyError as error:
            print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'brickwork[oauth]'" in done.stdout
