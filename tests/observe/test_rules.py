"""The rules and the dashboard, judged by Prometheus' own promtool, and held against what a running platform counts."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from starlette.testclient import TestClient
from typer.testing import CliRunner

from brickwork.cli.app import app
from brickwork.errors import BrickworkError, ValidationError
from brickwork.observe import Objectives, dashboard, rules
from brickwork.testing.plugin import absent
from brickwork.web import create_app


@pytest.fixture
def promtool(tmp_path):
    program = shutil.which("promtool")
    if program is None:
        absent("promtool is not installed; Debian's package prometheus has it")

    def run(*words, **files):
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
        done = subprocess.run([program, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def series(name, values, **labels):
    inside = ",".join(f'{key}="{value}"' for key, value in {"job": "clinic", **labels}.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


def requests(status, values):
    return series("brickwork_http_requests_total", values, method="GET", route="/api/v1/x", status=status)


def ringing(at, *alerts):
    """Which alerts fire `at` a time, no other."""
    samples = [
        {"labels": "{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}", "value": 1}
        for labels in map(dict, alerts)
    ]
    by = "alertname, window, handler"
    return {"expr": f'count by ({by}) (ALERTS{{alertstate="firing"}})', "eval_time": at, "exp_samples": samples}


def burn(slo, window):
    return {"alertname": f"Brickwork{slo}Burns", "window": window}


def check(promtool, objectives, *tests, interval="1m"):
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": list(tests)}
    promtool("test", "rules", "tests.yaml", rules=rules(objectives), tests=whole)


def story(inputs, *expected, interval="1m"):
    return {"interval": interval, "input_series": list(inputs), "promql_expr_test": list(expected)}


# -- the alerts, as promtool's unit tests ------------------------------------------------------------------------------


def test_an_outage_pages_within_minutes_and_stops_soon_after_its_end(promtool):
    # 100 requests a minute; for ten minutes after the first hour all fail
    good = requests("200", "0+100x60 6000x9 6000+100x200")
    bad = requests("503", "0x60 0+100x10 1000x200")
    check(
        promtool,
        Objectives(),
        story(
            [good, bad],
            ringing("59m"),
            ringing("63m", *[burn("Availability", window) for window in ("1h", "6h", "1d", "3d")]),
            ringing("77m", *[burn("Availability", window) for window in ("6h", "1d", "3d")]),
            ringing("105m", *[burn("Availability", window) for window in ("1d", "3d")]),
        ),
    )


def test_a_blip_does_not_page(promtool):
    # one minute in which three in a hundred fail, in a day of traffic
    good, bad = requests("200", "0+100x1440"), requests("500", "0x720 0+3x1 3x719")
    check(promtool, Objectives(), story([good, bad], *[ringing(f"{m}m") for m in (719, 721, 722, 725, 1440)]))


def test_a_slow_burn_makes_a_ticket_and_no_page(promtool):
    # two in a thousand fail, twice what is allowed, for four days
    good, bad = requests("200", "0+9980x1152"), requests("500", "0+20x1152")
    expected = ringing("96h", burn("Availability", "3d"))
    check(promtool, Objectives(), story([good, bad], expected, interval="5m"), interval="5m")


def test_the_objective_is_what_was_asked_for(promtool):
    good, bad = requests("200", "0+9800x72"), requests("500", "0+200x72")
    check(promtool, Objectives(availability=97.0), story([good, bad], ringing("6h"), interval="5m"), interval="5m")
    loud = ringing("6h", *[burn("Availability", window) for window in ("1h", "6h", "1d", "3d")])
    check(promtool, Objectives(availability=99.9), story([good, bad], loud, interval="5m"), interval="5m")


def test_nobody_calling_and_nobody_failing_are_silent(promtool):
    idle = story([requests("200", "5x600"), requests("500", "1x600")], ringing("10h"))
    fine = story(
        [requests("200", "0+100x600")],
        ringing("10h"),
        {"expr": "brickwork:errors:ratio_rate1h", "eval_time": "10h", "exp_samples": [
            {"labels": 'brickwork:errors:ratio_rate1h{job="clinic"}', "value": 0}]},
    )  # fmt: skip
    check(promtool, Objectives(), idle, fine)


def test_a_failure_of_everything_counts_although_nothing_ever_succeeded(promtool):
    windows = [burn("Availability", window) for window in ("1h", "6h", "1d", "3d")]
    check(promtool, Objectives(), story([requests("500", "0+100x30")], ringing("20m", *windows)))


def test_slow_answers_burn_the_latency_budget(promtool):
    def counted(bound, values):
        return series("brickwork_http_request_seconds_bucket", values, method="GET", route="/x", le=bound)

    total = series("brickwork_http_request_seconds_count", "0+100x60", method="GET", route="/x")
    slow = [counted("0.25", "0+50x60"), counted("0.5", "0+90x60"), counted("+Inf", "0+100x60"), total]
    windows = [burn("Latency", window) for window in ("1h", "6h", "1d", "3d")]
    check(promtool, Objectives(latency=99.0, threshold=0.25), story(slow, ringing("50m", *windows)))
    # a tenth is slower than half a second: twice what this objective allows
    wanted = Objectives(latency=95.0, threshold=0.5)
    check(promtool, wanted, story(slow, ringing("50m", burn("Latency", "3d"))))


def test_work_that_waits_dies_or_goes_blind_rings(promtool):
    inputs = [
        series("brickwork_events_overdue_seconds", "0x10 400+60x20", handler="mail"),
        series("brickwork_events_overdue_seconds", "0+1x30", handler="index"),
        series("brickwork_dead_letters", "0x20 2x20", handler="mail"),
        series("brickwork_cache_backend_failures_total", "0x10 0+5x30"),
        series("brickwork_limits_decisions_total", "0+5x40", result="allowed"),
        series("brickwork_limits_decisions_total", "0x10 0+5x30", result="blind"),
    ]
    backlog = {"alertname": "BrickworkBacklogOld", "handler": "mail"}
    dead = {"alertname": "BrickworkDeadLetters", "handler": "mail"}
    blind, slow = {"alertname": "BrickworkLimitsBlind"}, {"alertname": "BrickworkCacheDegraded"}
    check(promtool, Objectives(), story(inputs, ringing("10m"), ringing("18m", backlog, blind, slow),
                                        ringing("25m", backlog, dead, blind, slow)))  # fmt: skip


def test_an_alert_tells_what_is_wrong_and_what_to_do(promtool):
    inputs = [series("brickwork_dead_letters", "2x20", handler="mail")]
    expected = {
        "exp_labels": {"severity": "ticket", "job": "clinic", "handler": "mail"},
        "exp_annotations": {
            "summary": "clinic: 2 dead letters of mail",
            "description": "Events that a handler could not handle rest: see `brickwork dead list`; mend the cause, "
            "then replay or discard.",
        },
    }
    told = {"eval_time": "5m", "alertname": "BrickworkDeadLetters", "exp_alerts": [expected]}
    check(promtool, Objectives(), {"interval": "1m", "input_series": inputs, "alert_rule_test": [told]})


# -- against the running platform --------------------------------------------------------------------------------------


def dashboard_expressions(objectives=None):
    return [target["expr"] for panel in dashboard(objectives)["panels"] for target in panel["targets"]]


def test_every_metric_and_recorded_name_exists(platform):
    platform.rpc.serve(port=0)
    with TestClient(create_app(platform), client=("127.0.0.1", 50000)) as client:
        client.get("/api/v1/entity-types")
        page = client.get("/metrics").text
    exposed = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE):
        exposed |= {name} if kind != "histogram" else {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    groups = rules()["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    expressions = [rule["expr"] for group in groups for rule in group["rules"]] + dashboard_expressions()
    used = {name for expression in expressions for name in re.findall(r"brickwork[:_][a-z0-9_:]+", expression)}
    assert len(used) > 15
    assert used <= exposed | recorded, used - exposed - recorded
    labels = set(re.findall(r'brickwork_http_request_seconds_bucket\{le="([\d.]+)"', page))
    labels |= set(re.findall(r'brickwork_http_request_seconds_bucket\{.*?le="([\d.]+)"', page))
    assert {"0.25", "1.0", "10.0"} <= labels


def test_the_age_of_what_is_due_is_told(make_platform, frozen_clock):
    from brickwork import hookimpl
    from brickwork.messaging import Event, handles

    class Knocked(Event, name="door.knocked"):
        door: str

    @handles(Knocked, name="open")
    def open_(platform, event):
        pass

    class Product:
        @hookimpl
        def brickwork_handlers(self):
            return [open_]

    platform = make_platform(plugins=[Product()], messaging={"in_server": False}, clock=frozen_clock)
    with platform.context(tenant="north", actor="user:kim"), platform.transaction() as transaction:
        transaction.publish(Knocked(door="front"))
    frozen_clock.advance(seconds=420)

    def told():
        platform.measure()
        return platform.metrics.get_sample_value("brickwork_events_overdue_seconds", {"handler": "open"})

    assert told() == pytest.approx(420, abs=1)
    platform.messaging.drain()
    assert told() == 0


# -- the files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objectives", [Objectives(), Objectives(availability=99.99, latency=95, threshold=1.0, period=7)])
def test_promtool_finds_nothing_to_say(promtool, objectives):
    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", rules=rules(objectives))


def test_every_expression_of_the_dashboard_parses(promtool):
    found = [e.replace("$__rate_interval", "5m").replace("$job", ".*") for e in dashboard_expressions()]
    assert len(found) >= 15
    assert "$" not in "".join(found)
    group = {"name": "panels", "rules": [{"record": f"panel:{n}", "expr": e} for n, e in enumerate(found)]}
    assert f"{len(found)} rules found" in promtool("check", "rules", "panels.yaml", panels={"groups": [group]})


def test_panels_have_places_of_their_own():
    panels = dashboard()["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) == len({panel["id"] for panel in panels})


def test_the_command_writes_both(tmp_path):
    def run(*words):
        result = CliRunner().invoke(app, ["observe", *map(str, words)])
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    assert yaml.safe_load(run("rules", "--availability", "99.5", "--period", 28)) == rules(
        Objectives(availability=99.5, period=28)
    )
    run("dashboard", "--threshold", "0.5", "--file", tmp_path / "board.json")
    assert json.loads((tmp_path / "board.json").read_text()) == dashboard(Objectives(threshold=0.5))
    with pytest.raises(ValidationError, match=r"0\.3 is none of them"):
        run("rules", "--threshold", "0.3")


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"availability": 100}, "availability"),
        ({"availability": 90}, "availability"),
        ({"latency": 0}, "latency"),
        ({"threshold": 0.3}, "threshold"),
        ({"period": 0}, "period"),
        ({"backlog": 0}, "backlog"),
    ],
)
def test_objectives_that_cant_be_watched_are_refused(wrong, field):
    with pytest.raises(ValidationError) as caught:
        Objectives(**wrong)
    assert caught.value.field == field


def test_the_factors_are_those_of_the_workbook():
    wanted = Objectives(period=30)
    assert [wanted.burn(*pair) for pair in ((0.02, "1h"), (0.05, "6h"), (0.10, "1d"), (0.10, "3d"))] == pytest.approx(
        [14.4, 6, 3, 1]
    )
