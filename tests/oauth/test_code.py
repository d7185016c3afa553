"""The authorization code grant, from the sign-in page to the API, and what the RFCs want refused on the way."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from joserfc import jwk, jwt

from brickwork.auth import totp

from .conftest import BASE, CALLBACK, PASSWORD, challenge, error_of, query_of


def keys_of(world):
    return jwk.KeySet.import_key_set(world.http.get(f"{world.issuer}/jwks").json())


def test_a_person_allows_an_application_which_then_reads_for_them(world):
    made = world.register()
    address, verifier = world.authorize(made, nonce="n-1")
    browser = world.browser()
    page = browser.go(address)
    assert page.status_code == 200
    assert "Ward app" in page.text
    consent = browser.sign_in()
    assert "Ward app" in consent.text
    came = browser.fill("allow")
    assert came.startswith(f"{CALLBACK}?")
    given = query_of(came)
    assert given["state"] == "s t/ä"
    assert given["iss"] == world.issuer  # RFC 9207, 2
    answer = world.redeem(made, given["code"], verifier)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"  # RFC 6749, 5.1
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "openid offline_access entities.patient.read"
    listed = world.call(body["access_token"])
    assert listed.status_code == 200
    assert [one["fields"]["name"] for one in listed.json()["data"]] == ["Ada"]
    token = jwt.decode(body["id_token"], keys_of(world), ["ES256"])
    assert (token.claims["iss"], token.claims["aud"], token.claims["nonce"]) == (world.issuer, made.client.client_id, "n-1")
    assert token.claims["amr"] == ["pwd"]
    assert "email" not in token.claims
    access = jwt.decode(body["access_token"], keys_of(world), ["ES256"])
    assert access.header["typ"] == "at+jwt"  # RFC 9068, 2.1
    assert access.claims["aud"] == f"{BASE}/api"


@pytest.mark.parametrize("alg", ["ES256", "RS256", "Ed25519"])
def test_id_tokens_are_signed_as_the_client_wants(world, alg):
    made = world.register(id_token_signed_response_alg=alg)
    body = world.tokens(made, scope="openid profile email")
    token = jwt.decode(body["id_token"], keys_of(world), [alg])
    assert (token.claims["name"], token.claims["email"], token.claims["email_verified"]) == ("Kim Ito", "kim@example.org", True)
    assert "refresh_token" not in body  # no offline_access


def test_what_the_token_does_is_audited_under_the_person_and_the_client(world):
    made = world.register()
    token = world.tokens(made, scope="entities.patient.*")["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = world.http.post("/api/v1/entities/patient", json={"fields": {"name": "Bo"}}, headers=headers)
    assert answer.status_code == 201
    with world.context():
        actors = {entry.actor for entry in world.platform.audit.entries(entity="entity_record").items}
    kim = world.platform.auth.users.find("kim@example.org")
    assert f"{kim.actor} via client:{made.client.client_id}" in actors


def test_scopes_narrow_what_the_person_may_do_and_never_widen_it(world):
    made = world.register(scope="openid entities.* jobs.read")
    token = world.tokens(made, scope="entities.patient.read jobs.read")["access_token"]
    assert world.call(token).status_code == 200
    refused = world.http.post("/api/v1/entities/patient", json={"fields": {}}, headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403  # within the person's rights, outside the scopes
    assert world.call(token, "/api/v1/jobs/runs").status_code == 403  # within the scopes, outside the person's rights


def test_a_token_without_permission_scopes_opens_userinfo_only(world):
    token = world.tokens(world.register(), scope="openid email")["access_token"]
    info = world.http.get(f"{world.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"}).json()
    kim = world.platform.auth.users.find("kim@example.org")
    assert info == {"sub": kim.actor, "email": "kim@example.org", "email_verified": True}
    for path in ("/api/v1/entities/patient", "/api/v1/auth/session", "/api/v1/auth/sessions"):
        assert world.call(token, path).status_code == 403  # RFC 6750, 3.1


def test_a_token_changes_nothing_about_the_persons_account_and_makes_no_keys(world):
    """A client of a person's must not make itself at home: sessions, password and keys stay the person's own."""
    token = world.tokens(world.register(), scope="entities.patient.read")["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    kim = world.platform.auth.users.find("kim@example.org")
    wanted = [
        ("GET", "/auth/sessions", None),
        ("POST", "/auth/password", {"old": PASSWORD, "new": "another long secret 7"}),
        ("POST", "/auth/totp", {}),
        ("POST", "/auth/keys", {"name": "mine"}),
        ("POST", "/auth/keys", {"name": "mine", "subject": kim.actor}),
    ]
    for method, path, body in wanted:
        answer = world.http.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code in (403, 422), (path, answer.text)


# -- the request -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/callback/", "https://app.example.org/callback?x=1", "https://app.example.org/Callback",
        "https://app.example.org/callback/../callback", "https://app.example.org:443/callback", "http://app.example.org/callback",
        "https://app.example.org.evil.example/callback", "https://evil.example/callback", "https://app.example.org@evil.example/callback",
        "https://app.example.org/callback#x", "//app.example.org/callback", "javascript:alert(1)//app.example.org/callback",
        "https://app.example.org/callback%2f", "https://app.example.org\\@evil.example/callback", "https://äpp.example.org/callback",
        " https://app.example.org/callback", None,
    ],
)  # fmt: skip
def test_a_redirect_uri_that_almost_matches_gets_a_page_and_no_redirect(world, uri):
    """RFC 6749, 4.1.2.1, and RFC 9700, 2.1 and 4.11: exact comparison; else the server would be an open redirector."""
    address, _ = world.authorize(world.register(), redirect_uri=uri)
    answer = world.http.get(address)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "redirect_uri" in answer.text
    assert "evil" not in answer.text


def test_the_port_of_a_loopback_address_is_free_and_nothing_else(world):
    """RFC 8252, 7.3."""
    made = world.register(
        redirect_uris=["http://127.0.0.1/callback", "http://[::1]:99/callback"], token_endpoint_auth_method="none"
    )
    for good in ("http://127.0.0.1:51004/callback", "http://127.0.0.1/callback", "http://[::1]:51004/callback"):
        assert world.http.get(world.authorize(made, redirect_uri=good)[0]).status_code == 200
    for bad in (
        "http://127.0.0.1:51004/other", "http://127.0.0.2:51004/callback", "https://127.0.0.1:51004/callback",
        "http://localhost:51004/callback", "http://127.0.0.1:51004@evil.example/callback", "http://127.0.0.1.evil.example/callback",
    ):  # fmt: skip
        assert world.http.get(world.authorize(made, redirect_uri=bad)[0]).status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),  # RFC 9700, 2.1.1
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),  # RFC 7636, 7.2
        ({"code_challenge_method": None}, "invalid_request"),  # would mean plain (RFC 7636, 4.3)
        ({"code_challenge": "short"}, "invalid_request"),  # RFC 7636, 4.2
        ({"response_type": "token"}, "unsupported_response_type"),  # RFC 9700, 2.1.2
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": 'co"de'}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "unsupported_response_type"),
        ({"scope": "openid jobs.read"}, "invalid_scope"),  # RFC 6749, 3.3: not the client's
        ({"scope": "entities.*.read"}, "invalid_scope"),
        ({"scope": '"><script>'}, "invalid_scope"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),  # OpenID Connect Core, 6.1
        ({"request_uri": "https://evil.example/request"}, "request_not_supported"),  # no fetching, so no SSRF
        ({"prompt": "none"}, "login_required"),  # OpenID Connect Core, 3.1.2.6
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
def test_a_request_that_is_not_in_order_is_told_to_the_client_with_state_and_issuer(world, changed, error):
    """RFC 6749, 4.1.2.1; RFC 9207, 2."""
    answer = world.http.get(world.authorize(world.register(), **changed)[0])
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    given = query_of(answer.headers["location"])
    assert (given["error"], given["state"], given["iss"]) == (error, "s t/ä", world.issuer)
    assert "code" not in given


def test_a_parameter_that_comes_twice_is_refused(world):
    """RFC 6749, 3.1."""
    address, _ = world.authorize(world.register())
    answer = world.http.get(f"{address}&{urlencode({'redirect_uri': 'https://evil.example/'})}")
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_an_unknown_client_gets_a_page(world):
    """RFC 6749, 4.1.2.1."""
    made = world.register()
    for id in ("nobody", "", "../x", "' OR 1=1 --", "x" * 5000):
        answer = world.http.get(world.authorize(made, client_id=id)[0])
        assert answer.status_code == 400
        assert "location" not in answer.headers


# -- the code --------------------------------------------------------------------------------------------------------------


def test_a_code_that_comes_again_revokes_what_it_gave(world):
    """RFC 6749, 4.1.2; RFC 9700, 4.5."""
    made = world.register()
    code, verifier = world.code(made)
    body = world.redeem(made, code, verifier).json()
    assert world.call(body["access_token"]).status_code == 200
    again = world.redeem(made, code, verifier)
    assert (again.status_code, error_of(again)) == (400, "invalid_grant")
    assert world.call(body["access_token"]).status_code == 401
    assert error_of(world.refresh(made, body["refresh_token"])) == "invalid_grant"


def test_a_code_is_good_for_its_own_client_only_which_keeps_it(world):
    """RFC 6749, 4.1.3 and 10.5. Whoever shows another's code takes nothing from its owner."""
    made, other = world.register(), world.register("Other")
    code, verifier = world.code(made)
    assert error_of(world.redeem(other, code, verifier)) == "invalid_grant"
    assert world.redeem(made, code, verifier).status_code == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "a" * 43}, "invalid_grant"),  # RFC 7636, 4.6
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "https://app.example.org/other"}, "invalid_grant"),  # RFC 6749, 4.1.3
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": "bwc_invented"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),  # RFC 9700, 2.4
        ({"grant_type": "client_credentials"}, "unauthorized_client"),  # RFC 6749, 5.2
        ({"grant_type": None}, "unsupported_grant_type"),
    ],
)
def test_a_redemption_that_is_not_in_order_is_refused(world, changed, error):
    made = world.register()
    code, verifier = world.code(made)
    answer = world.redeem(made, code, verifier, **changed)
    assert (answer.status_code, error_of(answer)) == (400, error)
    if changed.get("code_verifier") == "a" * 43:  # it was tried with a wrong verifier, so somebody else has it
        assert error_of(world.redeem(made, code, verifier)) == "invalid_grant"


def test_the_challenge_can_not_be_shown_as_the_verifier(world):
    """RFC 7636, 7.2: as it could where S256 were taken for plain."""
    made = world.register()
    code, verifier = world.code(made)
    assert error_of(world.redeem(made, code, challenge(verifier))) == "invalid_grant"


def test_a_code_is_soon_over(make_platform, frozen_clock):
    """RFC 6749, 4.1.2."""
    from .conftest import World

    world = World(make_platform(clock=frozen_clock))
    world.person()
    made = world.register()
    code, verifier = world.code(made)
    frozen_clock.advance(seconds=61)
    assert error_of(world.redeem(made, code, verifier)) == "invalid_grant"


# -- who the client is -----------------------------------------------------------------------------------------------------


def test_a_confidential_client_shows_its_secret(world):
    """RFC 6749, 3.2.1 and 5.2."""
    made = world.register()
    code, verifier = world.code(made)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    address, id = f"{world.issuer}/token", made.client.client_id
    wrong = f"{made.secret[:-1]}{'0' if made.secret[-1] != '0' else '1'}"
    for auth, more in ((None, {"client_id": id}), ((id, wrong), {}), (("nobody", made.secret), {}), (None, {})):
        answer = world.http.post(address, data={**form, **more}, auth=auth)
        assert (answer.status_code, error_of(answer)) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")
    both = world.http.post(address, data={**form, "client_secret": made.secret}, auth=(id, made.secret))
    assert error_of(both) == "invalid_request"  # RFC 6749, 2.3
    other = world.http.post(address, data={**form, "client_id": "other"}, auth=(id, made.secret))
    assert error_of(other) == "invalid_client"
    posted = world.http.post(address, data={**form, "client_id": id, "client_secret": made.secret})
    assert posted.status_code == 200


def test_a_secret_in_the_address_does_not_count(world):
    """RFC 6749, 2.3.1."""
    made = world.register()
    code, verifier = world.code(made)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    query = urlencode({"client_id": made.client.client_id, "client_secret": made.secret})
    assert error_of(world.http.post(f"{world.issuer}/token?{query}", data=form)) == "invalid_client"
    assert world.http.get(f"{world.issuer}/token?{query}").status_code == 405


def test_a_secret_is_rotated_with_overlap(make_platform, frozen_clock):
    from .conftest import World

    world = World(make_platform(clock=frozen_clock))
    world.person()
    made = world.register()
    with world.context():
        fresh = world.platform.oauth.clients.rotate_secret(made.client.client_id, overlap=timedelta(hours=1))
    for one in (made, fresh):
        assert world.redeem(one, *world.code(made)).status_code == 200
    frozen_clock.advance(hours=2)
    assert error_of(world.redeem(made, *world.code(made))) == "invalid_client"
    assert world.redeem(fresh, *world.code(made)).status_code == 200


# -- asking the person -----------------------------------------------------------------------------------------------------


def test_consent_is_remembered_for_what_was_allowed_and_asked_anew_for_more(world):
    made = world.register()
    browser = world.browser()
    world.code(made, browser, scope="openid entities.patient.read")
    came = browser.go(world.authorize(made, scope="entities.patient.read")[0])
    assert "code" in query_of(came)
    page = browser.go(world.authorize(made, scope="entities.patient.delete")[0])
    assert "delete" in page.text.lower()
    page = browser.go(world.authorize(made, scope="entities.patient.read", prompt="consent")[0])
    assert "Allow" in page.text
    assert query_of(browser.go(world.authorize(made, scope="email", prompt="none")[0]))["error"] == "consent_required"
    with world.context():
        [kept] = [one for one in world.platform.oauth.grants.list() if one.scopes == ("openid", "entities.patient.read")]
        world.platform.oauth.grants.revoke(kept.id)
    assert "Allow" in browser.go(world.authorize(made, scope="entities.patient.read")[0]).text


def test_an_app_on_a_loopback_port_is_asked_for_each_time(world):
    """RFC 8252, 8.6: another app may listen there."""
    made = world.register(redirect_uris=["http://127.0.0.1/cb"], token_endpoint_auth_method="none")
    browser = world.browser()
    address, _ = world.authorize(made, redirect_uri="http://127.0.0.1:5000/cb")
    for _ in range(2):
        page = browser.go(address)
        page = browser.sign_in() if "password" in page.text else page
        assert browser.fill("allow").startswith("http://127.0.0.1:5000/cb?")


def test_the_tenants_own_application_asks_nobody(world):
    made = world.register(trusted=True)
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    assert "code" in query_of(browser.sign_in())


def test_who_does_not_allow_it_sends_the_client_away(world):
    """RFC 6749, 4.1.2.1."""
    made = world.register()
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    browser.sign_in()
    given = query_of(browser.fill("deny"))
    assert (given["error"], given["iss"]) == ("access_denied", world.issuer)


def test_a_wrong_password_says_nothing_about_the_account_and_a_stranger_is_no_member(world):
    world.platform.auth.users.create("eve@example.org", "Eve", password="another long secret 7", verified=True)
    made = world.register()
    browser = world.browser()
    told = set()
    for email, password in (("kim@example.org", "wrong"), ("nobody@example.org", "wrong")):
        browser.go(world.authorize(made)[0])
        page = browser.sign_in(email, password)
        assert page.status_code == 401
        told.add(page.text.partition('role="alert"')[2].partition("</p>")[0])
    assert len(told) == 1
    browser.go(world.authorize(made)[0])
    page = browser.sign_in("eve@example.org", "another long secret 7")
    assert page.status_code == 403
    assert "does not belong" in page.text


def test_the_second_factor_is_asked_for_and_told_to_the_client(world):
    """RFC 8176: amr."""
    kim = world.platform.auth.users.find("kim@example.org")
    enrolment = world.platform.auth.users.enrol_totp(kim.id)
    step = int(world.platform.clock.now().timestamp()) // totp.STEP
    world.platform.auth.users.confirm_totp(kim.id, totp.code(enrolment.secret, step - 1))
    made = world.register(trusted=True)
    address, verifier = world.authorize(made)
    browser = world.browser()
    browser.go(address)
    page = browser.sign_in()
    assert "code" in page.text
    assert PASSWORD not in page.text
    wrong = browser.fill(code="000000")
    assert wrong.status_code == 401
    came = browser.fill(code=totp.code(enrolment.secret, step + 1))
    body = world.redeem(made, query_of(came)["code"], verifier).json()
    claims = jwt.decode(body["id_token"], keys_of(world), ["ES256"]).claims
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert claims["acr"].endswith("2")


def test_the_step_after_the_password_can_not_be_invented(world):
    browser = world.browser()
    browser.go(world.authorize(world.register())[0])
    for step in ("", "k1.AAAA", "invented", "k1." + "A" * 60):
        page = browser.go(f"{world.issuer}/sign-in", "POST", {"back": "authorize", "query": "", "step": step, "code": "000000"})
        assert page.status_code in (400, 401)


def test_a_client_may_want_the_person_to_sign_in_again(make_platform, frozen_clock):
    """OpenID Connect Core, 3.1.2.1: prompt and max_age."""
    from .conftest import World

    world = World(make_platform(clock=frozen_clock))
    world.person()
    made = world.register(trusted=True)
    browser = world.browser()
    browser.go(world.authorize(made)[0])
    assert "code" in query_of(browser.sign_in())
    frozen_clock.advance(minutes=10)
    assert "code" in query_of(browser.go(world.authorize(made, max_age="3600")[0]))
    given = query_of(browser.go(world.authorize(made, max_age="60", prompt="none")[0]))
    assert given["error"] == "login_required"
    for wish in ({"max_age": "60"}, {"prompt": "login"}, {"max_age": "0"}):
        page = browser.go(world.authorize(made, **wish)[0])
        assert "password" in page.text
        assert "code" in query_of(browser.sign_in())
    address, verifier = world.authorize(made)
    body = world.redeem(made, query_of(browser.go(address))["code"], verifier).json()
    claims = jwt.decode(body["id_token"], keys_of(world), ["ES256"]).claims
    assert claims["auth_time"] == int(frozen_clock.now().timestamp())


def test_the_products_own_session_counts_and_an_impersonators_does_not(world):
    with world.context():
        signed = world.platform.auth.sessions.sign_in("kim@example.org", PASSWORD)
        kim = world.platform.auth.users.find("kim@example.org")
        acting = world.platform.auth.sessions.impersonate(kim.id, reason="support")
    made = world.register(trusted=True)
    browser = world.browser()
    browser.client.cookies.set("brickwork_session", signed.token)
    assert "code" in query_of(browser.go(world.authorize(made)[0]))
    browser = world.browser()
    browser.client.cookies.set("brickwork_session", acting.token)
    assert "password" in browser.go(world.authorize(made)[0]).text
