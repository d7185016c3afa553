"""Passkeys in a real browser, whose authenticator is Chromium's virtual one (CDP, WebAuthn domain)."""

import json
import urllib.error
import urllib.request

import pytest

PASSWORD = "tall giraffes eat 7 leaves"
SIGN_IN = """
fetch("/api/v1/auth/session", {
  method: "POST", headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ email: "kim@example.org", password: "%s", cookie: true }),
}).then((answer) => answer.status)
"""
SIGN_OUT = 'fetch("/api/v1/auth/session", { method: "DELETE" }).then((answer) => answer.status)'
WHO = 'fetch("/api/v1/auth/session").then((answer) => answer.json()).then((answer) => answer.data?.user?.email ?? null)'
SCRIPT = 'import("/passkeys/brickwork-passkeys.js")'
SHOW = """
navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(%s) }).then((shown) => shown.toJSON())
"""


@pytest.fixture
def kim(platform):
    user = platform.auth.users.create("kim@example.org", "Kim", password=PASSWORD)
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.members.add(user)
    return user


@pytest.fixture
def authenticator(page):
    """The id of a device in the browser, whose user is there, and is verified."""
    page.command("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
               "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    return page.command("WebAuthn.addVirtualAuthenticator", options=options)["authenticatorId"]


def visit(page, server):
    page.command("Page.navigate", url=f"http://localhost:{server.port}/healthz")
    page.until(f"location.port == '{server.port}' && document.readyState == 'complete'")


def refused(page, script):
    """The server's code, or the name of the browser's own error, that a call of the script's ends with."""
    told = "(error) => error.name === 'Error' ? error.code : error.name"
    return page.run(f"{SCRIPT}.then(({{ register, signIn }}) => {script}).then(() => null, {told})")


def post(server, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/api/v1/auth/passkeys{path}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())["data"]
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["errors"][0]["message"]


def test_a_person_adds_a_passkey_and_signs_in_with_it(platform, serve, page, kim, authenticator):
    visit(page, serve())
    assert page.run(f"{SCRIPT}.then(({{ available }}) => available())")
    assert refused(page, "register('phone')") == "unauthenticated"
    assert page.run(SIGN_IN % PASSWORD) == 201
    made = page.run(f"{SCRIPT}.then(({{ register }}) => register('phone'))")
    assert (made["name"], made["transports"]) == ("phone", ["internal"])
    assert refused(page, "register('again')") == "InvalidStateError"  # the device has one already
    assert page.run(SIGN_OUT) == 204
    assert page.run(WHO) is None

    session = page.run(f"{SCRIPT}.then(({{ signIn }}) => signIn())")
    assert (session["token"], session["tenant"], session["user"]["email"]) == (None, "alpha", "kim@example.org")
    assert page.run(WHO) == "kim@example.org"
    assert "brickwork_session" not in page.run("document.cookie")
    with_token = page.run(f"{SCRIPT}.then(({{ signIn }}) => signIn({{ cookie: false }}))")
    assert platform.auth.sessions.find(with_token["token"]).user_id == kim.id

    page.command("WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=False)
    assert refused(page, "signIn()") == "NotAllowedError"  # the browser itself asks for the finger


def test_what_a_browser_signs_elsewhere_or_for_a_copy_is_refused(platform, serve, page, kim, authenticator):
    server, other = serve(), serve()
    visit(page, server)
    page.run(SIGN_IN % PASSWORD)
    page.run(f"{SCRIPT}.then(({{ register }}) => register('phone'))")

    # the other server is another product on this host: its pages have passkeys of the same domain, but are another origin
    visit(page, other)
    answer = page.run(SHOW % json.dumps(post(server, "/challenge", {})[1]))
    assert post(server, "/session", {"response": answer}) == (401, "this passkey is not known here, or its answer is not good")
    assert post(other, "/session", {"response": answer})[0] == 401  # the challenge is used up

    visit(page, server)
    answer = page.run(SHOW % json.dumps(post(server, "/challenge", {})[1]))
    status, session = post(server, "/session", {"response": answer})
    assert (status, session["user"]["email"]) == (201, "kim@example.org")
    assert post(server, "/session", {"response": answer})[0] == 401  # replayed

    [key] = page.command("WebAuthn.getCredentials", authenticatorId=authenticator)["credentials"]
    page.command("WebAuthn.removeCredential", authenticatorId=authenticator, credentialId=key["credentialId"])
    page.command("WebAuthn.addCredential", authenticatorId=authenticator, credential={**key, "signCount": 0})
    assert refused(page, "signIn()") == "unauthenticated"
    assert page.run(f"{SCRIPT}.then(({{ signIn }}) => signIn()).catch((error) => error.message)").startswith(
        "this passkey's counter went back"
    )
