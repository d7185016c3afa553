"""Commands of oauth, as a person types them."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from brickwork import Platform
from brickwork.cli.app import app
from brickwork.errors import BrickworkError, NotFoundError, ValidationError
from brickwork.oauth.grants import SignedIn


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brickwork.cli.oauth.out", Console(width=250))
    monkeypatch.setenv("BRICKWORK_TENANT", "alpha")

    def run(*words):
        result = CliRunner().invoke(app, list(words))
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    run("db", "upgrade")
    return run


WANTED = {"client_name": "Ward app", "redirect_uris": ["https://app.example.org/callback"], "scope": "openid"}


def words_after(text, name):
    return next(line for line in text.splitlines() if line.startswith(name)).split()[1]


def test_a_client_from_its_registration_to_its_end(run):
    shown = run("oauth", "client", json.dumps(WANTED))
    id, secret = words_after(shown, "client_id"), words_after(shown, "client_secret")
    listed = run("oauth", "clients")
    assert "Ward app" in listed
    assert id in listed
    assert secret not in listed
    assert "is changed" in run("oauth", "client", '{"scope": "openid email"}', "--id", id)
    assert words_after(run("oauth", "rotate", "--client", id), "client_secret") != secret
    assert "is gone" in run("oauth", "revoke", id, "--client")
    with pytest.raises(NotFoundError):
        run("oauth", "revoke", id, "--client")


def test_keys_are_rotated(run):
    run("oauth", "client", json.dumps({**WANTED, "id_token_signed_response_alg": "RS256"}))
    first, second = run("oauth", "rotate"), run("oauth", "rotate")
    assert first.count("signing with") == second.count("signing with") == 2
    assert first != second


def test_what_a_person_has_allowed_is_taken_back(run):
    id = words_after(run("oauth", "client", json.dumps(WANTED)), "client_id")
    with Platform() as platform, platform.context(tenant="alpha", actor="setup"), platform.transaction() as transaction:
        client = platform.oauth.clients.get(id)
        person = SignedIn("user:0192f1de-0000-7000-8000-000000000001", platform.clock.now())
        grants = [str(platform.oauth.grants.begin(transaction, client, person, ["openid"]).id) for _ in range(3)]
    assert "1 grant revoked" in run("oauth", "revoke", grants[0])
    assert "2 grants revoked" in run("oauth", "revoke", "user:0192f1de-0000-7000-8000-000000000001")
    with pytest.raises(NotFoundError):
        run("oauth", "revoke", "0192f1de-0000-7000-8000-00000000ffff")


def test_what_is_no_client_is_refused(run):
    for definition in ("{}", "[]", '{"client_name": "x"}', '{"client_name": "x", "redirect_uris": ["http://x.example/"]}'):
        with pytest.raises(ValidationError):
            run("oauth", "client", definition)
