"""API6:2023 Unrestricted access to sensitive business flows: what a script must not do a thousand times has a brake."""

import pytest

from .conftest import API


def test_messages_to_an_address_are_not_sent_without_end(site):
    site.person()
    url, body = f"{API}/auth/password/reset-request", {"email": "kim@example.org"}
    answers = [site.client.post(url, json=body).status_code for _ in range(12)]
    assert answers[0] == 204
    assert answers[-1] == 429


def test_many_accounts_from_one_address_are_a_pattern_too(site):
    """Credential stuffing: each account is tried once."""
    url = f"{API}/auth/session"
    answers = [site.client.post(url, json={"email": f"user{n}@example.org", "password": "123456789012"}).status_code
               for n in range(110)]  # fmt: skip
    assert answers[0] == 401
    assert answers[-1] == 429


@pytest.mark.parametrize("path", ["/auth/password/reset", "/auth/email/verify"])
def test_a_token_that_was_sent_is_good_once(site, path, captured_events):
    from brickwork.auth.events import EmailVerificationRequested, PasswordResetRequested

    user = site.person()
    with site.platform.context(tenant="alpha", actor="setup"):
        site.platform.auth.users.request_verification(user.id)
        site.platform.auth.users.request_reset(user.email)
    site.platform.messaging.drain()  # a handler answers, so that asking takes the same time for anybody
    kind = PasswordResetRequested if path.endswith("reset") else EmailVerificationRequested
    body = {"token": site.platform.auth.unseal(captured_events.of(kind)[0].sealed)}
    body |= {"password": "quiet rivers carry 9 boats"} if path.endswith("reset") else {}
    assert [site.client.post(API + path, json=body).status_code for _ in range(2)] == [204, 401]
