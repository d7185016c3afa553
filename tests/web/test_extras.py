"""What needs an optional package that is not there answers with 501 and how to install it, over HTTP as in code."""

import subprocess
import sys
from pathlib import Path

import pytest

#: In an interpreter that finds none of these packages, a call of `ask` must be answered with 501 and the extra.
SCRIPT = """
import sys
from starlette.testclient import TestClient
for name in {missing!r}:
    for known in [known for known in sys.modules if known.partition(".")[0] == name]:
        del sys.modules[known]
    sys.modules[name] = None
from brickwork import Platform
from brickwork.web import create_app
provider = {{"issuer": "http://127.0.0.1:9", "client_id": "x", "client_secret": "y"}}
settings = {{
    "database": {{"url": "sqlite:///bare.db"}},
    "federation": {{"providers": {{"foreign": provider}}, "base_url": "http://127.0.0.1:8000"}},
}}
with Platform(settings=settings) as platform:
    platform.migrate()
    user = platform.auth.users.create("kim@example.org", "Kim", password="tall giraffes eat 7 leaves")
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.members.add(user)
    signed = platform.auth.sessions.begin(user)
    headers = {{"Authorization": "Bearer " + signed.token}}
    http = TestClient(create_app(platform), base_url="http://127.0.0.1:8000", headers=headers, raise_server_exceptions=False)
    answer = http.request({method!r}, {path!r}, json={body!r})
    print(answer.status_code, answer.text)
"""
BODY = {"response": {"id": "x", "response": {"clientDataJSON": "e30"}}}


@pytest.mark.parametrize(
    ("missing", "method", "path", "body", "extra"),
    [
        (("webauthn",), "POST", "/api/v1/auth/passkeys/challenge", None, "passkeys"),
        (("webauthn",), "POST", "/api/v1/auth/passkeys/registration", None, "passkeys"),
        (("webauthn",), "POST", "/api/v1/auth/passkeys/session", BODY, "passkeys"),
        (("webauthn",), "POST", "/api/v1/auth/passkeys", {**BODY, "name": "phone"}, "passkeys"),
        (("httpx2", "httpcore2"), "GET", "/federation/foreign/start", None, "oauth"),
        (("authlib", "joserfc"), "GET", "/oauth/alpha/authorize", None, "oauth"),
    ],
)
def test_a_route_whose_extra_is_missing_says_what_to_install(
    tmp_path: Path, missing: tuple[str, ...], method: str, path: str, body: object, extra: str
) -> None:
    script = SCRIPT.format(missing=missing, method=method, path=path, body=body)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("501 "), done.stdout
    assert f"pip install 'brickwork[{extra}]'" in done.stdout
