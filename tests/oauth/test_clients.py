"""Conformance by clients that others wrote, each against `brickwork serve`: Authlib's, requests-oauthlib, openid-client and
oauth4webapi. They check answers, ID tokens and issuers by their own rules; here only stands what must come of it."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwk
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from brickwork.testing.auth import bearer
from brickwork.testing.plugin import absent

from .conftest import CALLBACK, PASSWORD, Browser

SCRIPTS = Path(__file__).parent / "clients"
PERSON = {"email": "kim@example.org", "password": PASSWORD}
SCOPE = "openid profile email offline_access entities.patient.read"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def key():
    return jwk.generate_key("EC", "P-256", {"kid": "k1", "alg": "ES256", "use": "sig"}, private=True)


@pytest.fixture
def person(live):
    """A browser that talks to the running server, and allows what is asked."""
    with httpx.Client(follow_redirects=False) as client:
        browser = Browser(client, live.base)

        def allow(address):
            came = browser.go(address)
            came = browser.sign_in() if not isinstance(came, str) and "password" in came.text else came
            return browser.fill("allow") if not isinstance(came, str) else came

        yield allow


def own_name(live, name, key=None, grants=("client_credentials",)):
    live.service()
    proof = (
        {} if key is None else {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.as_dict(private=False)]}}
    )
    return live.register(
        name, grant_types=list(grants), service="robot", redirect_uris=[], scope="entities.patient.read", **proof
    )


def test_authlib(live, person, key):
    made = live.register()
    address, api = f"{live.issuer}/token", f"{live.base}/api/v1/entities/patient"
    with OAuth2Client(made.client.client_id, made.secret, redirect_uri=CALLBACK, scope=SCOPE, code_challenge_method="S256",
                      token_endpoint=address) as client:  # fmt: skip
        verifier = "v" * 50
        uri, state = client.create_authorization_url(f"{live.issuer}/authorize", code_verifier=verifier)
        first = client.fetch_token(address, authorization_response=person(uri), code_verifier=verifier, state=state)
        assert client.get(api).json()["data"][0]["fields"] == {"name": "Ada"}
        second = client.refresh_token(address, refresh_token=first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        assert client.get(api).status_code == 200
        assert client.get(f"{live.issuer}/userinfo").json()["email"] == "kim@example.org"
        found = client.introspect_token(f"{live.issuer}/introspect", token=second["access_token"])
        assert found.json()["active"] is True
        assert client.revoke_token(f"{live.issuer}/revoke", token=second["refresh_token"]).status_code == 200
        assert client.introspect_token(f"{live.issuer}/introspect", token=second["access_token"]).json() == {"active": False}
    robot = own_name(live, "Robot")
    with OAuth2Client(robot.client.client_id, robot.secret, token_endpoint_auth_method="client_secret_post") as client:
        client.fetch_token(address, grant_type="client_credentials")
        assert client.get(api).status_code == 200
    signer = own_name(live, "Signer", key)
    with OAuth2Client(signer.client.client_id, key, token_endpoint_auth_method=PrivateKeyJWT(address, alg="ES256")) as client:
        client.fetch_token(address, grant_type="client_credentials")
        assert client.get(api).status_code == 200


def test_requests_oauthlib(live, person, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # it takes no http otherwise, not on loopback either
    made = live.register()
    address, api = f"{live.issuer}/token", f"{live.base}/api/v1/entities/patient"
    with OAuth2Session(made.client.client_id, redirect_uri=CALLBACK, scope=SCOPE.split(), pkce="S256") as session:
        uri, _ = session.authorization_url(f"{live.issuer}/authorize")
        first = session.fetch_token(address, authorization_response=person(uri), client_secret=made.secret)
        assert session.get(api).json()["data"][0]["fields"] == {"name": "Ada"}
        second = session.refresh_token(address, auth=(made.client.client_id, made.secret))
        assert second["refresh_token"] != first["refresh_token"]
        assert session.get(api).status_code == 200, session.get(api).text
    robot = own_name(live, "Robot")
    with OAuth2Session(client=BackendApplicationClient(robot.client.client_id)) as session:
        session.fetch_token(address, client_id=robot.client.client_id, client_secret=robot.secret)
        assert session.get(api).status_code == 200, session.get(api).text


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """Runs a script in a folder in which the packages are installed."""
    npm, program = shutil.which("npm"), shutil.which("node")
    if npm is None or program is None:
        absent("no Node.js for tests: apt-get install nodejs npm")
    folder = tmp_path_factory.mktemp("clients")
    for file in SCRIPTS.iterdir():
        if file.is_file():
            shutil.copy(file, folder)

    def command(*words, seconds):
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)

    installed = command(npm, "ci", "--no-audit", "--no-fund", "--prefer-offline", seconds=240)
    if installed.returncode:
        absent(f"the npm packages of tests/oauth/clients can't be installed: {installed.stderr[-300:]}")

    def run(script, given):
        done = command(program, script, json.dumps(given), seconds=120)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture
def given(live, key):
    """What the scripts are told: the server, a person, and clients of each kind."""

    def of(made, **more):
        return {"id": made.client.client_id, "secret": made.secret, **more}

    machine = ("client_credentials", EXCHANGE)
    return {
        "issuer": live.issuer, "api": f"{live.base}/api/v1/entities/patient", "audience": f"{live.base}/api",
        "callback": CALLBACK,
        "person": PERSON, "registrar": bearer(live.platform, "alpha", "registrar")["Authorization"].partition(" ")[2],
        "web": of(live.register("Web")),
        "spa": of(live.register("Page", token_endpoint_auth_method="none")),
        "rsa": of(live.register("Old", id_token_signed_response_alg="RS256")),
        "edwards": of(live.register("New", id_token_signed_response_alg="Ed25519")),
        "display": of(live.register("Display", grant_types=[DEVICE], redirect_uris=[], token_endpoint_auth_method="none")),
        "robot": of(own_name(live, "Robot", grants=machine)),
        "signer": of(own_name(live, "Signer", key, ("client_credentials", BEARER)), key=key.as_dict(private=True)),
    }  # fmt: skip


def test_openid_client(live, node, given):
    found = node("openid-client.mjs", given)
    kim = live.platform.auth.users.find("kim@example.org").actor
    for name in ("code", "pushed", "public", "rsa", "edwards", "registered"):
        assert (found[name]["api"], found[name]["claims"]["sub"]) == (200, kim), name
    assert found["userinfo"] == {"sub": kim, "name": "Kim Ito", "email": "kim@example.org", "email_verified": True}
    assert found["refresh"] == {"api": 200, "rotated": True}
    assert (found["introspection"]["active"], found["introspection"]["sub"], found["revoked"]) == (True, kim, False)
    assert found["end_session"].startswith(f"{live.issuer}/logout?")
    assert (found["credentials"], found["assertion"], found["device"]["api"]) == (200, 200, 200)
    assert found["exchange"]["api"] == 200
    assert (found["exchange"]["claims"]["sub"], found["exchange"]["claims"]["act"]) == (kim, {"sub": "service:robot"})


def test_oauth4webapi(live, node, given):
    found = node("oauth4webapi.mjs", given)
    kim = live.platform.auth.users.find("kim@example.org").actor
    assert found["same"] is True
    assert (found["code"]["api"], found["code"]["claims"]["sub"]) == (200, kim)
    assert found["mixed_up"] != "accepted"  # RFC 9207, 2.4: mix-up
    assert found["without_issuer"] != "accepted"
    assert found["other_state"] != "accepted"
    access = found["access_token"]  # checked by the rules of RFC 9068, 4
    assert (access["sub"], access["client_id"], access["aud"]) == (kim, given["web"]["id"], given["audience"])
    assert found["id_token_as_access_token"] != "accepted"
    assert found["userinfo"]["email"] == "kim@example.org"
    assert found["refresh"] == {"api": 200, "rotated": 3}
    assert (found["reused"], found["after_reuse"]) == ("invalid_grant", "invalid_grant")
    assert found["after_reuse_api"] != "accepted"
    assert (found["pending"], found["device"], found["assertion"]) == ("authorization_pending", 200, 200)
    assert (found["introspection"]["active"], found["introspection"]["sub"], found["revoked"]) == (True, "service:robot", False)
