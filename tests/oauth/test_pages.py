"""What pages and short endpoints must and must not do, without a browser: headers, forged forms, discovery, logout, devices."""

import re

import pytest

from .conftest import BASE, TENANT, World, error_of, query_of

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def made(world):
    return world.register(post_logout_redirect_uris=["https://app.example.org/bye"])


def test_discovery_says_where_everything_is_and_all_of_it_is_there(world, made):
    """RFC 8414, 3; OpenID Connect Discovery, 4."""
    first = world.http.get(f"{world.issuer}/.well-known/openid-configuration").json()
    second = world.http.get(f"{BASE}/.well-known/oauth-authorization-server/oauth/{TENANT}").json()
    assert first == second
    assert first["issuer"] == world.issuer
    endpoints = {value for name, value in first.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    assert len(endpoints) == 10
    for address in endpoints:
        assert {world.http.request(method, address).status_code for method in ("GET", "POST")} - {404}
    assert "none" not in first["id_token_signing_alg_values_supported"]
    assert first["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize(
    "path",
    [
        "/oauth/nobody/jwks", "/oauth/alpha/nothing", "/oauth/alpha/jwks/more", "/oauth/../alpha/jwks", "/oauth/%2e%2e/jwks",
        "/oauth", "/oauth/alpha", "/oauth//jwks", "/oauth/*/jwks", "/.well-known/openid-configuration",
        "/.well-known/acme-challenge/x",
        "/.well-known/oauth-authorization-server/oauth/nobody", "/.well-known/openid-configuration/x/alpha",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_made_by_asking(world, made, path):
    """A tenant is an issuer once it has a client; anybody's guess makes no keys."""
    assert world.http.get(path).status_code == 404
    with world.platform.context(tenant="nobody"):
        assert not world.platform.oauth.keys.exist("nobody")


def test_pages_can_not_be_framed_scripted_or_cached(world, made):
    """RFC 9700, 4.16, clickjacking."""
    browser = world.browser()
    pages = [browser.go(world.authorize(made)[0]), browser.sign_in()]
    pages.append(browser.go(world.authorize(made, redirect_uri="https://evil.example/")[0]))
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert "<script" not in page.text
    assert "form-action 'self' https://app.example.org;" in pages[1].headers["content-security-policy"]


def test_what_clients_and_requests_say_is_text_on_the_page(world):
    """OWASP, cross-site scripting."""
    made = world.register('<img src=x onerror="alert(1)">')
    browser = world.browser()
    page = browser.go(world.authorize(made, state='"><script>alert(1)</script>')[0])
    for text in (page.text, browser.sign_in().text):
        assert "<img" not in text
        assert "<script" not in text
    again = browser.go(f"{world.issuer}/device?user_code=%22%3E%3Cscript%3E")
    assert "<script" not in again.text


def consent_form(world, made):
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    page = browser.sign_in()
    return browser, dict(re.findall(r'name="(request|csrf)" value="([^"]*)"', page.text))


def test_nobody_else_can_answer_for_the_person(world, made):
    """RFC 6749, 10.12: a forged consent, from another site, another session or another request."""
    browser, form = consent_form(world, made)
    form["request"] = form["request"].replace("&amp;", "&")
    address, good = f"{world.issuer}/consent", {**form, "decision": "allow"}
    post = browser.client.post
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {}, {"sec-fetch-site": "cross-site"}):
        assert post(address, data=good, headers=headers).status_code == 403
    own = {"origin": BASE}
    wider = good["request"].replace("entities.patient.read", "entities.patient.%2A")
    for changed in ({"csrf": ""}, {"csrf": "0" * 32}, {"request": wider}, {"request": ""}):
        assert post(address, data={**good, **changed}, headers=own).status_code in (400, 403)
    world.person("ann@example.org")
    other = world.browser()
    other.go(world.authorize(made)[0])
    other.sign_in("ann@example.org")
    assert other.client.post(address, data=good, headers=own).status_code == 403
    assert world.http.post(address, data=good, headers=own).status_code == 401
    with world.context():
        assert world.platform.oauth.grants.list() == []
    assert post(address, data=good, headers=own).status_code == 303


def test_another_sites_page_can_not_sign_somebody_in(world, made):
    """RFC 6749, 10.12; OWASP, login CSRF."""
    form = {"back": "authorize", "query": "", "email": "kim@example.org", "password": "correct horse battery"}
    answer = world.http.post(f"{world.issuer}/sign-in", data=form, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_signing_in_leads_to_our_own_pages_only(world, made):
    """OWASP, unvalidated redirects."""
    form = {"email": "kim@example.org", "password": "correct horse battery"}
    for back in ("https://evil.example", "//evil.example", "../../evil", "register", ""):
        answer = world.http.post(f"{world.issuer}/sign-in", data={**form, "back": back}, headers={"origin": BASE})
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    sly = {
        **form,
        "back": "device",
        "query": "user_code=x\r\nSet-Cookie: evil=1",
        "target": "https://evil.example/ 'unsafe-inline'",
    }
    answer = world.http.post(f"{world.issuer}/sign-in", data=sly, headers={"origin": BASE})
    assert answer.status_code in (303, 400)
    if answer.status_code == 303:
        assert answer.headers["location"].startswith(f"{world.issuer}/device?")
    assert "evil" not in answer.headers.get("set-cookie", "")
    for target in ("https://evil.example;script-src", "https://a 'unsafe-inline'", "x y:", "https://a/b", "https:", "\u00e4:"):
        form = {"back": "device", "query": "", "email": "x@example.org", "password": "x", "target": target}
        page = world.http.post(f"{world.issuer}/sign-in", data=form, headers={"origin": BASE})
        policy = page.headers["content-security-policy"]
        assert "evil" not in policy
        assert "unsafe" not in policy
        assert policy.count(";") == 4


@pytest.mark.parametrize("base", [None, "https://api.example.org"])
def test_the_cookie_is_the_tenants_own_and_over_https_nobody_else_can_set_it(make_platform, base):
    """RFC 6265bis, 4.1.3.2: with the prefix a neighbouring host can't make somebody work in another's session."""
    world = World(make_platform(oauth={"base_url": base}))
    world.person()
    world.register()
    form = {"back": "device", "query": "", "email": "kim@example.org", "password": "correct horse battery"}
    cookie = world.http.post(f"{world.issuer}/sign-in", data=form, headers={"origin": base or BASE}).headers["set-cookie"]
    assert cookie.startswith(f"{'__Host-' if base else ''}brickwork_oauth_{TENANT}=bws_")
    assert "HttpOnly; SameSite=Lax" in cookie
    assert ("Secure" in cookie) == (base is not None)


def test_guessing_passwords_is_slowed_down(make_platform):
    world = World(make_platform(auth={"attempts": "3/900s"}))
    world.person()
    made = world.register()
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    answers = [browser.sign_in(password=f"wrong {n}") for n in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].headers["retry-after"]


# -- bodies that make no sense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
        (b"grant_type=%ff%fe", "application/x-www-form-urlencoded"),
        (b"grant_type=%00", "application/x-www-form-urlencoded"),
        ("grant_type=\u00e4".encode(), "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(200)), "application/x-www-form-urlencoded"),
        (b"", ""),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_as_oauth_says(world, made, body, kind):
    """RFC 6749, 5.2."""
    for endpoint in ("token", "par", "revoke", "introspect", "device_authorization"):
        answer = world.http.post(f"{world.issuer}/{endpoint}", content=body, headers={"content-type": kind})
        assert answer.status_code in (400, 401), endpoint
        assert error_of(answer) in ("invalid_request", "unsupported_grant_type", "invalid_client")


@pytest.mark.parametrize(
    "auth", ["Basic", "Basic !!!", "Basic w7w6w7w=", "Basic eA==", "Basic Og==", "Bearer x", "Basic " + "A" * 9000]
)
def test_a_broken_authorization_header_is_an_unknown_client(world, made, auth):
    answer = world.http.post(f"{world.issuer}/token", data={"grant_type": "refresh_token"}, headers={"authorization": auth})
    assert (answer.status_code, error_of(answer)) == (401, "invalid_client")


def test_pages_of_other_sites_may_read_what_takes_no_cookie(world, made):
    """An application that runs in a browser needs it: discovery, keys, tokens; never the pages."""
    for endpoint in ("jwks", "token", "userinfo"):
        answer = world.http.options(f"{world.issuer}/{endpoint}", headers={"origin": "https://spa.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
        assert "access-control-allow-credentials" not in answer.headers
    for endpoint in ("authorize", "consent", "introspect", "register"):
        answer = world.http.options(f"{world.issuer}/{endpoint}", headers={"origin": "https://spa.example"})
        assert "access-control-allow-origin" not in answer.headers


# -- signing out -----------------------------------------------------------------------------------------------------------


def test_a_client_that_proves_for_whom_it_asks_signs_the_person_out(world, made):
    """OpenID Connect RP-Initiated Logout, 2 and 3."""
    browser = world.browser()
    address, verifier = world.authorize(made)
    browser.go(address)
    browser.sign_in()
    token = world.redeem(made, query_of(browser.fill("allow"))["code"], verifier).json()["id_token"]
    goodbye = f"{world.issuer}/logout?id_token_hint={token}&post_logout_redirect_uri=https://app.example.org/bye&state=s"
    assert browser.go(goodbye) == "https://app.example.org/bye?state=s"
    assert "password" in browser.go(address).text


def test_without_proof_the_person_is_asked_and_sent_to_registered_addresses_only(world, made):
    """RP-Initiated Logout, 2 and 3: no open redirector, and no signing out behind the person's back."""
    browser = world.browser()
    address, _ = world.authorize(made)
    browser.go(address)
    browser.sign_in()
    other = world.register("Other").client.client_id
    query = f"client_id={other}&post_logout_redirect_uri=https://app.example.org/bye"
    for hint in ("", "&id_token_hint=a.b.c", "&id_token_hint=x"):
        page = browser.go(f"{world.issuer}/logout?{query}{hint}")
        assert "Sign out?" in page.text
    forged = browser.client.post(f"{world.issuer}/logout", data={"decision": "out", "request": query, "csrf": "x"},
                                 headers={"origin": BASE})  # fmt: skip
    assert forged.status_code == 403
    assert "signed out" in browser.fill("out").text  # that address is another client's
    assert "password" in browser.go(address).text
    for wanted in ("https://evil.example/", "https://app.example.org/bye/", "//evil.example"):
        page = browser.go(f"{world.issuer}/logout?client_id={made.client.client_id}&post_logout_redirect_uri={wanted}")
        assert "signed out" in page.text


# -- devices ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def timed(make_platform, frozen_clock):
    world = World(make_platform(clock=frozen_clock))
    world.person()
    return world


def device(world, **more):
    made = world.register("Display", grant_types=[DEVICE, "refresh_token"], redirect_uris=[], token_endpoint_auth_method="none")
    body = world.post("device_authorization", made, scope="openid offline_access entities.patient.read", **more).json()
    return made, body


def ask(world, made, body):
    return world.post("token", made, grant_type=DEVICE, device_code=body["device_code"])


def enter(world, code, decision):
    browser = world.browser()
    browser.go(f"{world.issuer}/device")
    browser.sign_in()
    page = browser.fill(user_code=code)
    if decision is not None and page.status_code == 200:
        return browser.fill(decision)
    return page


def test_a_device_waits_and_gets_its_tokens_once(timed, frozen_clock):
    """RFC 8628, 3.4 and 3.5."""
    made, body = device(timed)
    assert (body["interval"], body["expires_in"]) == (5, 600)
    assert error_of(ask(timed, made, body)) == "authorization_pending"
    assert error_of(ask(timed, made, body)) == "slow_down"
    frozen_clock.advance(seconds=6)
    assert error_of(ask(timed, made, body)) == "slow_down"  # by five seconds more than before
    frozen_clock.advance(seconds=16)
    assert error_of(ask(timed, made, body)) == "authorization_pending"
    page = enter(timed, body["user_code"].lower().replace("-", " "), "allow")
    assert "go back to your device" in page.text
    tokens = ask(timed, made, body).json()
    assert set(tokens) >= {"access_token", "refresh_token", "id_token"}
    assert error_of(ask(timed, made, body)) == "invalid_grant"
    assert "no such code" in enter(timed, body["user_code"], "allow").text


def test_a_device_that_is_refused_or_too_late_or_another_gets_nothing(timed, frozen_clock):
    """RFC 8628, 3.5 and 5.2."""
    made, body = device(timed)
    other = timed.register("Other", grant_types=[DEVICE], redirect_uris=[], token_endpoint_auth_method="none")
    assert error_of(ask(timed, other, body)) == "unauthorized_client"
    assert "refused" in enter(timed, body["user_code"], "deny").text
    assert error_of(ask(timed, made, body)) == "access_denied"
    made, body = device(timed)
    frozen_clock.advance(minutes=11)
    assert error_of(ask(timed, made, body)) == "expired_token"
    assert "no such code" in enter(timed, body["user_code"], "allow").text
    assert error_of(timed.post("token", made, grant_type=DEVICE, device_code="bwd_invented")) == "invalid_grant"
    assert error_of(timed.post("device_authorization", made, scope="jobs.write")) == "invalid_scope"
    plain = timed.register("Plain", token_endpoint_auth_method="none")
    assert error_of(timed.post("device_authorization", plain)) == "unauthorized_client"


def test_guessing_the_codes_of_devices_is_slowed_down_and_the_page_warns(make_platform):
    """RFC 8628, 5.1 and 5.4."""
    world = World(make_platform(auth={"attempts": "3/900s"}))
    world.person()
    _, body = device(world)
    assert "Go on only if a device in front of you" in enter(world, body["user_code"], None).text
    browser = world.browser()
    browser.go(f"{world.issuer}/device")
    browser.sign_in()
    answers = [browser.fill(user_code=f"XXXX-{n:04}").status_code for n in range(4)]
    assert answers[-1] == 429


def test_a_device_can_not_be_connected_from_another_site(timed):
    _, body = device(timed)
    browser = timed.browser()
    browser.go(f"{timed.issuer}/device")
    browser.sign_in()
    for form in ({"user_code": body["user_code"], "decision": "allow"}, {"user_code": body["user_code"]}):
        for headers in ({"origin": "https://evil.example"}, {"origin": BASE}):
            assert browser.client.post(f"{timed.issuer}/device", data={**form, "csrf": "0"}, headers=headers).status_code == 403
