"""A small HTTP server, real but in this process, that answers as a test tells it and keeps what it was asked."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import attrs


@attrs.frozen
class Asked:
    """A request."""

    method: str
    path: str
    headers: dict
    body: bytes
    connection: object

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@attrs.frozen
class Say:
    """An answer."""

    status: int = 200
    body: bytes = b""
    headers: dict = attrs.field(factory=dict)


class WebServer(ThreadingHTTPServer):
    """`answer(asked)` gives a `Say`, or None: then there is no answer until the server is closed. `raw`, if set, writes the
    whole answer itself."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer=lambda asked: Say()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.raw = None
        self.asked = []
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """The other side has had enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY: the answer's header and body go without waiting for each other

    def _any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body, self.client_address)
        self.server.asked.append(asked)
        if self.server.raw is not None:
            self.server.raw(self.wfile)
            self.close_connection = True
            return
        say = self.server.answer(asked)
        if say is None:
            self.server.over.wait(30)
            self.close_connection = True
            return
        self.send_response(say.status)
        for name, value in say.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(say.body)))
        self.end_headers()
        self.wfile.write(say.body)

    do_GET = do_POST = do_PUT = _any

    def log_message(self, *arguments):
        pass
