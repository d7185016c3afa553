"""Apprise keeps the channels' contract, over its service for JSON to a server in this process."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from brickwork_apprise.channel import AppriseChannel
from brickwork_apprise.settings import AppriseSettings
from pydantic import ValidationError as SettingsRefused

from brickwork.errors import ValidationError
from brickwork.notify.channels import Attachment, Outgoing, TemporaryFailure
from brickwork.testing.contracts.channel import ChannelContract, Rig

TOKEN = "t0ken-in-the-address"
TIMEOUT = 1.0


class Server(ThreadingHTTPServer):
    """Takes Apprise's JSON, and does for each path what it was told to."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours, self.received, self.over = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def address(self, number):
        return f"json://kim:{TOKEN}@127.0.0.1:{self.server_address[1]}/{number}"

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """The other side has had enough."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        behaviour = self.server.behaviours.get(self.server.address(self.path.strip("/")), "accept")
        if behaviour == "hang":
            self.server.over.wait(30)
            return
        if behaviour == "accept":
            self.server.received.append(told)
        self.send_response({"accept": 200, "temporary": 503, "permanent": 400}[behaviour])
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def channel():
    return AppriseChannel(AppriseSettings(schemes=["json", "Slack"], timeout=TIMEOUT))


class TestApprise(ChannelContract):
    @pytest.fixture
    def rig(self, server, channel):
        return Rig(
            channel=channel,
            address=server.address,
            behave=server.behaviours.__setitem__,
            received=lambda: [told["title"] for told in server.received],
            normal={"JSON://example.org/A": "json://example.org/A"},
            refused=[
                "json",
                "json://",
                "https://example.org/",
                "xml://example.org/",
                "syslog://",
                "json://exa mple.org/",
                "slack://what",
                f"json://example.org/{'x' * 5000}",
            ],
            secrets=[TOKEN],
            timeout=TIMEOUT,
            tells_permanent=False,
        )


def test_it_says_what_the_message_says(server, channel):
    channel.send(Outgoing(id="a", address=server.address(1), subject="Hello", text="Grüße"))
    channel.send(Outgoing(id="b", address=server.address(1), html="<b>Hi</b>"))
    assert [(told["title"], told["message"]) for told in server.received] == [("Hello", "Grüße"), ("", "<b>Hi</b>")]


def test_an_address_can_not_say_how_long_it_is_waited_for(server, channel):
    from time import monotonic

    server.behaviours[server.address(1)] = "hang"
    began = monotonic()
    with pytest.raises(TemporaryFailure):
        channel.send(Outgoing(id="a", address=f"{server.address(1)}?rto=20&cto=20&retry=5&optional=yes", text="x"))
    assert monotonic() - began < 3 * TIMEOUT


@pytest.mark.parametrize("wrong", [{"text": ""}, {"attachments": (Attachment(name="a", content=b"", media_type="a/b"),)}])
def test_what_it_can_not_send_is_refused(server, channel, wrong):
    with pytest.raises(ValidationError):
        channel.send(Outgoing(**{"id": "a", "address": server.address(1), "text": "x", **wrong}))
    assert not server.received


def test_the_schemes_must_be_named():
    with pytest.raises(SettingsRefused):
        AppriseSettings()
    with pytest.raises(SettingsRefused):
        AppriseSettings(schemes=[])


def test_the_platform_finds_it():
    import brickwork_apprise

    (backend,) = brickwork_apprise.brickwork_backends()
    assert (backend.port, backend.name) == ("channel", "apprise")
    from brickwork.kernel.component import resolve

    assert isinstance(resolve(backend.factory)(None, AppriseSettings(schemes=["json"])), AppriseChannel)
