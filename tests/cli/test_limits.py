"""Commands of limits, as a person types them."""

import pytest
from rich.console import Console
from typer.testing import CliRunner

from brickwork import Platform
from brickwork.cli.app import app
from brickwork.errors import BrickworkError, NotFoundError
from brickwork.limits import Caller

SETTINGS = """
[limits.plans.team]
rates = [{per = "user", rate = "5/minute", routes = ["POST /api/v1/entities/*"]}]
quotas = [{name = "api_calls", limit = 10000, every = "month"}]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brickwork.cli.limits.out", Console(width=250))
    (tmp_path / "brickwork.toml").write_text(SETTINGS)

    def run(*words):
        result = CliRunner().invoke(app, list(words))
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    run("db", "upgrade")
    return run


def test_a_tenant_is_put_on_a_plan_and_its_use_is_shown(run):
    shown = run("limits", "plans")
    assert "5/minute for each user on POST /api/v1/entities/*" in shown
    assert "api_calls: 10,000 a month for the tenant" in shown
    assert run("limits", "assign", "alpha", "team") == "alpha is on plan team\n"
    assert "alpha" in run("limits", "plans")
    with Platform() as platform:
        for _ in range(3):
            platform.limits.admit(Caller("alpha", "user:kim"), lambda: ("GET", ["api"]))
    shown = run("limits", "usage", "--tenant", "alpha")
    assert "alpha is on plan team" in shown
    (line,) = [line for line in shown.splitlines() if "api_calls" in line]
    assert [cell.strip() for cell in line.strip("│ ").split("│")][::3] == ["api_calls", "3"]
    assert "10,000" in line
    assert run("limits", "assign", "alpha") == "alpha is on the default plan\n"
    assert "alpha is on no plan" in run("limits", "usage", "--tenant", "alpha")


def test_a_plan_that_is_not_there_is_told(run):
    with pytest.raises(NotFoundError, match="there is no plan 'golden'; there are anonymous, team"):
        run("limits", "assign", "alpha", "golden")
