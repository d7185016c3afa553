"""Commands of flags, as a person types them."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from brickwork.cli.app import app
from brickwork.errors import BrickworkError, NotFoundError, ValidationError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brickwork.cli.flags.out", Console(width=250))
    monkeypatch.setenv("BRICKWORK_TENANT", "alpha")

    def run(*words):
        result = CliRunner().invoke(app, list(words))
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    run("db", "upgrade")
    return run


def test_a_flag_from_its_definition_to_its_end(run, tmp_path):
    (tmp_path / "engine.json").write_text('{"key": "engine", "description": "the new one"}')
    run("flags", "define", "@engine.json")
    assert "the new one" in run("flags", "list")
    assert json.loads(run("flags", "show", "engine")) == {"key": "engine", "description": "the new one"}
    assert run("flags", "evaluate", "engine") == "off: false (STATIC)\n"
    run("flags", "roll", "engine", "100")
    assert run("flags", "evaluate", "engine") == "on: true (SPLIT)\n"
    run("flags", "roll", "engine", "0.5", "--by", "tenant")
    assert json.loads(run("flags", "show", "engine"))["rules"][0]["serve"]["weights"] == {"on": 500, "off": 99500}
    run("flags", "override", "engine", "on", "--reason", "pilot", "--until", "2099-01-01T00:00:00+0000")
    assert run("flags", "evaluate", "engine") == "on: true (OVERRIDE)\n"
    run("flags", "kill", "engine")
    assert run("flags", "evaluate", "engine") == "off: false (DISABLED)\n"
    assert "killed" in run("flags", "list")
    run("flags", "restore", "engine")
    run("flags", "revoke", "engine")
    assert "OVERRIDE" not in run("flags", "evaluate", "engine")


def test_rules_see_the_attributes_that_are_given(run):
    run("flags", "define", '{"key": "engine", "rules": [{"when": "plan == \'gold\'", "serve": "on"}]}')
    assert run("flags", "evaluate", "engine", '{"plan": "gold"}') == "on: true (TARGETING_MATCH)\n"
    assert run("flags", "evaluate", "engine", '{"plan": "tin"}') == "off: false (DEFAULT)\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["define", "{"], ValidationError),
        (["define", "[]"], ValidationError),
        (["define", "@missing.json"], ValidationError),
        (["define", '{"key": "x", "default": "maybe"}'], ValidationError),
        (["show", "typo"], NotFoundError),
        (["kill", "typo"], NotFoundError),
        (["evaluate", "typo"], NotFoundError),
        (["roll", "typo", "10"], NotFoundError),
    ],
)
def test_bad_input_is_told(run, words, error):
    with pytest.raises(error):
        run("flags", *words)


def test_only_boolean_flags_are_rolled(run):
    run("flags", "define", '{"key": "theme", "variants": {"a": "light", "b": "dark"}, "default": "a", "off": "a"}')
    with pytest.raises(ValidationError, match="no variant"):
        run("flags", "roll", "theme", "10")
