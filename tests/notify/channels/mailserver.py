"""A real SMTP server in this process (aiosmtpd), whose behaviour a test chooses for each recipient; and one that does what no
library does, by a script."""

import asyncio
import datetime
import select
import socket
import ssl
import struct
import threading
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

#: What the server says to a recipient, by behaviour.
REFUSALS = {"temporary": "451 4.2.1 try again later", "permanent": "550 5.1.1 no such mailbox"}
USER, PASSWORD = "brickwork", "pa55-of-the-mail-server"


class Handler:
    """Takes messages, and does with each recipient what it was told to."""

    def __init__(self):
        self.behaviours = {}
        self.replies = {}  # recipient: the reply to its message
        self.envelopes = []
        self.sessions = set()
        self.mails = 0
        self.over = None

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        responses.insert(-1, "250-PIPELINING")
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.mails += 1
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        behaviour = self.behaviours.get(address, "accept")
        if behaviour == "hang":
            self.over = self.over or asyncio.Event()
            await self.over.wait()
        if behaviour != "accept" and behaviour != "hang":
            return REFUSALS.get(behaviour, behaviour)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        reply = self.replies.get(envelope.rcpt_tos[0])
        if reply is not None and not reply.startswith("2"):
            return reply
        self.sessions.add(id(session))
        self.envelopes.append(envelope)
        return reply or "250 2.0.0 queued as 4711"


class MailServer(Controller):
    """The server. `tls` is None, "starttls" or "tls"."""

    def __init__(self, tls=None, context=None, auth=False, size=33_554_432):
        self._tls_kind, self._context, self._auth, self._size = tls, context, auth, size
        super().__init__(Handler(), hostname="127.0.0.1", port=0, ssl_context=context if tls == "tls" else None)

    def factory(self):
        options = {"enable_SMTPUTF8": True, "data_size_limit": self._size}
        if self._auth:
            options |= {"authenticator": _authenticate, "auth_required": True}
            options["auth_require_tls"] = self._tls_kind == "starttls"
        if self._tls_kind == "starttls":
            options |= {"tls_context": self._context, "require_starttls": True}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a password may come without its own TLS, under implicit TLS
            return SMTP(self.handler, **options)

    def _trigger_server(self):  # a port of 0 can't be connected to
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    def stop(self, no_assert=True):
        if self.loop.is_closed():
            return
        if self.handler.over is not None:
            self.loop.call_soon_threadsafe(self.handler.over.set)
        super().stop(no_assert=no_assert)

    @property
    def subjects(self):
        import email

        return [email.message_from_bytes(envelope.content)["Subject"] for envelope in self.handler.envelopes]


def _authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=good)


def certificate(folder, name="localhost"):
    """A self-signed certificate for `name`: the server's context, and the file of the authority to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


class ScriptedServer:
    """Runs `script(connection)` for each connection, in a thread."""

    def __init__(self, script):
        self._script = script
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._socket.close()
        for connection in self._open:
            connection.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            self._script(Talk(connection))
        except (OSError, EOFError):
            pass
        finally:
            connection.close()


class Talk:
    """The server's side of a connection."""

    def __init__(self, connection):
        self.connection = connection
        self._buffer = b""

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def hear(self):
        while b"\n" not in self._buffer:
            data = self.connection.recv(65_536)
            if not data:
                raise EOFError
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode().rstrip("\r")

    def more(self):
        """Whether another line has come already, before the last one was answered."""
        return b"\n" in self._buffer or bool(select.select([self.connection], [], [], 0.02)[0])

    def greet(self, *features):
        """The beginning of a session, up to the first command after EHLO."""
        self.say("220 odd.example")
        self.hear()
        self.say("250-odd.example")
        for feature in features:
            self.say(f"250-{feature}")
        self.say("250 ok")

    def body(self):
        lines = []
        while (line := self.hear()) != ".":
            lines.append(line)
        return lines

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
