"""A tenant with its own issuer, people, and a browser without JavaScript that fills in the pages' forms."""

import base64
import hashlib
import json
import secrets
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from starlette.testclient import TestClient

from brickwork.testing.serving import Server
from brickwork.web import create_app

BASE, TENANT = "http://127.0.0.1:8000", "alpha"
CALLBACK = "https://app.example.org/callback"
PASSWORD = "correct horse battery"
PATIENT = {"name": "patient", "fields": {"name": {"type": "text"}}}


class _Forms(HTMLParser):
    """The forms of a page: where each goes, its fields, and its buttons."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.buttons = None, {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.action = given["action"]
        elif tag == "input":
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "button" and "name" in given:
            self.buttons.append((given["name"], given["value"]))


class Browser:
    """Keeps cookies, follows redirects within the server and stops where it would leave."""

    def __init__(self, client, base=BASE):
        self.client = client
        self.base = base
        self.page = None

    def go(self, address, method="GET", data=None):
        """The page at an address, or the address outside to which it leads."""
        origin = {"origin": self.base} if method == "POST" else {}
        answer = self.client.request(method, address, data=data, headers=origin)
        while answer.is_redirect:
            address = answer.headers["location"]
            if not address.startswith(self.base + "/"):
                self.page = None
                return address
            answer = self.client.get(address)
        self.page = answer
        return answer

    def fill(self, button=None, **values):
        """Send the page's form."""
        form = _Forms(self.page.text)
        data = {**form.fields, **values}
        if button is not None:
            assert button in [value for _, value in form.buttons]
            data[next(name for name, value in form.buttons if value == button)] = button
        return self.go(form.action, "POST", data)

    def sign_in(self, email="kim@example.org", password=PASSWORD):
        return self.fill(email=email, password=password)


class World:
    """One tenant of a platform behind its HTTP application."""

    def __init__(self, platform, tenant=TENANT, app=None):
        self.platform, self.tenant = platform, tenant
        self.app = app or create_app(platform)
        self.http = TestClient(self.app, base_url=BASE, follow_redirects=False, raise_server_exceptions=False)
        self.base, self.issuer = BASE, f"{BASE}/oauth/{tenant}"

    def context(self):
        return self.platform.context(tenant=self.tenant, actor="setup")

    def person(self, email="kim@example.org", allow=("entities.patient.*",)):
        """The actor of a member who may do that."""
        user = self.platform.auth.users.find(email) or self.platform.auth.users.create(
            email, "Kim Ito", password=PASSWORD, verified=True
        )
        with self.context():
            role = f"role-{email.partition('@')[0]}"
            self.platform.auth.roles.define({"name": role, "grants": [{"allow": list(allow)}]})
            self.platform.auth.members.add(user, roles=[role])
        return user.actor

    def service(self, name="robot", allow=("entities.patient.read",)):
        with self.context():
            self.platform.auth.roles.define({"name": f"role-{name}", "grants": [{"allow": list(allow)}]})
            if f"service:{name}" in self.platform.auth.services.list():
                return f"service:{name}"
            return self.platform.auth.services.create(name, roles=[f"role-{name}"])

    def register(self, name="Ward app", **metadata):
        """A client with its secret."""
        fields = {
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access entities.patient.*",
            **metadata,
        }
        with self.context():
            return self.platform.oauth.clients.register(name, **fields)

    def browser(self):
        return Browser(TestClient(self.app, base_url=BASE, follow_redirects=False))

    def authorize(self, made, scope="openid offline_access entities.patient.read", **changed):
        """An authorization request: its address, and the verifier that redeems the code. What is None is left out."""
        verifier = secrets.token_urlsafe(48)
        parameters = {
            "response_type": "code",
            "client_id": made.client.client_id,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "s t/ä",
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
            **changed,
        }
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"{self.issuer}/authorize?{query}", verifier

    def code(self, made, browser=None, **changed):
        """A code that the person has allowed, and its verifier."""
        address, verifier = self.authorize(made, **changed)
        browser = browser or self.browser()
        came = browser.go(address)
        if not isinstance(came, str) and "password" in came.text:
            came = browser.sign_in()
        if not isinstance(came, str):
            came = browser.fill("allow")
        return query_of(came)["code"], verifier

    def post(self, endpoint, made=None, **form):
        """A client's request to an endpoint, with its secret."""
        auth = (made.client.client_id, made.secret) if made is not None and made.secret else None
        if made is not None and auth is None:
            form.setdefault("client_id", made.client.client_id)
        return self.http.post(f"{self.issuer}/{endpoint}", data=form, auth=auth)

    def redeem(self, made, code, verifier, /, **changed):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier, **changed}
        return self.post("token", made, **{name: value for name, value in form.items() if value is not None})

    def tokens(self, made, **changed):
        """The whole way: what the token endpoint answers."""
        answer = self.redeem(made, *self.code(made, **changed))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, made, token, **more):
        return self.post("token", made, grant_type="refresh_token", refresh_token=token, **more)

    def call(self, token, path="/api/v1/entities/patient", **headers):
        """A call of brickwork's own API."""
        return self.http.get(path, headers={"Authorization": f"Bearer {token}", **headers})


def challenge(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def query_of(address):
    """The query of an address, each name once."""
    return {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}


def error_of(answer):
    return answer.json()["error"]


@pytest.fixture
def world(platform):
    made = World(platform)
    with made.context():
        platform.entities.types.apply(PATIENT)
        platform.entities.create("patient", {"name": "Ada"})
    made.person()
    return made


@pytest.fixture
def live(platform, tmp_path):
    """A world behind a real server; its addresses are the server's."""
    world = World(platform)
    with world.context():
        platform.entities.types.apply(PATIENT)
        platform.entities.create("patient", {"name": "Ada"})
    world.person()
    world.service()
    keys = {"BRICKWORK_KEYRING__KEYS": json.dumps(keys_of(platform))}
    server = Server(platform, tmp_path, lambda port: keys)
    world.base, world.issuer = server.base, f"{server.base}/oauth/{world.tenant}"
    yield world
    server.stop()


def keys_of(platform):
    """The keys that the platform has made for itself, so that another process reads what it has encrypted."""
    platform.get("keyring")
    return json.loads((platform.settings.platform.data_dir / "keys.json").read_text())
