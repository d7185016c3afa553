"""Refresh tokens (RFC 6749, 6; RFC 9700, 4.14): each good once, and what becomes of a second use."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import World, error_of


@pytest.fixture
def world(make_platform, frozen_clock):
    made = World(make_platform(clock=frozen_clock))
    with made.context():
        made.platform.entities.types.apply({"name": "patient", "fields": {"name": {"type": "text"}}})
    made.person()
    return made


@pytest.fixture
def made(world):
    return world.register()


def test_each_refresh_gives_the_next_token(world, made, frozen_clock):
    body = world.tokens(made)
    seen = {body["refresh_token"]}
    for _ in range(3):
        frozen_clock.advance(hours=1)
        answer = world.refresh(made, body["refresh_token"])
        assert answer.status_code == 200
        body = answer.json()
        assert world.call(body["access_token"]).status_code == 200
        assert body["refresh_token"] not in seen
        assert "id_token" in body
        seen.add(body["refresh_token"])


def test_a_token_that_comes_again_ends_the_whole_grant_and_is_reported(world, made, frozen_clock):
    """RFC 9700, 4.14.2: nobody can tell the thief from the owner."""
    first = world.tokens(made)
    second = world.refresh(made, first["refresh_token"]).json()
    frozen_clock.advance(seconds=30)
    again = world.refresh(made, first["refresh_token"])
    assert (again.status_code, error_of(again)) == (400, "invalid_grant")
    assert error_of(world.refresh(made, second["refresh_token"])) == "invalid_grant"
    for body in (first, second):
        assert world.call(body["access_token"]).status_code == 401
    with world.context():
        [entry] = world.platform.audit.entries(action="token reused").items
    assert entry.entity == "oauth_grant"


def test_within_seconds_the_same_successor_is_given_and_never_a_second_line(world, made, frozen_clock):
    """An answer may get lost and two tabs may ask at once; a second line of tokens would let a thief go on unnoticed."""
    body = world.tokens(made)
    answers = [world.refresh(made, body["refresh_token"]).json() for _ in range(3)]
    assert len({answer["refresh_token"] for answer in answers}) == 1
    following = world.refresh(made, answers[0]["refresh_token"])
    assert following.status_code == 200
    again = world.refresh(made, body["refresh_token"])  # its successor was used, so that no answer can have been lost
    assert error_of(again) == "invalid_grant"
    assert error_of(world.refresh(made, following.json()["refresh_token"])) == "invalid_grant"


def test_of_many_that_ask_at_once_all_get_the_same_successor(world, made):
    body = world.tokens(made)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: world.refresh(made, body["refresh_token"]), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_another_client_can_not_use_the_token_and_takes_nothing_from_its_owner(world, made):
    """RFC 6749, 6 and 10.4."""
    body, other = world.tokens(made), world.register("Other")
    assert error_of(world.refresh(other, body["refresh_token"])) == "invalid_grant"
    assert world.refresh(made, body["refresh_token"]).status_code == 200


def test_a_refresh_asks_for_less_and_never_for_more(world, made):
    """RFC 6749, 6: scope escalation."""
    body = world.tokens(made, scope="openid offline_access entities.patient.read")
    for scope in ("openid email", "entities.patient.*", "entities.patient.read entities.patient.delete", "*"):
        assert error_of(world.refresh(made, body["refresh_token"], scope=scope)) == "invalid_scope"
    less = world.refresh(made, body["refresh_token"], scope="entities.patient.read").json()
    assert less["scope"] == "entities.patient.read"
    assert "id_token" not in less
    whole = world.refresh(made, less["refresh_token"]).json()
    assert whole["scope"] == body["scope"]


def test_a_refresh_token_waits_so_long_and_its_grant_lasts_so_long(make_platform, frozen_clock):
    world = World(make_platform(clock=frozen_clock, oauth={"refresh_token_days": 2, "grant_days": 5}))
    world.person()
    made = world.register()
    body = world.tokens(made, scope="openid offline_access")
    for _ in range(2):
        frozen_clock.advance(hours=47)
        body = world.refresh(made, body["refresh_token"]).json()
    idle = world.tokens(made, scope="openid offline_access")
    frozen_clock.advance(hours=27)  # five days after the sign-in
    assert error_of(world.refresh(made, body["refresh_token"])) == "invalid_grant"
    frozen_clock.advance(hours=22)
    assert error_of(world.refresh(made, idle["refresh_token"])) == "invalid_grant"
    assert world.platform.oauth.expire() > 0


def test_nothing_that_a_client_shows_is_stored_as_it_is(world, made):
    from sqlalchemy import text

    code, verifier = world.code(made)
    body = world.redeem(made, code, verifier).json()
    body = world.refresh(made, body["refresh_token"]).json()
    with world.context(), world.platform.transaction() as transaction, transaction.unscoped(reason="a test looks at everything"):
        tables = ("oauth_client", "oauth_code", "oauth_grant", "oauth_refresh")
        stored = " ".join(str(row) for table in tables for row in transaction.execute(text(f"SELECT * FROM {table}")))
    assert made.client.client_id in stored
    for shown in (code, body["refresh_token"], body["access_token"], made.secret):
        assert shown not in stored


@pytest.mark.parametrize("shown", ["", "bwr_invented", "x" * 3000, "bwr_\u00e4"])
def test_an_invented_token_is_refused(world, made, shown):
    assert error_of(world.refresh(made, shown)) in ("invalid_grant", "invalid_request")
