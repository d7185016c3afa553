"""Too many requests: who is counted, what a client is told, and that nobody uses up what is another's."""

import pytest

from .conftest import World, error_of

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def make_world(make_platform):
    def make(**settings):
        made = World(make_platform(oauth=settings))
        made.person()
        return made

    return make


def _register(world, **metadata):
    return world.register(**{"scope": "openid", **metadata})


@pytest.mark.parametrize("endpoint", ["token", "par", "device_authorization", "introspect", "revoke", "userinfo"])
def test_an_address_that_asks_too_much_waits_at_every_endpoint(make_world, endpoint):
    """RFC 9126, 2.3, for pushed requests; RFC 6585, 4, for all."""
    world = make_world(requests_per_address="3/60s")
    made = _register(world)
    answers = [world.post(endpoint, made, token="x") for _ in range(4)]
    assert 429 not in [answer.status_code for answer in answers[:3]]
    assert (answers[3].status_code, error_of(answers[3])) == (429, "temporarily_unavailable")
    assert answers[3].headers["retry-after"] == "20"
    assert answers[3].headers["cache-control"] == "no-store"


def test_pages_say_it_to_people(make_world):
    world = make_world(requests_per_address="2/60s")
    made = _register(world)
    pages = [world.http.get(world.authorize(made, scope="openid")[0]) for _ in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 429]
    assert pages[2].headers["content-type"].startswith("text/html")
    assert "retry-after" in pages[2].headers
    assert world.http.post(f"{world.issuer}/sign-in", data={"back": "device"}).status_code == 429


def test_a_device_is_told_to_slow_down(make_world):
    """RFC 8628, 3.5, which a device knows how to take."""
    world = make_world(requests_per_address="1/60s")
    made = _register(world, grant_types=[DEVICE], redirect_uris=[])
    assert world.post("device_authorization", made).status_code == 200
    answer = world.post("token", made, grant_type=DEVICE, device_code="x")
    assert (answer.status_code, error_of(answer)) == (400, "slow_down")


def test_a_client_that_asks_too_much_waits_and_another_does_not(make_world):
    world = make_world(requests_per_client="2/60s")
    one, other = _register(world, name="One"), _register(world, name="Other")
    codes = [world.post("introspect", one, token="x").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert world.post("introspect", other, token="x").status_code == 200


def test_whoever_only_names_a_client_uses_up_nothing_of_its(make_world):
    world = make_world(requests_per_client="2/60s")
    made = _register(world)
    for _ in range(4):
        wrong = world.http.post(f"{world.issuer}/introspect", data={"token": "x"}, auth=(made.client.client_id, "bws_wrong"))
        assert wrong.status_code == 401
    assert world.post("introspect", made, token="x").status_code == 200


def test_metadata_and_keys_are_not_counted(make_world):
    world = make_world(requests_per_address="1/60s")
    _register(world)
    for _ in range(3):
        assert world.http.get(f"{world.issuer}/jwks").status_code == 200
        assert world.http.get(f"{world.issuer}/.well-known/openid-configuration").status_code == 200


def test_wrong_passwords_at_the_page_count_by_account(make_platform):
    world = World(make_platform(auth={"attempts": "2/900s"}))
    world.person()
    browser = world.browser()
    browser.go(world.authorize(_register(world), scope="openid")[0])
    codes = [browser.sign_in(password="wrong").status_code for _ in range(3)]
    assert codes == [401, 401, 429]
