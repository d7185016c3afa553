"""A caller's own account over HTTP: with a cookie, as browsers do, and with bearer tokens."""

import pytest

from brickwork.auth import totp
from brickwork.auth.events import EmailVerificationRequested, PasswordResetRequested, UserInvited
from brickwork.testing.passkeys import Device

from .conftest import PASSWORD

OTHER = "seven quiet owls read maps"
SESSION = "/auth/session"


@pytest.fixture
def kim(tenant, member):
    return tenant.auth.users.get(member({"allow": ["jobs.read"]}, password=PASSWORD))


@pytest.fixture
def sign_in(call, kim):
    def sign_in(**body):
        return call("POST", SESSION, {"email": kim.email, "password": PASSWORD, **body})

    return sign_in


@pytest.fixture
def bearer(sign_in):
    return {"authorization": f"Bearer {sign_in()[1]['token']}"}


@pytest.fixture
def code(frozen_clock):
    return lambda secret: totp.code(secret, int(frozen_clock.now().timestamp()) // totp.STEP)


# -- signing in and out ------------------------------------------------------------------------------------------------


def test_signing_in_gives_a_token_or_a_cookie_that_scripts_cant_read(http, call, kim, sign_in):
    status, session = sign_in()
    assert (status, session["tenant"], session["tenants"]) == (201, "alpha", ["alpha"])
    assert session["user"] == {"id": str(kim.id), "email": kim.email, "name": "Kim", "verified": False, "second_factor": False}
    assert call("GET", SESSION) == (401, "unauthenticated")
    status, who = call("GET", SESSION, authorization=f"Bearer {session['token']}")
    assert (who["actor"], who["tenant"], who["roles"]) == (kim.actor, "alpha", ["role-kim"])
    assert who["user"]["email"] == kim.email

    answer = http.post("/api/v1/auth/session", json={"email": kim.email, "password": PASSWORD, "cookie": True})
    assert answer.json()["data"]["token"] is None
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-brickwork_session=bws_")
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    assert call("GET", SESSION)[1]["actor"] == kim.actor


def test_on_a_loopback_address_the_cookie_travels_without_https(http, kim):
    body = {"email": kim.email, "password": PASSWORD, "cookie": True}
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        answer = http.post("/api/v1/auth/session", json=body, headers={"host": host, "origin": f"http://{host}"})
        assert answer.headers["set-cookie"].startswith("brickwork_session=bws_")
        assert "Secure" not in answer.headers["set-cookie"]


@pytest.mark.parametrize("host", ["localhost.evil.example", "evil.example", "[", "a:b:c"])
def test_another_host_is_no_loopback(http, kim, host):
    body = {"email": kim.email, "password": PASSWORD, "cookie": True}
    answer = http.post("/api/v1/auth/session", json=body, headers={"host": host, "origin": f"https://{host}"})
    assert answer.headers["set-cookie"].startswith("__Host-")


def test_signing_out_ends_the_session_and_takes_the_cookie_away(http, call, sign_in):
    sign_in(cookie=True)
    stolen = http.cookies["__Host-brickwork_session"]
    answer = http.delete("/api/v1/auth/session")
    assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (204, True)
    assert call("GET", SESSION) == (401, "unauthenticated")
    assert call("GET", SESSION, authorization=f"Bearer {stolen}") == (401, "unauthenticated")


def test_what_is_wrong_is_answered_the_same_whoever_it_is(http, kim):
    answers = [
        http.post("/api/v1/auth/session", json={"email": email, "password": password}).json()["errors"]
        for email, password in ((kim.email, OTHER), ("nobody@example.org", PASSWORD), ("nonsense", PASSWORD))
    ]
    assert answers[0] == answers[1] == answers[2]


def test_too_many_attempts_are_told_when_to_come_again(http, kim):
    for _ in range(10):
        http.post("/api/v1/auth/session", json={"email": kim.email, "password": OTHER})
    answer = http.post("/api/v1/auth/session", json={"email": kim.email, "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_a_session_fixed_by_an_attacker_is_not_taken_over(http, call, sign_in):
    http.cookies.set("__Host-brickwork_session", "bws_chosen", domain="clinic.example")
    assert call("GET", SESSION) == (401, "unauthenticated")
    http.cookies.clear()
    sign_in(cookie=True)
    before = http.cookies["__Host-brickwork_session"]
    sign_in(cookie=True)
    assert http.cookies["__Host-brickwork_session"] not in ("bws_chosen", before)


# -- the cookie is for the server's own pages --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://clinic.example.evil.example", "https://evil-clinic.example", "null", "", "https://[",
     "https://clinic.example:8443"],
)  # fmt: skip
def test_another_sites_page_changes_nothing_with_the_cookie(call, sign_in, origin):
    sign_in(cookie=True)
    assert call("DELETE", SESSION, origin=origin) == (403, "permission_denied")
    assert sign_in(cookie=True, password=PASSWORD)[0] == 201
    assert call("POST", SESSION, {"email": "kim@example.org", "password": PASSWORD, "cookie": True}, origin=origin)[0] == 403
    assert call("GET", SESSION)[0] == 200


def test_without_an_origin_the_browser_must_say_that_the_page_is_ours(http, call, sign_in):
    sign_in(cookie=True)
    del http.headers["origin"]
    assert call("DELETE", "/auth/sessions/x") == (403, "permission_denied")
    assert call("DELETE", "/auth/sessions/x", sec_fetch_site="cross-site") == (403, "permission_denied")
    assert call("DELETE", "/auth/sessions/x", sec_fetch_site="same-origin") == (404, "not_found")


def test_a_bearer_token_needs_no_origin_and_wins_over_the_cookie(http, call, sign_in, bearer):
    sign_in(cookie=True)
    assert call("DELETE", "/auth/sessions/x", origin="https://evil.example", **bearer) == (404, "not_found")
    assert call("GET", SESSION, authorization="Bearer bws_nonsense") == (401, "unauthenticated")


def test_trusted_origins_may_use_the_cookie(make_platform):
    from starlette.testclient import TestClient

    from brickwork.web import create_app

    platform = make_platform(auth={"trusted_origins": ["https://app.example"]})
    platform.auth.users.create("kim@example.org", "Kim", password=PASSWORD)
    body = {"email": "kim@example.org", "password": PASSWORD, "cookie": True}
    with TestClient(create_app(platform), "https://api.example") as client:
        for origin, status in (("https://app.example", 201), ("https://app.example.evil", 403), ("http://app.example", 403)):
            assert client.post("/api/v1/auth/session", json=body, headers={"origin": origin}).status_code == status


# -- tenants -----------------------------------------------------------------------------------------------------------


def test_a_person_of_several_tenants_chooses_one_and_gets_another_token(tenant, http, call, kim, sign_in):
    with tenant.context(tenant="beta", actor="setup"):
        tenant.auth.members.add(kim)
    session = sign_in()[1]
    assert (session["tenant"], session["tenants"]) == (None, ["alpha", "beta"])
    shown = {"authorization": f"Bearer {session['token']}"}
    assert call("GET", SESSION, **shown)[1]["tenant"] is None
    assert call("GET", "/jobs/runs", **shown) == (403, "tenant_required")
    assert call("POST", f"{SESSION}/tenant", {"tenant": "gamma"}, **shown) == (403, "permission_denied")
    status, chosen = call("POST", f"{SESSION}/tenant", {"tenant": "alpha"}, idempotency_key="1", **shown)
    assert (status, chosen["tenant"]) == (201, "alpha")
    assert call("GET", SESSION, **shown) == (401, "unauthenticated")
    assert call("GET", SESSION, authorization=f"Bearer {chosen['token']}")[1]["tenant"] == "alpha"

    sign_in(cookie=True)
    before = http.cookies["__Host-brickwork_session"]
    assert call("POST", f"{SESSION}/tenant", {"tenant": "beta"})[1]["token"] is None
    assert http.cookies["__Host-brickwork_session"] != before
    assert call("GET", SESSION)[1]["tenant"] == "beta"


# -- sessions and passwords --------------------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended(call, sign_in, bearer):
    other = sign_in()[1]["token"]
    listed = call("GET", "/auth/sessions", **bearer)[1]
    assert len(listed) == 2
    assert "token" not in listed[0]
    assert "digest" not in listed[0]
    assert listed[0]["agent"] == "testclient"
    assert call("DELETE", f"/auth/sessions/{listed[0]['id']}", **bearer) == (204, None)
    assert call("GET", SESSION, authorization=f"Bearer {other}") == (401, "unauthenticated")
    assert call("DELETE", f"/auth/sessions/{listed[0]['id']}", **bearer) == (404, "not_found")


def test_a_password_is_changed_and_every_session_ends(call, sign_in, bearer):
    assert call("POST", "/auth/password", {"old": OTHER, "new": OTHER}, **bearer) == (401, "unauthenticated")
    assert call("POST", "/auth/password", {"old": PASSWORD, "new": "password2024"}, **bearer) == (422, "invalid")
    assert call("POST", "/auth/password", {"old": PASSWORD, "new": OTHER}, idempotency_key="1", **bearer) == (204, None)
    assert call("GET", SESSION, **bearer) == (401, "unauthenticated")
    assert sign_in(password=OTHER)[0] == 201


def test_a_password_is_reset_by_mail_and_nobody_learns_who_has_an_account(platform, call, kim, sign_in, captured_events):
    path = "/auth/password/reset-request"
    assert call("POST", path, {"email": kim.email}) == call("POST", path, {"email": "nobody@example.org"}) == (204, None)
    platform.messaging.drain()
    [asked] = captured_events.of(PasswordResetRequested)
    token = platform.auth.unseal(asked.sealed)
    assert call("POST", "/auth/password/reset", {"token": token, "password": OTHER}) == (204, None)
    assert call("POST", "/auth/password/reset", {"token": token, "password": OTHER}) == (401, "unauthenticated")
    assert sign_in(password=OTHER)[0] == 201


def test_an_address_is_verified(platform, call, bearer, captured_events):
    assert call("POST", "/auth/email/verification-request", **bearer) == (204, None)
    [asked] = captured_events.of(EmailVerificationRequested)
    assert call("POST", "/auth/email/verify", {"token": platform.auth.unseal(asked.sealed)}) == (204, None)
    assert call("GET", SESSION, **bearer)[1]["user"]["verified"] is True
    assert call("POST", "/auth/email/verify", {"token": "bwt_made_up"}) == (401, "unauthenticated")


# -- second factor -----------------------------------------------------------------------------------------------------


def test_a_second_factor_is_added_asked_for_and_removed(call, sign_in, bearer, code, frozen_clock):
    made = call("POST", "/auth/totp", **bearer)[1]
    assert made["link"].startswith("otpauth://totp/brickwork")
    assert call("POST", "/auth/totp/confirm", {"code": "000000"}, **bearer) == (401, "unauthenticated")
    codes = call("POST", "/auth/totp/confirm", {"code": code(made["secret"])}, **bearer)[1]
    assert len(codes["recovery_codes"]) == 10
    assert sign_in() == (401, "code_required")
    frozen_clock.advance(seconds=30)
    assert sign_in(code=code(made["secret"]))[0] == 201
    assert sign_in(code=code(made["secret"])) == (401, "unauthenticated")
    assert sign_in(code=codes["recovery_codes"][0])[0] == 201
    fresh = call("POST", "/auth/totp/recovery-codes", **bearer)[1]["recovery_codes"]
    assert sign_in(code=codes["recovery_codes"][1]) == (401, "unauthenticated")
    assert sign_in(code=fresh[0])[0] == 201
    assert call("DELETE", "/auth/totp", **bearer) == (204, None)
    assert sign_in()[0] == 201


def test_changing_the_means_of_signing_in_takes_a_recent_session(call, sign_in, bearer, frozen_clock):
    frozen_clock.advance(minutes=16)
    for method, path, body in (
        ("POST", "/auth/totp", None),
        ("POST", "/auth/totp/confirm", {"code": "000000"}),
        ("POST", "/auth/totp/recovery-codes", None),
        ("DELETE", "/auth/totp", None),
        ("POST", "/auth/passkeys/registration", None),
        ("DELETE", "/auth/passkeys/x", None),
    ):
        assert call(method, path, body, **bearer) == (403, "sign_in_again"), path
    fresh = {"authorization": f"Bearer {sign_in()[1]['token']}"}
    assert call("POST", "/auth/totp", **fresh)[0] == 200


def test_a_key_and_an_impersonator_have_no_business_with_the_account(tenant, member, call, kim):
    key = {"authorization": f"Bearer {_key(tenant, kim)}"}
    boss = member({"allow": ["*"]}, name="boss")
    with tenant.auth.acting_as(boss):
        signed = tenant.auth.sessions.impersonate(kim.id, reason="ticket 7")
    acted = {"authorization": f"Bearer {signed.token}"}
    assert call("GET", SESSION, **acted)[1]["actor"] == f"{kim.actor} via {boss}"
    for method, path, body in (
        ("GET", "/auth/sessions", None),
        ("DELETE", "/auth/sessions/x", None),
        ("POST", "/auth/password", {"old": PASSWORD, "new": OTHER}),
        ("POST", "/auth/email/verification-request", None),
        ("POST", "/auth/totp", None),
        ("DELETE", "/auth/totp", None),
        ("GET", "/auth/passkeys", None),
        ("POST", "/auth/passkeys", {"name": "x", "response": {}}),
        ("POST", "/auth/passkeys/registration", None),
        ("PATCH", "/auth/passkeys/x", {"name": "x"}),
    ):
        for shown in (key, acted):
            status, told = call(method, path, body, **shown)
            assert (status, told) in ((403, "permission_denied"), (404, "not_found")), path
    assert call("DELETE", "/auth/sessions/019bf000-0000-7000-8000-000000000000", **key) == (403, "permission_denied")


# -- passkeys ----------------------------------------------------------------------------------------------------------


def test_passkeys_are_added_listed_named_used_and_removed(http, call, kim, bearer):
    device = Device()
    path = "/auth/passkeys"
    response = device.create(call("POST", f"{path}/registration", **bearer)[1])
    status, made = call("POST", path, {"name": "phone", "response": response}, **bearer)
    assert (status, made["name"], made["used_at"]) == (201, "phone", None)
    assert call("POST", path, {"name": "phone", "response": response}, **bearer) == (401, "unauthenticated")
    assert call("PATCH", f"{path}/{made['id']}", {"name": "spare"}, **bearer) == (204, None)

    answer = device.get(call("POST", f"{path}/challenge")[1])
    status, session = call("POST", f"{path}/session", {"response": answer, "tenant": "alpha"})
    assert (status, session["tenant"], session["user"]["email"]) == (201, "alpha", kim.email)
    assert call("POST", f"{path}/session", {"response": answer}) == (401, "unauthenticated")
    status, listed = call("GET", path, authorization=f"Bearer {session['token']}")
    assert [(one["name"], one["used_at"] is not None) for one in listed] == [("spare", True)]

    answer = device.get(call("POST", f"{path}/challenge")[1])
    body = {"response": answer, "cookie": True}
    assert call("POST", f"{path}/session", body, origin="https://evil.example") == (403, "permission_denied")
    assert call("POST", f"{path}/session", body)[1]["token"] is None
    assert call("GET", SESSION)[1]["actor"] == kim.actor

    assert call("DELETE", f"{path}/{made['id']}", **bearer) == (204, None)
    assert call("DELETE", f"{path}/{made['id']}", **bearer) == (404, "not_found")
    answer = device.get(call("POST", f"{path}/challenge")[1])
    assert call("POST", f"{path}/session", {"response": answer}) == (401, "unauthenticated")


def test_pages_get_their_script_and_its_types(http):
    script = http.get("/passkeys/brickwork-passkeys.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "export async function signIn" in script.text
    assert "export function signIn" in http.get("/passkeys/brickwork-passkeys.d.ts").text
    for path in ("/passkeys/", "/passkeys/../auth/models.py", "/passkeys/x.js"):
        assert http.get(path).status_code == 404


# -- invitations, and what a page may show -----------------------------------------------------------------------------


def test_an_invitation_is_accepted_with_a_new_account_or_a_session(tenant, call, kim, sign_in, captured_events):
    with tenant.context(tenant="beta", actor="setup"):
        tenant.auth.members.invite("lee@example.org")
        tenant.auth.members.invite(kim.email)
    lee, own = [tenant.auth.unseal(event.sealed) for event in captured_events.of(UserInvited)]
    status, user = call("POST", "/auth/invitations/accept", {"token": lee, "name": "Lee", "password": OTHER})
    assert (status, user["email"], user["verified"]) == (201, "lee@example.org", True)
    assert call("POST", "/auth/invitations/accept", {"token": own}) == (401, "unauthenticated")
    sign_in(cookie=True)
    assert call("POST", "/auth/invitations/accept", {"token": own}, origin="https://evil.example") == (403, "permission_denied")
    assert call("POST", "/auth/invitations/accept", {"token": own})[1]["email"] == kim.email
    assert sign_in()[1]["tenants"] == ["alpha", "beta"]


def test_a_page_asks_what_it_may_show(call, bearer):
    wanted = {"permissions": ["jobs.read", "jobs.write"]}
    assert call("POST", "/auth/check", wanted, **bearer) == (200, {"jobs.read": True, "jobs.write": False})


def test_answers_with_secrets_are_not_kept_for_a_repetition(tenant, call, bearer, code):
    first = call("POST", "/auth/totp", idempotency_key="1", **bearer)[1]["secret"]
    assert call("POST", "/auth/totp", idempotency_key="1", **bearer)[1]["secret"] != first
    with tenant.database.transaction(readonly=True) as transaction:
        from sqlalchemy import select

        from brickwork.web.idempotency import IdempotencyKeyRow

        kept = transaction.session.scalars(select(IdempotencyKeyRow).where(IdempotencyKeyRow.tenant_id == "alpha")).all()
    assert not any(first.encode() in row.body for row in kept)


def _key(tenant, user):
    return tenant.auth.keys.create(user.actor, "mine").token


def test_a_password_is_removed_where_there_is_another_way_in(call, platform):
    user = platform.auth.users.create("ann@example.org", "Ann", password=PASSWORD)
    signed = platform.auth.sessions.begin(user)
    shown = {"authorization": f"Bearer {signed.token}"}
    assert call("DELETE", "/auth/password", **shown) == (409, "last_way_to_sign_in")
    passkeys = platform.auth.passkeys
    passkeys.finish_registration(user.id, Device().create(passkeys.begin_registration(user.id)), name="phone")
    assert call("DELETE", "/auth/password", **shown) == (204, None)
    assert call("DELETE", "/auth/password", **shown) == (404, "not_found")
    [passkey] = passkeys.list(user.id)
    assert call("DELETE", f"/auth/passkeys/{passkey.id}", **shown) == (409, "last_way_to_sign_in")


def test_who_calls_is_told_with_the_address_to_a_session_and_without_it_to_a_key(call, kim, bearer, tenant):
    assert call("GET", SESSION, **bearer)[1]["user"]["email"] == kim.email
    key = tenant.auth.keys.create(kim.actor, "script").token
    shown = call("GET", SESSION, authorization=f"Bearer {key}")[1]["user"]
    assert (shown["email"], shown["name"]) == (None, kim.name)
