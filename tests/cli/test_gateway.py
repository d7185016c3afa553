"""Commands of the gateway, as a person types them."""

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from brickwork.cli.app import app
from brickwork.errors import BrickworkError, ValidationError
from brickwork.gateway.kong import NotExportableError

DEFINITION = """
services:
  - name: billing
    targets: ["10.0.0.1:80 weight=2", "10.0.0.2:80"]
  - name: billing-next
    targets: ["10.0.0.3:80"]
  - name: crm
    discovery:
      - consul: {service: crm, url: "http://127.0.0.1:1"}
      - registry: {service: crm}
routes:
  - name: invoices
    hosts: [api.example.org]
    paths: ["/invoices/*"]
    methods: [GET]
    service: billing
    sticky: random
    canary: {service: billing-next, weight: 5}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brickwork.cli.gateway.out", Console(width=250))
    (tmp_path / "gateway.yaml").write_text(DEFINITION)
    (tmp_path / "brickwork.toml").write_text('[gateway]\nfiles = ["gateway.yaml"]\n')

    def run(*words):
        result = CliRunner().invoke(app, ["gateway", *words])
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result

    assert CliRunner().invoke(app, ["db", "upgrade"]).exit_code == 0
    return run


def test_routes_are_listed_with_where_they_lead(run):
    line = next(line for line in run("routes").stdout.splitlines() if "invoices" in line)
    for told in ("api.example.org", "/invoices/*", "GET", "billing, canary billing-next 5 %"):
        assert told in line


def test_instances_are_listed_by_source(run):
    """Port 1 stands for a Consul that is not there."""
    lines = run("instances").stdout.splitlines()
    assert any("billing" in line and "static" in line and "10.0.0.1:80" in line and "used" in line for line in lines)
    assert any("crm" in line and "consul" in line and "away" in line for line in lines)
    assert any("crm" in line and "registry" in line and "none" in line for line in lines)


def test_the_export_names_what_kong_has_not_and_writes_the_rest_where_that_is_wanted(run, tmp_path):
    with pytest.raises(NotExportableError, match="Kong OSS knows no consul"):
        run("export", "kong")
    told = run("export", "kong", "--allow-partial", "--file", "kong.yaml")
    assert "left out: services.crm: discovery: Kong OSS knows no consul" in told.stderr
    assert "differs: services: retries" in told.stderr
    document = yaml.safe_load((tmp_path / "kong.yaml").read_text())
    assert [service["name"] for service in document["services"]] == ["billing", "billing-next", "crm", "invoices~shares"]
    assert yaml.safe_load(run("export", "kong", "--allow-partial").stdout) == document


def test_a_key_that_can_not_be_read_is_told(run):
    with pytest.raises(ValidationError, match=r"none\.pem can't be read: No such file"):
        run("export", "kong", "--issuer", "https://auth.example.org", "--public-key", "none.pem")
