"""Servers behind the channels, in this process."""

from datetime import UTC, datetime

import pytest

from brickwork.notify.channels import EmailChannel, EmailSettings

from .mailserver import MailServer, ScriptedServer, certificate
from .webserver import WebServer

#: Seconds that channels wait in tests.
PATIENCE = 2.0


@pytest.fixture(scope="session")
def database_kind():
    """No channel uses a database."""
    return "sqlite"


class Still:
    """A clock that stands."""

    moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def now(self):
        return self.moment


@pytest.fixture
def clock():
    return Still()


@pytest.fixture(scope="session")
def localhost(tmp_path_factory):
    """TLS for localhost: the server's context, and the authority's file."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mail_server(localhost):
    """A function that starts a mail server."""
    running = []

    def start(tls=None, **options):
        server = MailServer(tls, options.pop("context", localhost[0]), **options)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def scripted():
    """A function that starts a server which runs a script for each connection."""
    running = []

    def start(script):
        running.append(ScriptedServer(script))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def email_to(clock):
    """A function that makes an email channel to a server."""
    made = []

    def make(server, **settings):
        given = {
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "sender": "The Clinic <no-reply@clinic.example>",
            "hostname": "client.example",
            "timeout": PATIENCE,
            "final_timeout": PATIENCE,
            **settings,
        }
        made.append(EmailChannel(EmailSettings(**given), clock))
        return made[-1]

    yield make
    for channel in made:
        channel.close()


@pytest.fixture
def web():
    """An HTTP server."""
    server = WebServer()
    yield server
    server.stop()
