"""API2:2023 Broken authentication: what is shown must be ours, whole, in force, and not guessed. Tokens of OAuth have their
attacks in tests/oauth."""

import re

import pytest

from .conftest import API, PASSWORD, codes


def test_without_credentials_nothing_but_the_public_routes_answers(site):
    for endpoint in site.client.app.endpoints:
        if endpoint.permission == "public":
            continue
        url = API + re.sub(r"{\w+}", "x", endpoint.path)
        answer = site.client.request(endpoint.method, url, json={})
        assert answer.status_code == 401, (endpoint.method, endpoint.path, answer.status_code)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "shown",
    [
        "Basic Ym9zczpib3Nz", "Bearer", "Bearer  ", "Bearer bwk_alpha_", "Bearer bws_", "Bearer null", "bearer x.y.z",
        "Bearer bwk_../beta_x", "Bearer bwk_alpha' OR '1'='1_x", "Bearer " + "a" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_credential_of_ours_is_refused_and_not_taken_for_nobody(site, shown):
    answer = site.client.get(f"{API}/auth/session", headers={"Authorization": shown})
    assert (answer.status_code, codes(answer)) == (401, ["unauthenticated"])


def test_a_key_with_one_letter_changed_or_of_another_tenant_opens_nothing(site):
    token = site.admin["alpha"]["Authorization"].removeprefix("Bearer ")
    changed = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    moved = token.replace("bwk_alpha_", "bwk_beta_")
    for shown in (changed, moved, token.upper(), token + "x"):
        assert site.client.get(site.record(), headers={"Authorization": f"Bearer {shown}"}).status_code == 401


def test_tenant_and_actor_can_not_be_claimed_by_headers(site):
    claim = {"X-Tenant": "beta", "X-Actor": "user:root", "X-Forwarded-User": "root", "X-Original-URL": "/"}
    assert site.client.get(site.record("beta"), headers=claim).status_code == 401
    assert site.client.get(site.record("beta"), headers={**site.admin["alpha"], **claim}).status_code == 404
    who = site.client.get(f"{API}/auth/session", headers={**site.admin["alpha"], **claim}).json()["data"]
    assert (who["tenant"], who["actor"]) == ("alpha", "service:boss")


def test_guessing_a_password_is_stopped_whatever_is_guessed(site):
    site.person()
    wrong = [site.client.post(f"{API}/auth/session", json={"email": "kim@example.org", "password": f"guess number {n}"})
             for n in range(12)]  # fmt: skip
    assert wrong[0].status_code == 401
    assert wrong[-1].status_code == 429
    assert int(wrong[-1].headers["retry-after"]) >= 1
    assert site.sign_in().status_code == 429  # the right one now would tell that it is right


def test_an_answer_does_not_tell_who_has_an_account(site):
    site.person()
    url = f"{API}/auth/session"
    known = site.client.post(url, json={"email": "kim@example.org", "password": "wrong but long enough"})
    unknown = site.client.post(url, json={"email": "nobody@example.org", "password": "wrong but long enough"})
    assert known.json()["errors"] == unknown.json()["errors"]
    for email in ("kim@example.org", "nobody@example.org"):
        assert site.client.post(f"{API}/auth/password/reset-request", json={"email": email}).status_code == 204


def test_an_unknown_account_takes_the_work_of_a_known_one(site, monkeypatch):
    """Time is not measured here: what takes it, the hash, must be computed in both cases."""
    from brickwork.auth import passwords

    site.person()
    hashed, verify = [], passwords.verify
    monkeypatch.setattr(passwords, "verify", lambda kept, given: (hashed.append(kept), verify(kept, given))[1])
    for email in ("kim@example.org", "nobody@example.org"):
        site.client.post(f"{API}/auth/session", json={"email": email, "password": "wrong but long enough"})
    assert len(hashed) == 2


def test_a_session_ends_with_the_password_and_its_token_changes_with_the_tenant(site):
    site.person(roles=["administrator"])
    first, second = (site.sign_in().json()["data"]["token"] for _ in range(2))
    chosen = site.client.post(
        f"{API}/auth/session/tenant", json={"tenant": "alpha"}, headers={"Authorization": f"Bearer {first}"}
    )
    third = chosen.json()["data"]["token"]
    assert site.client.get(site.record(), headers={"Authorization": f"Bearer {first}"}).status_code == 401
    new = {"old": PASSWORD, "new": "quiet rivers carry 9 boats"}
    assert site.client.post(f"{API}/auth/password", json=new, headers={"Authorization": f"Bearer {third}"}).status_code == 204
    for token in (second, third):
        assert site.client.get(site.record(), headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_session_id_that_was_planted_is_not_taken_over(site):
    """Session fixation: signing in gives a new token, whatever cookie came with it."""
    site.person()
    planted = site.sign_in().json()["data"]["token"]
    origin = {"Origin": "http://testserver", "Cookie": f"__Host-brickwork_session={planted}"}
    answer = site.client.post(
        f"{API}/auth/session", json={"email": "kim@example.org", "password": PASSWORD, "cookie": True}, headers=origin
    )
    cookie = answer.headers["set-cookie"]
    assert planted not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" in cookie  # not on a loopback address here
