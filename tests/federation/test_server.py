"""Whole sign-ins: npm's oidc-provider with its own pages, `brickwork serve`, and people with browsers."""

import json
import time
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from .conftest import PROVIDER

PASSWORD = "tall giraffes eat 7 leaves"
KIM = {"kim": {"email": "kim@example.org", "email_verified": True, "name": "Kim Lee"}}
START = "/federation/foreign/start"
BY_DOMAIN = {"create": "verified-email-domain", "domains": ["example.org"], "tenants": ["alpha"]}


@pytest.fixture
def kim(platform):
    """A member of "alpha" with a password and a verified address."""
    user = platform.auth.users.create("kim@example.org", "Kim", password=PASSWORD, verified=True)
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.members.add(user)
    return user


def sign_in_by_password(one):
    body = {"email": "kim@example.org", "password": PASSWORD, "cookie": True}
    answer = one.post("/api/v1/auth/session", json=body, headers={"origin": str(one.base_url).rstrip("/")})
    assert answer.status_code == 201, answer.text


def identities(one):
    return one.get("/api/v1/federation/identities").json()["data"]


@pytest.mark.parametrize("conform", [True, False], ids=["address-in-user-info", "address-in-id-token"])
def test_somebody_signs_in_and_comes_back_to_the_page_wanted(serve, person, conform):
    app, _ = serve(KIM, provider=BY_DOMAIN, conform=conform)
    one = person(app)
    answer = one.go(START + "?next=/api/v1/auth/session%3Fx", "kim")
    assert str(answer.url) == app.url + "/api/v1/auth/session?x"
    assert answer.json()["data"]["user"]["email"] == "kim@example.org"
    assert answer.json()["data"]["tenant"] == "alpha"
    arrived = answer.history[-1]
    assert arrived.status_code == 303
    cookie = arrived.headers["set-cookie"]
    assert cookie.startswith("brickwork_session=bws_")
    assert "HttpOnly; SameSite=Lax" in cookie
    assert (arrived.headers["cache-control"], arrived.headers["referrer-policy"]) == ("no-store", "no-referrer")
    again = person(app)
    assert again.go(START, "kim")
    assert again.who()["user"]["id"] == one.who()["user"]["id"]


def test_who_has_no_account_is_told_so(serve, person):
    app, _ = serve(KIM)
    answer = person(app).go(START, "kim")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert "nobody here has this identity" in answer.text


def test_a_product_may_show_errors_on_a_page_of_its_own(serve, person):
    app, _ = serve(KIM, error_path="/sign-in")
    answer = person(app).go(START, "kim")
    assert str(answer.url) == app.url + "/sign-in?error=account_needed"


def test_an_identity_is_linked_while_signed_in_used_and_unlinked(serve, person, kim):
    app, _ = serve(KIM)
    one = person(app)
    sign_in_by_password(one)
    offered = one.get("/api/v1/federation/providers").json()["data"]
    assert offered == [{"name": "foreign", "title": "Foreign", "start": START, "link": "/federation/foreign/link"}]
    answer = one.go("/federation/foreign/link?next=/api/v1/federation/identities", "kim", method="POST")
    (linked,) = answer.json()["data"]
    assert (linked["provider"], linked["subject"], linked["email"]) == ("foreign", "kim", "kim@example.org")
    other = person(app)
    other.go(START, "kim")
    assert other.who()["user"]["id"] == str(kim.id)
    gone = one.delete(f"/api/v1/federation/identities/{linked['id']}", headers={"origin": app.url})
    assert gone.status_code == 204
    assert identities(one) == []
    assert other.who() is None


def test_no_other_site_can_have_an_identity_linked(serve, person, kim):
    """Who could would link an identity of their own, and sign in with it."""
    app, foreign = serve(KIM)
    one = person(app)
    sign_in_by_password(one)
    for headers in ({}, {"origin": "https://evil.example"}, {"origin": foreign.issuer}, {"origin": "null"}):
        assert one.post("/federation/foreign/link", headers=headers).status_code == 403
    assert one.get("/federation/foreign/link").status_code == 404
    assert person(app).post("/federation/foreign/link", headers={"origin": app.url}).status_code == 403
    assert identities(one) == []


def test_a_session_by_a_tenants_own_provider_links_and_unlinks_nothing(serve, person):
    app, _ = serve(KIM, provider=BY_DOMAIN)
    one = person(app)
    one.go(START, "kim")
    assert one.post("/federation/foreign/link", headers={"origin": app.url}).status_code == 403
    (own,) = identities(one)
    assert one.delete(f"/api/v1/federation/identities/{own['id']}", headers={"origin": app.url}).status_code == 403


def test_an_answer_is_good_once_in_its_browser_and_as_it_was_given(serve, person):
    app, foreign = serve(KIM, provider=BY_DOMAIN)
    victim, attacker = person(app), person(app)
    victim.get(START, follow_redirects=False)  # has a sign-in of its own under way
    stolen = attacker.callback(START, "kim")
    asked = parse_qs(urlsplit(stolen).query)
    assert asked["iss"] == [foreign.issuer]
    refused = victim.get(stolen)
    assert refused.status_code == 401
    assert victim.who() is None, "an account of somebody else's would be the victim's unawares"
    changed = stolen.replace(asked["state"][0], "bwf_invented")
    assert attacker.get(changed).status_code == 401
    assert attacker.get(stolen + "&state=twice").status_code == 422
    assert attacker.get(stolen.replace("/foreign/", "/other/")).status_code == 404
    assert attacker.get(stolen).status_code == 404  # "/" is no page of this server, but the sign-in was completed
    assert attacker.who()["user"]["email"] == "kim@example.org"
    assert attacker.get(stolen).status_code == 401, "it was used"


def test_an_answer_under_another_issuers_name_is_refused(serve, person):
    """RFC 9207: mix-up."""
    app, _ = serve(KIM, provider=BY_DOMAIN)
    one = person(app)
    url = one.callback(START, "kim")
    assert one.get(str(httpx2.URL(url).copy_set_param("iss", "https://evil.example"))).status_code == 401
    url = one.callback(START, "kim")
    assert one.get(str(httpx2.URL(url).copy_remove_param("iss"))).status_code == 401
    assert one.who() is None


def test_who_changes_their_mind_at_the_provider_is_told_so(serve, person):
    app, _ = serve(KIM, provider=BY_DOMAIN)
    one = person(app)
    page = one.get(START)
    cancel = page.text.partition('href="')[2].partition('"')[0] if "abort" in page.text else str(page.url) + "/abort"
    answer = one.get(cancel)
    assert answer.status_code == 401
    assert "access_denied" in answer.text


def test_the_provider_changes_its_keys(serve, person):
    app, foreign = serve(KIM, provider=BY_DOMAIN)
    one = person(app)
    one.go(START, "kim")
    foreign.start(kid="second")
    other = person(app)
    other.go(START, "kim")
    assert other.who()["user"]["id"] == one.who()["user"]["id"]


def test_nobody_is_led_to_another_site(serve, person):
    app, _ = serve(KIM)
    one = person(app)
    for path in ("https://evil.example", "//evil.example", "/%5Cevil.example", "%09//evil.example"):
        answer = one.get(f"{START}?next={path}", follow_redirects=False)
        assert answer.status_code == 422
        assert "location" not in answer.headers


def test_beginning_without_end_is_slowed_down(serve, person):
    app, _ = serve(KIM, starts_per_address="3/hour")
    one = person(app)
    codes = [one.get(START, follow_redirects=False).status_code for _ in range(5)]
    assert codes == [303, 303, 303, 429, 429]


def test_a_provider_that_is_down_is_told_as_such_and_holds_up_nobody(serve, person):
    app, foreign = serve(KIM)
    foreign.stop()
    one = person(app)
    answer = one.get(START)
    assert answer.status_code == 503
    assert "can't be used now" in answer.text
    assert one.get("/healthz").status_code == 200


def test_the_provider_ends_the_sessions_that_began_with_its_own(serve, person, kim):
    """OpenID Connect Back-Channel Logout 1.0, sent by oidc-provider when somebody signs out there."""
    app, foreign = serve(KIM, provider={"trust_email": True})
    phone, desk = person(app), person(app)
    for one in (phone, desk):
        one.go(START, "kim")
        assert one.who()["user"]["id"] == str(kim.id)
    page = phone.get(foreign.issuer + "/session/end")
    secret = page.text.partition('name="xsrf" value="')[2].partition('"')[0]
    phone.post(foreign.issuer + "/session/end/confirm", data={"xsrf": secret, "logout": "yes"})
    deadline = time.monotonic() + 20
    while phone.who() is not None:
        assert time.monotonic() < deadline, foreign.log.read_text()
        time.sleep(0.1)
    assert desk.who() is not None, "that is another session of the provider's"


def test_what_is_no_logout_token_ends_nothing(serve, person):
    app, _ = serve(KIM, provider=BY_DOMAIN)
    one = person(app)
    one.go(START, "kim")
    for token in ("", "x.y.z", "eyJhbGciOiJub25lIn0.e30."):
        answer = one.post("/federation/foreign/logout", data={"logout_token": token})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert one.post("/federation/foreign/logout", content=b"x" * 100_000).status_code == 413
    assert one.who() is not None


def test_the_pinned_provider_is_the_one_that_runs(modules):
    wanted = json.loads((PROVIDER / "package.json").read_text())["dependencies"]["oidc-provider"]
    assert json.loads((modules / "node_modules/oidc-provider/package.json").read_text())["version"] == wanted
