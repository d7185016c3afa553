"""Providers that are not ours: npm's oidc-provider as it is, and a small one in Python that misbehaves as a test wants; and real
servers of our own."""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from functools import partial
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from brickwork import Platform
from brickwork.testing.events import EventRecorder
from brickwork.testing.plugin import absent

PROVIDER = Path(__file__).parent / "provider"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
CLIENT, SECRET = "brickwork", "a secret that both know"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, log):
    deadline = monotonic() + 120
    while True:
        try:
            httpx2.get(url, timeout=2)
            return
        except httpx2.HTTPError:
            assert process.poll() is None, log.read_text()
            assert monotonic() < deadline, log.read_text()
            sleep(0.05)


# -- oidc-provider -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def modules():
    """The folder in which npm has installed what tests/federation/provider/package.json names; kept between sessions."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        absent("no node and npm for tests: install node 20 or newer")
    wanted = (PROVIDER / "package.json").read_bytes()
    folder = Path(tempfile.gettempdir()) / f"brickwork-npm-{hashlib.sha256(wanted).hexdigest()[:16]}"
    if not folder.exists():
        fresh = Path(tempfile.mkdtemp(prefix="brickwork-npm-"))
        (fresh / "package.json").write_bytes(wanted)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(fresh)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        if done.returncode != 0:
            absent(f"npm could not install oidc-provider: {done.stderr[-500:]}")
        try:
            fresh.rename(folder)
        except OSError:  # another session was first
            shutil.rmtree(fresh)
    return folder


class Foreign:
    """A running oidc-provider; whoever signs in to it is whoever they say they are."""

    def __init__(self, modules, folder, app_port):
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        here = f"http://127.0.0.1:{app_port}/federation/foreign"
        self.options = {
            "modules": str(modules),
            "issuer": self.issuer,
            "port": self.port,
            "kid": "first",
            "accounts": {},
            "client": {
                "client_id": CLIENT,
                "client_secret": SECRET,
                "redirect_uris": [f"{here}/callback"],
                "backchannel_logout_uri": f"{here}/logout",
                "backchannel_logout_session_required": True,
            },
        }
        self.log = folder / f"provider-{self.port}.log"
        self.process = None

    def start(self, **options):
        """Start, or start anew, with other options."""
        self.stop()
        self.options.update(options)
        with self.log.open("a") as log:
            command = ["node", str(PROVIDER / "provider.mjs"), json.dumps(self.options)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(f"{self.issuer}/.well-known/openid-configuration", self.process, self.log)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def settings(self, **more):
        return {"issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET, **more}


class App:
    """`brickwork serve` over a platform's database."""

    def __init__(self, platform, folder, port):
        self._platform, self._folder, self.port = platform, folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"server-{port}.log"
        self.process = None

    def start(self, providers, **federation):
        database = self._platform.settings.database
        environment = {
            **os.environ,
            "BRICKWORK_DATABASE__URL": database.url,
            **({"BRICKWORK_DATABASE__OWNER_URL": database.owner_url} if database.owner_url else {}),
            "BRICKWORK_PLATFORM__DATA_DIR": str(self._folder / f"data-{self.port}"),
            "BRICKWORK_FEDERATION__BASE_URL": self.url,
            "BRICKWORK_FEDERATION__PROVIDERS": json.dumps(providers),
            **{f"BRICKWORK_FEDERATION__{key.upper()}": str(value) for key, value in federation.items()},
        }
        command = [sys.executable, "-m", "brickwork", "serve", "--port", str(self.port), "--no-migrate"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)
        wait_for(f"{self.url}/healthz", self.process, self.log)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


@pytest.fixture
def serve(platform, tmp_path, modules):
    """Starts an oidc-provider called "foreign" and a server that knows it; returns both."""
    port = free_port()
    foreign, app = Foreign(modules, tmp_path, port), App(platform, tmp_path, port)

    def start(accounts, *, provider=None, conform=True, **federation):
        foreign.start(accounts=accounts, conform=conform)
        app.start({"foreign": foreign.settings(**(provider or {}))}, **federation)
        return app, foreign

    yield start
    app.stop()
    foreign.stop()


class Person(httpx2.Client):
    """Somebody with a browser of their own."""

    def __init__(self, app):
        super().__init__(base_url=app.url, follow_redirects=True, timeout=30)

    def go(self, path, account, method="GET"):
        """Open a page that leads to the provider, sign in there and consent; the answer of the page that it ends at."""
        answer = self.request(method, path, headers={"origin": str(self.base_url).rstrip("/")} if method == "POST" else {})
        for _ in range(3):
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            if form is None:
                return answer
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
            if 'name="login"' in answer.text:
                fields |= {"login": account, "password": "any"}
            answer = self.post(urljoin(str(answer.url), unescape(form[1])), data=fields)
        return answer

    def callback(self, path, account):
        """As `go`, but stops before the callback is called; its URL."""
        kept = []

        def look(request):
            if request.url.path.endswith("/callback"):
                kept.append(str(request.url))
                raise InterruptedError

        self.event_hooks = {"request": [look]}
        with pytest.raises(InterruptedError):
            self.go(path, account)
        self.event_hooks = {}
        return kept[0]

    def who(self):
        answer = self.get("/api/v1/auth/session")
        return answer.json()["data"] if answer.status_code == 200 else None


@pytest.fixture
def person():
    """Makes people; their browsers are closed at the end."""
    made = []

    def make(app):
        made.append(Person(app))
        return made[-1]

    yield make
    for one in made:
        one.close()


# -- a provider that misbehaves --------------------------------------------------------------------------------------------


class Odd:
    """A provider that answers what a test puts into `documents`, by path: a JSON value, or a function that writes to the
    connection itself. `sign` makes its tokens."""

    def __init__(self):
        self.key = KEY
        self.calls = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.calls.append(self.path)
                found = owner.documents.get(urlsplit(self.path).path)
                if callable(found):
                    self.close_connection = True
                    found(self)
                    return
                body = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                owner.form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                self.do_GET()

            def log_message(self, *arguments):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.documents = {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": self.issuer + "/authorize",
                "token_endpoint": self.issuer + "/token",
                "jwks_uri": self.issuer + "/keys",
                "authorization_response_iss_parameter_supported": True,
            },
        }
        self.publish(self.key)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, *keys):
        self.documents["/keys"] = {"keys": [key.as_dict(private=False) for key in keys]}

    def metadata(self, **changes):
        self.documents["/.well-known/openid-configuration"].update(changes)

    def claims(self, nonce, now, /, **changes):
        """Those of a good ID token, with changes; None leaves a claim out."""
        good = {"iss": self.issuer, "aud": CLIENT, "sub": "u-1", "nonce": nonce, "iat": int(now), "exp": int(now) + 300,
                "email": "kim@example.org", "email_verified": True, "name": "Kim"}  # fmt: skip
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def sign(self, claims, key=None, **header):
        key = key or self.key
        kind = "HS256" if isinstance(key, OctKey) else "RS256"
        head = {name: value for name, value in {"alg": kind, "kid": "one", **header}.items() if value is not None}
        return jws.serialize_compact(head, json.dumps(claims), key, algorithms=[head["alg"]])

    def answer(self, id_token, **more):
        self.documents["/token"] = {"access_token": "at", "token_type": "Bearer", "id_token": id_token, **more}

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def unsigned(claims):
    """A token of algorithm "none" (RFC 7519, 6)."""
    parts = [json.dumps({"alg": "none"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.fixture
def odd():
    """A provider that can be made to misbehave."""
    made = Odd()
    yield made
    made.close()


class Attempt:
    """A platform that knows the provider as "odd". `sign_in` begins a sign-in and completes it with a token of these claims."""

    def __init__(self, odd, make, provider=None, federation=None, **options):
        settings = {"issuer": odd.issuer, "client_id": CLIENT, "client_secret": SECRET, **(provider or {})}
        own = {"base_url": "http://localhost:8000", "providers": {"odd": settings}, **(federation or {})}
        self.odd, self.platform = odd, make(federation=own, **options)

    def begin(self, **options):
        self.begun = self.platform.federation.begin("odd", **options)
        asked = parse_qs(urlsplit(self.begun.url).query)
        self.nonce, self.asked = asked["nonce"][0], {name: values[0] for name, values in asked.items()}
        return self.begun

    def claims(self, **changes):
        return self.odd.claims(self.nonce, self.platform.clock.now().timestamp(), **changes)

    def complete(self, user=None, **parameters):
        told = {"state": self.begun.state, "code": "c", "iss": self.odd.issuer, **parameters}
        told = {name: value for name, value in told.items() if value is not None}
        return self.platform.federation.complete("odd", told, self.begun.browser, user=user)

    def sign_in(self, *, token=None, begin=None, user=None, **changes):
        self.begin(**(begin or {}))
        self.odd.answer(token(self) if token is not None else self.odd.sign(self.claims(**changes)))
        return self.complete(user)


@pytest.fixture
def attempt(make_platform, odd):
    """Makes an `Attempt` on each kind of database."""
    return partial(Attempt, odd, make_platform)


@pytest.fixture
def lone_attempt(odd):
    """Makes an `Attempt` on a database in memory, for what has nothing to do with databases."""
    with ExitStack() as stack:

        def make(*, clock=None, **sections):
            platform = stack.enter_context(Platform(settings={"database": {"url": "sqlite://"}, **sections}, clock=clock))
            platform.migrate()
            return platform

        yield partial(Attempt, odd, make)


@pytest.fixture
def captured_events_of():
    """Records what a platform publishes from now on."""

    def record(platform):
        recorder = EventRecorder()
        platform.plugins.register(recorder)
        return recorder

    return record
