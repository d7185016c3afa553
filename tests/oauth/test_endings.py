"""What ends a person's sessions ends what clients were allowed too: whoever knew the old password is left with nothing."""

from datetime import timedelta

import pytest

from brickwork.errors import UnauthenticatedError

from .conftest import PASSWORD, World, error_of

NEW = "another battery staple"


@pytest.fixture
def made(world):
    return world.register()


def _kim(world):
    return world.platform.auth.users.find("kim@example.org").id


def _change(world):
    world.platform.auth.users.change_password(_kim(world), PASSWORD, NEW)


def _set(world):
    world.platform.auth.users.set_password(_kim(world), NEW)


def _reset(world):
    """As over HTTP; the token comes from the mail."""
    auth = world.platform.auth
    with auth.system() as transaction:
        token = auth.users._token(transaction, _kim(world), "reset", timedelta(minutes=5))
    world.http.post("/api/v1/auth/password/reset", json={"token": token, "password": NEW}).raise_for_status()


def _disable_and_enable(world):
    world.platform.auth.users.disable(_kim(world))
    world.platform.auth.users.enable(_kim(world))


@pytest.mark.parametrize("change", [_change, _set, _reset, _disable_and_enable])
def test_a_new_password_and_a_disabled_person_end_access_and_refresh_tokens_at_once(world, made, change):
    body = world.tokens(made)
    assert world.call(body["access_token"]).status_code == 200  # and is kept in the cache as good
    change(world)
    assert world.call(body["access_token"]).status_code == 401
    assert error_of(world.refresh(made, body["refresh_token"])) == "invalid_grant"
    with world.context():
        assert world.platform.oauth.grants.list(f"user:{_kim(world)}") == []
        [entry] = world.platform.audit.entries(entity="oauth_grant", action="update").items
    assert entry.after["revoked_at"]


def test_grants_end_in_every_tenant_of_the_person_and_nobody_elses_do(world):
    worlds = [world, World(world.platform, "beta", app=world.app)]
    worlds[1].person()
    worlds[0].person("lee@example.org")
    mine = [(one, made, one.tokens(made, scope="openid offline_access")) for one in worlds for made in [one.register()]]
    browser = world.browser()
    browser.go(world.authorize(mine[0][1])[0])
    browser.sign_in("lee@example.org")
    other = world.redeem(mine[0][1], *world.code(mine[0][1], browser)).json()
    _change(world)
    for one, made, body in mine:
        assert error_of(one.refresh(made, body["refresh_token"])) == "invalid_grant"
    assert world.refresh(mine[0][1], other["refresh_token"]).status_code == 200


def test_the_person_is_asked_again_what_a_client_may_do(world, made):
    world.tokens(made)
    _change(world)
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    page = browser.sign_in(password=NEW)
    assert 'value="allow"' in page.text
    assert world.call(world.redeem(made, *world.code(made, browser)).json()["access_token"]).status_code == 200


def test_a_consent_that_was_on_its_way_when_the_password_changed_begins_no_grant(world, made):
    """The page was opened by whoever knew the old password; the session is looked at again in the transaction that begins the
    grant."""
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    browser.sign_in()
    person = world.platform.auth.sessions.sign_in("kim@example.org", PASSWORD, tenant=world.tenant)
    _change(world)
    assert not isinstance(browser.fill("allow"), str)
    with pytest.raises(UnauthenticatedError, match="sign in again"), world.context(), world.platform.transaction():
        world.platform.auth.sessions.hold(person.token)


def test_codes_that_were_given_before_are_worth_nothing_afterwards(world, made):
    code, verifier = world.code(made)
    _change(world)
    assert error_of(world.redeem(made, code, verifier)) == "invalid_grant"
