"""Logs: for whom a line was written, and nobody's secrets in it."""

import io
import json
import logging
import subprocess
import sys

import pytest
import structlog

from brickwork import Platform, hookimpl
from brickwork.kernel.logs import MASK, configure, mask_text
from brickwork.messaging import Event, handles
from brickwork.testing.auth import bearer
from brickwork.web import create_app

log = logging.getLogger("product")


@pytest.fixture
def lines(request):
    """Starts to log on a platform; gives the lines so far."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()

    def begin(platform):
        configure(platform, stream)
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    begin.text = stream.getvalue
    yield begin
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


@pytest.fixture
def bare():
    with Platform(settings={"database": {"url": "sqlite://"}}, discover=False) as platform:
        yield platform


def test_a_line_says_for_whom_it_was_written(bare, lines):
    said = lines(bare)
    log.warning("outside")
    with bare.context(tenant="north", actor="user:kim") as context:
        log.info("bed %s is free", 7, extra={"ward": "B"})
        structlog.get_logger("product").info("moved", bed=7)
    log.debug("too little")
    outside, free, moved = said()
    assert (outside["event"], outside["level"], outside["logger"]) == ("outside", "warning", "product")
    assert "tenant" not in outside
    assert (free["event"], free["ward"]) == ("bed 7 is free", "B")
    assert free["timestamp"].endswith("Z")
    for line in (free, moved):
        assert (line["tenant"], line["actor"], line["correlation_id"]) == ("north", "user:kim", context.correlation_id)
    assert (moved["event"], moved["bed"], moved["logger"]) == ("moved", 7, "product")


def test_values_of_telling_names_are_masked_wherever_they_stand(bare, lines):
    said = lines(bare)
    given = {"user": "kim", "Password": "hunter2", "nested": [{"api_key": "hunter2", "n": 1}], "tokens_left": 3}
    log.info("login", extra={"form": given, "authorization": "hunter2", "client_secret": "hunter2"})
    structlog.get_logger().info("again", refresh_token="hunter2")
    login, again = said()
    assert "hunter2" not in json.dumps([login, again])
    assert login["form"]["user"] == "kim"
    assert login["form"]["nested"] == [{"api_key": MASK, "n": 1}]
    assert login["form"]["tokens_left"] == 3
    assert again["refresh_token"] == MASK


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("connect to postgresql://app:hunter2@db/clinic", f"connect to postgresql://app:{MASK}@db/clinic"),
        ("Authorization: Bearer eyJhbGciOi.hunter2.x", f"Authorization: Bearer {MASK}"),
        ("password=hunter2&user=kim", f"password={MASK}&user=kim"),
        ('{"secret": "hunter2"}', f'{{"secret": "{MASK}"}}'),
        ("redis://:hunter2@cache:6379/0", f"redis://:{MASK}@cache:6379/0"),
        ("the tokens of kim", "the tokens of kim"),
    ],
)
def test_secrets_in_text_are_masked(text, left):
    assert mask_text(text) == left


def test_a_traceback_has_no_secret(bare, lines):
    said = lines(bare)
    try:
        password = "hunter2"
        raise ValueError(f"postgresql://app:{password}@db refused")
    except ValueError:
        log.exception("failed")
    (line,) = said()
    assert "ValueError" in line["exception"]
    assert "hunter2" not in lines.text()


def test_what_cannot_be_written_as_json_is_written_as_text(bare, lines):
    said = lines(bare)
    deep = current = {}
    for _ in range(20):
        current["more"] = {}
        current = current["more"]
    log.info("odd", extra={"deep": deep, "thing": object, "many": {1, 2}, 3: "three"} | {"bytes": b"\xff"})
    log.info("large", extra={"number": 2**70, "file": "\udcff"})
    line, large = said()
    assert (large["number"], large["file"]) == (2**70, "\udcff")
    assert "object" in line["thing"]
    assert MASK in json.dumps(line["deep"])


def test_the_settings_say_from_which_level_on_and_how(lines):
    settings = {"database": {"url": "sqlite://"}, "platform": {"log_level": "error", "log_format": "console"}}
    with Platform(settings=settings, discover=False) as platform:
        lines(platform)
        log.warning("unheard")
        try:
            raise ValueError("password=hunter2")
        except ValueError:
            log.exception("heard")
    assert "unheard" not in lines.text()
    assert "heard" in lines.text()
    assert "ValueError" in lines.text()
    assert "hunter2" not in lines.text()


class Knocked(Event, name="door.knocked"):
    door: str


def test_one_correlation_id_leads_from_the_request_to_the_handler(make_platform, lines):
    from starlette.testclient import TestClient

    from brickwork.web.endpoint import SIGNED_IN, Endpoint

    class Product:
        @hookimpl
        def brickwork_handlers(self):
            @handles(Knocked, name="open")
            def open_(platform, event):
                log.info("opening %s", event.door)

            return [open_]

        @hookimpl
        def brickwork_routes(self, platform):
            def knock(call):
                log.info("knocking")
                with platform.transaction() as transaction:
                    transaction.publish(Knocked(door="front"))
                return {}

            about = {"summary": "Knock", "tag": "door", "permission": SIGNED_IN}
            return [Endpoint(method="POST", path="/knock", handler=knock, returns=dict, **about)]

    platform = make_platform(plugins=[Product()], messaging={"in_server": False})
    said = lines(platform)
    with TestClient(create_app(platform)) as client:
        headers = {**bearer(platform, "north", "kim"), "X-Correlation-ID": "click-1"}
        assert client.post("/api/v1/knock", headers=headers).status_code == 200
        platform.messaging.drain()
    written = [line for line in said() if line["logger"] == "product"]
    assert [line["event"] for line in written] == ["knocking", "opening front"]
    assert {(line["correlation_id"], line["tenant"], line["actor"]) for line in written} == {("click-1", "north", "service:kim")}


def test_a_server_logs_nothing_but_lines_of_json(tmp_path):
    command = [sys.executable, "-m", "brickwork", "serve", "--port", "0"]
    written = []
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            written.append(json.loads(line))
            if "running on" in written[-1]["event"]:
                process.terminate()
    assert process.returncode in (0, -15)
    assert any("running on" in line["event"] for line in written)
    assert {line["level"] for line in written} <= {"info", "warning"}
