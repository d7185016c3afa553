"""The `brickwork` command, as a person types it."""

import json

import pytest
from typer.testing import CliRunner

from brickwork.cli.app import app
from brickwork.errors import BrickworkError, SettingsError

TYPES = """
name: patient
title: "{family_name}"
fields:
  family_name: {type: text, required: true}
  mrn: {type: text, unique: true}
  no: {type: text, sensitive: true}
duplicates:
  fields:
    - {field: family_name, compare: name}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command in an empty folder with an embedded database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("BRICKWORK_TENANT", "st-marys")
    (tmp_path / "types.yaml").write_text(TYPES)

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    return run


@pytest.fixture
def ready(run):
    run("db", "upgrade")
    run("entities", "apply", "types.yaml")
    return run


def test_the_schema_is_upgraded_shown_and_checked(run):
    assert "behind" in run("db", "current")
    run("db", "upgrade")
    assert "behind" not in run("db", "current")
    assert "role is safe" in run("db", "check")


def test_types_are_applied_and_listed(ready):
    assert "family_name, mrn, no" in ready("entities", "types")
    assert "no change" in ready("entities", "apply", "types.yaml", "--preview")


def test_files_are_imported_and_exported(ready, tmp_path):
    (tmp_path / "p.csv").write_text("surname,mrn,x\nOkafor,M1,1\nIto,M1,2\n")
    words = ("entities", "import", "patient", "p.csv", "--map", "surname=family_name", "--map", "x=", "--rejects", "r.jsonl")
    assert "2 rows" in ready(*words, "--dry-run", code=2)
    told = ready(*words, code=2)
    assert "1 created" in told
    assert "1 rejected" in told
    assert json.loads((tmp_path / "r.jsonl").read_text())["row"]["surname"] == "Ito"
    assert "1 rows" in ready("entities", "export", "patient", "out.csv", "--where", '{"mrn": "M1"}')
    assert (tmp_path / "out.csv").read_text() == "family_name,mrn\nOkafor,M1\n"
    with pytest.raises(BrickworkError, match="JSON object"):
        ready("entities", "export", "patient", "out.csv", "--where", "{")


def test_duplicates_are_found_and_merged(ready, tmp_path):
    (tmp_path / "p.csv").write_text("family_name\n" + "\n".join(["grzybowski", "grzybowsky", "ito", "adeyemi", "brandt"]) + "\n")
    ready("entities", "import", "patient", "p.csv")
    told = ready("entities", "dedupe", "patient", "--merge")
    assert "5 records" in told
    assert "merged" in told


def test_the_audit_trail_is_listed_sealed_and_verified(ready, tmp_path):
    (tmp_path / "p.csv").write_text("family_name,no\nOkafor,SECRET\n")
    ready("entities", "import", "patient", "p.csv", "--actor", "user:ito")
    assert "user:ito" in ready("audit", "list", "--entity", "entity_record")
    assert "sealed" in ready("audit", "seal")
    told = ready("audit", "verify")
    head = told.split("head ")[1].strip()
    assert "0 not sealed yet" in told
    assert "SECRET" not in ready("audit", "list", "--limit", "50")
    assert ready("audit", "verify", "--head", head)
    assert "0 records" in ready("entities", "rekey", "patient")


def test_settings_are_shown_without_secrets_and_described(run, tmp_path):
    (tmp_path / "brickwork.toml").write_text(
        '[database]\nurl = "postgresql://app:hunter2@127.0.0.1/x"\n[keyring.keys]\nk1 = "c2VjcmV0"\n'
        '[documents.signing.signers.card]\nbackend = "pkcs11"\nlibrary = "/x.so"\ntoken = "t"\nkey = "k"\npin = "918273"\n'
        '[documents.signing.signers.seal]\nbackend = "file"\npkcs12 = "seal.p12"\npassphrase = "hunter3"\n'
        '[notify.providers.mail]\nbackend = "smtp"\nsender = "a@b.example"\npassword = "hunter4"\n'
    )
    told = run("config", "show")
    for secret in ("hunter2", "c2VjcmV0", "918273", "hunter3", "hunter4"):
        assert secret not in told
    assert json.loads(told)["documents"]["signing"]["signers"]["seal"]["pkcs12"] == "seal.p12"
    assert json.loads(run("config", "schema"))["properties"].keys() >= {"platform", "database", "web"}
    assert "settings are valid" in run("config", "check")
    (tmp_path / "brickwork.toml").write_text("[web]\nprot = 1\n")
    with pytest.raises(SettingsError, match=r"web\.prot"):
        run("config", "check")


def test_plugins_keys_and_version(run):
    assert "entities" in run("plugins")
    assert len(run("keys", "generate").strip()) == 44
    assert run("--version").startswith("brickwork 0.1")
