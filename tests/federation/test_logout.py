"""Logout tokens (OpenID Connect Back-Channel Logout 1.0) of a small provider in Python, since a real one makes good ones only."""

import pytest

from brickwork.errors import UnauthenticatedError
from brickwork.federation import FederationRefusedError

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def signed_in(lone_attempt):
    """An attempt with two sessions of one person, "phone" and "desk" at the provider, and one of another person."""
    one = lone_attempt({"create": "verified-email-domain", "domains": ["example.org"], "tenants": ["alpha"]})
    one.tokens = {sid: one.sign_in(sid=sid).signed_in.token for sid in ("phone", "desk")}
    one.tokens["other"] = one.sign_in(sub="u-2", sid="other", email="ito@example.org").signed_in.token
    return one


def alive(one):
    found = set()
    for name, token in one.tokens.items():
        try:
            one.platform.auth.sessions.find(token)
            found.add(name)
        except UnauthenticatedError:
            continue
    return found


def token(one, header=None, **changes):
    claims = one.claims(nonce=None, jti="j-1", events={LOGOUT: {}}, sid="phone", email=None)
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return one.odd.sign(claims, **{"typ": "logout+jwt", **(header or {})})


def test_a_session_of_the_providers_ends_those_that_began_with_it(signed_in):
    assert signed_in.platform.federation.log_out("odd", token(signed_in)) == 1
    assert alive(signed_in) == {"desk", "other"}


def test_a_subject_ends_all_of_its_sessions(signed_in):
    assert signed_in.platform.federation.log_out("odd", token(signed_in, sid=None)) == 2
    assert alive(signed_in) == {"other"}


def test_a_session_of_another_subject_is_not_ended(signed_in):
    assert signed_in.platform.federation.log_out("odd", token(signed_in, sid="other")) == 0
    assert alive(signed_in) == {"phone", "desk", "other"}


def test_sending_it_again_ends_no_session_that_was_begun_later(lone_attempt, frozen_clock):
    one = lone_attempt({"create": "verified-email-domain", "domains": ["example.org"], "tenants": ["alpha"]}, clock=frozen_clock)
    one.tokens = {"before": one.sign_in(sid="a").signed_in.token}
    old = token(one, sid=None)
    frozen_clock.advance(minutes=3)
    one.tokens["after"] = one.sign_in(sid="b").signed_in.token
    assert one.platform.federation.log_out("odd", old) == 1
    assert alive(one) == {"after"}
    assert one.platform.federation.log_out("odd", old) == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"events": None}, "events"),  # 2.6, 5
        ({"events": {"other": {}}}, "events"),
        ({"events": [LOGOUT]}, "events"),
        ({"nonce": "n"}, "nonce"),  # 6
        ({"sub": None, "sid": None}, "neither"),  # 4
        ({"jti": None}, "jti"),
        ({"aud": "another"}, "aud"),  # 3
        ({"iss": "https://evil.example"}, "iss"),
        ({"exp": 1_000_000}, "expired"),
        ({"iat": 1_000_000}, "long ago"),
        ({"header": {"typ": "at+jwt"}}, "typ"),
        ({"header": {"kid": "unknown"}}, "no key"),
    ],
)
def test_what_is_no_logout_token_of_this_provider_ends_nothing(signed_in, changes, told):
    with pytest.raises(FederationRefusedError, match=told):
        signed_in.platform.federation.log_out("odd", token(signed_in, **changes))
    assert alive(signed_in) == {"phone", "desk", "other"}
