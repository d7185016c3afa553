"""Real upstreams that say what a test wants, byte by byte, and a gateway before them, each on a socket of its own."""

import contextlib
import http.client
import json
import socket
import threading
from pathlib import Path
from time import monotonic, sleep

import attrs
import pytest
import uvicorn
import yaml

from brickwork import Platform


class Message:
    """What has headers: `message[name]` is the value of one that is there once."""

    headers: list[tuple[str, str]]

    def all(self, name):
        return [value for key, value in self.headers if key == name]

    def __getitem__(self, name):
        (value,) = self.all(name)
        return value


@attrs.define
class Request(Message):
    """A request as an upstream saw it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    #: Number of the connection that it came by.
    connection: int = 0

    @property
    def method(self):
        return self.line.split(" ")[0]

    @property
    def target(self):
        return self.line.split(" ")[1]


def answer(status=200, body=b"{}", headers=(), kind="application/json"):
    """The bytes of a plain answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Upstream:
    """Answers each request with bytes, or by `behave(request, socket)`. It keeps connections unless that returns False."""

    def __init__(self, behave=None, port=0):
        self.behave = behave if behave is not None else answer()
        self.requests = []
        self.connections = 0
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.target = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                self.connections += 1
                self._sockets.append(accepted)
                threading.Thread(target=self._serve, args=(accepted, self.connections), daemon=True).start()

    def _serve(self, accepted, number):
        # ValueError: the gateway gave up in the middle of a chunk
        with contextlib.suppress(OSError, ValueError), accepted, accepted.makefile("rb") as stream:
            while (request := self._read(stream)) is not None:
                request.connection = number
                self.requests.append(request)
                if callable(self.behave):
                    if self.behave(request, accepted) is False:
                        return
                else:
                    accepted.sendall(self.behave)

    def _read(self, stream):
        line = stream.readline()
        if not line:
            return None
        headers = []
        while (field := stream.readline().rstrip(b"\r\n")) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers.append((name.lower(), value.strip()))
        request = Request(line.decode().strip(), headers)
        if request.all("transfer-encoding"):
            while size := int(stream.readline(), 16):
                request.body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            request.body = stream.read(int((request.all("content-length") or ["0"])[0]))
        return request

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for accepted in self._sockets:
            with contextlib.suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)


@attrs.define
class Answer(Message):
    """An answer as a client saw it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of the error in the envelope."""
        assert self.json["status"] == "error"
        return self.json["errors"][0]["code"]


class Served:
    """A gateway that listens."""

    def __init__(self, platform, port=0):
        self.platform = platform
        self.proxy = platform.gateway.app()
        options = {"http": "httptools", "ws": "websockets-sansio", "log_config": None, "proxy_headers": False}
        config = uvicorn.Config(self.proxy, port=0, server_header=False, date_header=False, **options)
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        until(lambda: self._server.started)

    def request(self, method, path, body=None, headers=(), *, timeout=20):
        """One request on a connection of its own; a body that is an iterator goes in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, path, skip_host="Host" in dict(headers), skip_accept_encoding=True)
            for name, value in dict(headers).items():
                connection.putheader(name, value)
            with contextlib.suppress(ConnectionError):  # an answer may come before all of the body was taken
                if body is not None and isinstance(body, bytes):
                    connection.putheader("Content-Length", str(len(body)))
                    connection.endheaders(body)
                elif body is not None:
                    connection.putheader("Transfer-Encoding", "chunked")
                    connection.endheaders(body, encode_chunked=True)
                else:
                    connection.endheaders()
            got = connection.getresponse()
            return Answer(got.status, [(key.lower(), value) for key, value in got.getheaders()], got.read())
        finally:
            connection.close()

    def get(self, path="/", **headers):
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def raw(self, data, *, timeout=5):
        """What comes back for bytes, until the connection ends or is silent."""
        with socket.create_connection(("127.0.0.1", self.port)) as made:
            made.settimeout(timeout)
            made.sendall(data)
            got = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while piece := made.recv(65536):
                    got += piece
        return got

    def metric(self, name, **labels):
        return self.platform.metrics.get_sample_value(f"brickwork_gateway_{name}", labels)

    def stop(self):
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


def until(true, seconds=15):
    """Wait until something is true."""
    deadline = monotonic() + seconds
    while not true():
        assert monotonic() < deadline
        sleep(0.01)


@pytest.fixture
def upstream():
    """Makes upstreams."""
    made = []

    def make(behave=None, **options):
        made.append(Upstream(behave, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def serve(tmp_path):
    """Serves a definition; `on` is the platform, by default one of the gateway alone."""
    made, platforms = [], []

    def start(definition, on=None, *, port=0, **settings):
        file = tmp_path / f"gateway-{len(made)}.yaml"
        file.write_text(yaml.safe_dump(definition))
        if on is None:
            sections = {
                "platform": {"data_dir": tmp_path / "data", "environment": "test"},
                "database": {"url": f"sqlite:///{tmp_path / 'gateway.db'}"},
                "gateway": {"files": [file], **settings},
            }
            on = Platform(["gateway"], settings=sections)
            platforms.append(on)
        made.append(Served(on, port))
        return made[-1]

    yield start
    for served in made:
        served.stop()
    for platform in platforms:
        platform.close()


@pytest.fixture
def simple(serve, upstream):
    """A gateway with one service and one route: `simple(behave, service={...}, route={...})` gives gateway and upstream."""

    def start(behave=None, *, service=None, route=None, policies=None, gateway=None, **settings):
        behind = upstream(behave)
        definition = {
            "services": [{"name": "api", "targets": [behind.target], **(service or {})}],
            "routes": [{"name": "all", "service": "api", **(route or {})}],
            "policies": policies or {},
            **(gateway or {}),
        }
        return serve(definition, **settings), behind

    return start


@pytest.fixture
def plain():
    """Makes the bytes of a plain answer."""
    return answer


@pytest.fixture
def eventually():
    return until


@pytest.fixture
def write_definition(tmp_path):
    """Writes a definition into a file."""

    def write(definition) -> Path:
        file = tmp_path / "definition.yaml"
        file.write_text(yaml.safe_dump(definition))
        return file

    return write
