"""`brickwork auth`, as an operator types it."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from brickwork.cli.app import app
from brickwork.errors import BrickworkError, NotFoundError, ValidationError

PASSWORD = "tall giraffes eat 7 leaves"
ROLES = """
- name: reader
  title: Reads patients
  grants:
    - allow: [entities.patient.read]
- name: nurse
  inherits: [reader]
  grants:
    - allow: [entities.patient.update]
      when: resource.ward == "icu"
"""
PATIENT = "name: patient\nfields:\n  name: {type: text}\n  ward: {type: text, indexed: true}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command in a folder with an embedded database that is migrated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brickwork.cli.auth.out", Console(width=250))  # a console asks for its width once, at import
    monkeypatch.setenv("BRICKWORK_TENANT", "st-marys")
    (tmp_path / "roles.yaml").write_text(ROLES)
    (tmp_path / "types.yaml").write_text(PATIENT)

    def run(*words, code=0, typed=None):
        result = CliRunner().invoke(app, [str(word) for word in words], input=typed)
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    run("db", "upgrade")
    run("entities", "apply", "types.yaml")
    return run


@pytest.fixture
def kim(run, monkeypatch):
    """The subject of a nurse."""
    run("auth", "define", "roles.yaml")
    monkeypatch.setenv("BRICKWORK_PASSWORD", PASSWORD)
    told = run("auth", "user", "kim@example.org", "--name", "Kim", "--role", "nurse")
    assert PASSWORD not in told
    return told.split()[0]


def test_a_person_becomes_a_member_with_a_password_that_is_asked_for(run):
    told = run("auth", "user", "Kim@example.org", "--role", "administrator", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "is a member of st-marys" in told
    again = run("auth", "user", "kim@example.org", "--tenant", "st-johns")
    assert "is a member of st-johns" in again  # no second account, and no password asked for
    assert again.split()[0] in told
    with pytest.raises(ValidationError, match="password"):
        run("auth", "user", "lee@example.org", typed="password2024\npassword2024\n")


def test_a_key_is_printed_alone_so_that_a_script_can_take_it(run):
    token = run("auth", "key", "robot", "--role", "administrator", "--scope", "jobs.*")
    assert token.startswith("bwk_st-marys_")
    assert len(token.split()) == 1
    assert run("auth", "key", "robot") != token  # the service is there; the key is another
    assert "robot" in run("auth", "roles")


def test_roles_are_defined_all_or_none_and_shown_with_who_has_them(run, kim, tmp_path):
    told = run("auth", "roles")
    assert "Reads patients" in told
    assert kim[:20] in told
    (tmp_path / "more.yaml").write_text("- {name: good, grants: []}\n- {name: bad, inherits: [nobody]}\n")
    with pytest.raises(BrickworkError, match="nobody"):
        run("auth", "define", "more.yaml")
    assert "good" not in run("auth", "roles")
    for content in ("- 1\n", "a: [", "text\n"):
        (tmp_path / "more.yaml").write_text(content)
        with pytest.raises(ValidationError):
            run("auth", "define", "more.yaml")
    with pytest.raises(ValidationError, match="read"):
        run("auth", "define", "missing.yaml")


def test_a_role_is_given_and_taken(run, kim):
    run("auth", "withdraw", "nurse", kim)
    assert "may not" in run("auth", "explain", kim, "entities.patient.read", code=1)
    run("auth", "assign", "reader", kim)
    assert "may not" not in run("auth", "explain", kim, "entities.patient.read")
    with pytest.raises(ValidationError, match="no role"):
        run("auth", "assign", "nobody", kim)


def test_explain_says_which_rule_decides(run, kim):
    told = run("auth", "explain", "kim@example.org", "entities.patient.update", "--resource", '{"ward": "icu"}')
    assert f"{kim} may entities.patient.update" in told
    assert "because role nurse, grant 1, allows entities.patient.update when" in told
    told = run("auth", "explain", kim, "entities.patient.update", "--resource", '{"ward": "er"}', code=1)
    assert "may not" in told
    assert "its condition does not hold" in told
    shown = json.loads(run("auth", "explain", kim, "jobs.write", "--json", code=1))
    assert shown.keys() == {"subject", "allowed", "permission", "because", "considered"}
    assert (shown["allowed"], shown["subject"]) == (False, kim)
    with pytest.raises(NotFoundError, match="no user"):
        run("auth", "explain", "nobody@example.org", "jobs.read")


def test_explain_asks_of_a_stored_record(run, kim):
    from brickwork import Platform

    with Platform.from_settings() as platform, platform.context(tenant="st-marys", actor="setup"):
        records = [platform.entities.create("patient", {"name": "Okafor", "ward": ward}).ref for ward in ("icu", "er")]
    assert "may not" not in run("auth", "explain", kim, "entities.patient.update", "--record", records[0])
    assert "may not" in run("auth", "explain", kim, "entities.patient.update", "--record", records[1], code=1)
