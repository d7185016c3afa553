"""Requests that clients push (RFC 9126), and clients that register themselves (RFC 7591, RFC 7592)."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from brickwork.testing.auth import bearer

from .conftest import World, error_of, query_of


@pytest.fixture
def made(world):
    return world.register(trusted=True)


def push(world, made, **changed):
    address, verifier = world.authorize(made, **changed)
    form = dict(parse_qsl(urlsplit(address).query))
    return world.post("par", made, **form), verifier


def come(world, made, uri, **more):
    return f"{world.issuer}/authorize?{urlencode({'client_id': made.client.client_id, 'request_uri': uri, **more})}"


def test_a_pushed_request_is_answered_once(world, made):
    """RFC 9126, 2.2 and 4."""
    answer, verifier = push(world, made)
    assert answer.status_code == 201
    body = answer.json()
    assert body["expires_in"] == 300
    browser = world.browser()
    address = come(world, made, body["request_uri"], redirect_uri="https://evil.example/", scope="*", state="other")
    browser.go(address)
    given = query_of(browser.sign_in())
    assert given["state"] == "s t/ä"  # what was pushed counts, and nothing beside it (RFC 9101, 6.3)
    assert world.redeem(made, given["code"], verifier).status_code == 200
    again = browser.go(address)
    assert again.status_code == 400
    assert "was used" in again.text


def test_a_pushed_request_that_is_not_in_order_is_told_to_the_client(world, made):
    """RFC 9126, 2.3."""
    wrong = {
        "invalid_request": {"code_challenge_method": "plain"}, "invalid_scope": {"scope": "jobs.write"},
        "unsupported_response_type": {"response_type": "token"},
    }  # fmt: skip
    for error, changed in wrong.items():
        answer, _ = push(world, made, **changed)
        assert (answer.status_code, error_of(answer)) == (400, error)
    answer, _ = push(world, made, redirect_uri="https://evil.example/")
    assert (answer.status_code, error_of(answer)) == (400, "invalid_request")
    answer, _ = push(world, made, request_uri="urn:ietf:params:oauth:request_uri:x")
    assert error_of(answer) == "invalid_request"
    address, _ = world.authorize(made)
    unproven = world.http.post(f"{world.issuer}/par", data=dict(parse_qsl(urlsplit(address).query)))
    assert (unproven.status_code, error_of(unproven)) == (401, "invalid_client")


def test_what_is_told_of_a_pushed_request_has_its_state(world, made):
    uri = push(world, made, prompt="none")[0].json()["request_uri"]
    given = query_of(world.http.get(come(world, made, uri)).headers["location"])
    assert (given["error"], given["state"], given["iss"]) == ("login_required", "s t/ä", world.issuer)


def test_another_client_can_not_use_it(world, made):
    """RFC 9126, 2.2: bound to the client."""
    uri = push(world, made)[0].json()["request_uri"]
    other = world.register("Other", trusted=True)
    answer = world.http.get(come(world, other, uri))
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_a_pushed_request_is_soon_over_and_an_invented_one_is_none(make_platform, frozen_clock):
    world = World(make_platform(clock=frozen_clock))
    world.person()
    made = world.register()
    uri = push(world, made)[0].json()["request_uri"]
    assert world.http.get(come(world, made, uri)).status_code == 200
    frozen_clock.advance(seconds=301)
    for one in (uri, "urn:ietf:params:oauth:request_uri:bwq_invented", "urn:ietf:params:oauth:request_uri:"):
        assert world.http.get(come(world, made, one)).status_code == 400


def test_a_client_may_bind_itself_to_pushing(world):
    """RFC 9126, 6."""
    made = world.register(require_pushed_authorization_requests=True)
    assert world.http.get(world.authorize(made)[0]).status_code == 400
    assert world.http.get(come(world, made, push(world, made)[0].json()["request_uri"])).status_code == 200


# -- registration ----------------------------------------------------------------------------------------------------------

WANTED = {"client_name": "Robot shop", "redirect_uris": ["https://shop.example/cb"], "software_id": "shop", "scope": "openid"}


@pytest.fixture
def registered(world, made):
    headers = bearer(world.platform, "alpha", "registrar")
    answer = world.http.post(f"{world.issuer}/register", json=WANTED, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_client_registers_itself_with_a_token_that_may(world, registered):
    """RFC 7591, 3.2.1."""
    assert registered["client_secret"]
    assert registered["client_secret_expires_at"] == 0
    assert registered["redirect_uris"] == WANTED["redirect_uris"]
    assert "software_id" not in registered  # what is not known is left out (2)
    with world.context():
        assert world.platform.oauth.clients.get(registered["client_id"]).client_name == "Robot shop"


def test_registering_takes_the_permission(world, made):
    """RFC 7591, 3: protected by an initial access token."""
    weak = bearer(world.platform, "alpha", "weak", roles=())
    other = bearer(world.platform, "beta", "registrar")
    for headers, status in (({}, 401), (weak, 403), (other, 401), ({"Authorization": "Bearer invented"}, 401)):
        answer = world.http.post(f"{world.issuer}/register", json=WANTED, headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"redirect_uris": ["http://shop.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://shop.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://shop.example/cb"}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),  # only an administrator gives it a service account
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"scope": "a b!"}, "invalid_client_metadata"),
        ({"client_name": "\x00"}, "invalid_client_metadata"),
        ({"client_name": 7}, "invalid_client_metadata"),
    ],
)
def test_what_can_not_be_registered_is_refused(world, made, changed, error):
    """RFC 7591, 3.2.2; RFC 9700, 4.1."""
    headers = bearer(world.platform, "alpha", "registrar")
    answer = world.http.post(f"{world.issuer}/register", json={**WANTED, **changed}, headers=headers)
    assert (answer.status_code, error_of(answer)) == (400, error)
    broken = world.http.post(f"{world.issuer}/register", content=b"[", headers=headers)
    assert error_of(broken) == "invalid_client_metadata"


def test_what_only_an_administrator_decides_is_not_taken(world, made):
    """OWASP API3:2023, mass assignment."""
    headers = bearer(world.platform, "alpha", "registrar")
    wanted = {**WANTED, "trusted": True, "service": "robot", "audiences": ["https://a.example"], "client_id": "mine", "epoch": 7}
    body = world.http.post(f"{world.issuer}/register", json=wanted, headers=headers).json()
    with world.context():
        client = world.platform.oauth.clients.get(body["client_id"])
    assert (client.trusted, client.service, client.audiences) == (False, None, [])
    assert client.client_id != "mine"


def test_a_client_manages_its_own_registration(world, registered):
    """RFC 7592, 2."""
    own = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    address = registered["registration_client_uri"]
    assert world.http.get(address, headers=own).json()["client_name"] == "Robot shop"
    changed = world.http.put(
        address, json={**WANTED, "client_name": "New name", "client_id": registered["client_id"]}, headers=own
    )
    assert changed.json()["client_name"] == "New name"
    wrong = world.http.put(address, json={**WANTED, "client_id": "other"}, headers=own)
    assert error_of(wrong) == "invalid_client_metadata"
    assert world.http.patch(address, headers=own).status_code == 405
    assert world.http.delete(address, headers=own).status_code == 204
    assert world.http.get(address, headers=own).status_code == 401


def test_only_with_its_own_token(world, registered, made):
    """RFC 7592, 3."""
    address = registered["registration_client_uri"]
    other = f"{world.issuer}/register/{made.client.client_id}"
    own = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    administrator = bearer(world.platform, "alpha", "registrar")
    for where, headers in ((address, {}), (address, administrator), (other, own), (f"{world.issuer}/register/none", own)):
        for method in ("GET", "DELETE"):
            assert world.http.request(method, where, headers=headers).status_code == 401
    with world.context():
        world.platform.oauth.clients.update(registered["client_id"], trusted=True)
    grabbing = world.http.put(address, json={**WANTED, "redirect_uris": ["https://evil.example/"]}, headers=own)
    assert grabbing.status_code == 403  # the tenant answers for it by now
