"""One connection to a mail server: the standard library's client, with a deadline for each answer, and commands that go together
where the server allows it (RFC 2920)."""

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from time import monotonic

import attrs

from brickwork.notify.channels.email.replies import for_now, refused
from brickwork.notify.channels.email.settings import EmailSettings
from brickwork.notify.channels.errors import PermanentFailure, SendError, TemporaryFailure
from brickwork.notify.channels.port import Receipt

#: Bytes of one line, and lines of one reply, that are read.
_LINE, _LINES = 8192, 100
#: Bytes a second below which a server is too slow to be waited for.
_SLOWEST = 20_000
_DOTS = re.compile(rb"^\.", re.MULTILINE)
_END = b".\r\n"
_GOOD = ((250,), (250, 251, 252), (354,))  # to MAIL, RCPT and DATA
_STEPS = ("the sender", "the recipient", "the message")
_LOST = (smtplib.SMTPServerDisconnected, OSError)


@attrs.frozen
class Letter:
    """A message with its envelope."""

    id: str
    sender: str
    recipient: str
    data: bytes
    #: Whether an address takes an internationalised envelope (RFC 6531).
    utf8: bool


class Connection(smtplib.SMTP):
    """See the module. For one thread at a time."""

    def __init__(self, settings: EmailSettings, tls: ssl.SSLContext | None, hostname: str) -> None:
        self._settings = settings
        self._tls = tls
        self._buffer = bytearray()
        #: Messages that went over it, and when it was last used.
        self.messages = 0
        self.used = monotonic()
        #: Why it can't be used any more; None while it can.
        self.broken: SendError | None = None
        super().__init__(local_hostname=hostname, timeout=settings.timeout)

    @property
    def room(self) -> int:
        """Messages that it may still carry."""
        return self._settings.messages_per_connection - self.messages

    def open(self) -> None:
        """Connect, secure, sign in. Raises `TemporaryFailure`: none of it is a message's fault."""
        try:
            self._open()
        except SendError as error:
            self.close()
            raise for_now(error) from None
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise TemporaryFailure(f"the mail server's certificate is not good: {error.verify_message}") from None
        except smtplib.SMTPResponseException as error:
            self.close()  # what the server said to a password isn't told: it may repeat it
            code = str(error.smtp_code)
            raise TemporaryFailure(f"the mail server refused to sign in: {code}", provider_code=code) from None
        except (OSError, ValueError) as error:
            self.close()
            raise TemporaryFailure(f"the mail server can't be used: {_reason(error)}") from None

    def deliver(self, letters: Sequence[Letter], taken: Callable[[int, Receipt], None]) -> list[Receipt | SendError]:
        """Hand the letters over, one after the other; `taken` is told the number of each as soon as the server has it. What is
        returned is shorter than `letters` where the connection broke: nothing of the rest was handed over. Then `broken` says
        why."""
        outcomes = _Outcomes(taken)
        tail, waiting = b"", False  # what goes before the next command; whether a verdict on a message answers it
        try:
            for letter in letters:
                unfit = self._unfit(letter)
                if unfit is not None:
                    self._flush(outcomes, tail, waiting)
                    outcomes.append(unfit)
                    tail, waiting = b"", False
                    continue
                commands = self._commands(letter)
                together = self._together
                self.send(tail + b"".join(commands) if together else tail)
                if tail:
                    self._settle(outcomes, waiting)
                waiting = False
                failure, ready = self._begin(commands, sent=together)
                if failure is None:
                    tail, waiting = _DOTS.sub(b"..", letter.data) + _END, True
                else:
                    outcomes.append(failure)
                    # who takes data for nobody gets none; else the sender that was named is forgotten
                    tail = _END if ready else b"RSET\r\n"
            self._flush(outcomes, tail, waiting)
        except _Gone as gone:
            self._break(gone.failure)
        except _LOST as error:
            lost = TemporaryFailure(f"the connection to the mail server broke: {_reason(error)}")
            if waiting:
                outcomes.append(TemporaryFailure(f"{lost.message}; whether it took the message isn't known", uncertain=True))
            self._break(lost)
        self.messages += len(outcomes)
        self.used = monotonic()
        return outcomes

    def lives(self) -> bool:
        """Whether the server still answers."""
        try:
            return self.noop()[0] == 250
        except (*_LOST, smtplib.SMTPException):
            return False

    def end(self) -> None:
        """Take leave, without waiting for long."""
        if self.sock is None:
            return
        try:
            self.sock.settimeout(1)
            self.sock.sendall(b"QUIT\r\n")
            self.getreply(1)
        except _LOST:
            pass
        self.close()

    # -- the client's own steps, with a deadline for each answer ---------------------------------------------------------

    def send(self, s: "bytes | str") -> None:  # type: ignore[override]
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        left = memoryview(s.encode(self.command_encoding) if isinstance(s, str) else s)
        deadline = monotonic() + self._settings.timeout + len(left) / _SLOWEST
        try:
            while left:
                self.sock.settimeout(max(deadline - monotonic(), 0.001))
                left = left[self.sock.send(left) :]
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected(_reason(error)) from None

    def getreply(self, seconds: float | None = None) -> tuple[int, bytes]:
        deadline = monotonic() + (seconds or self._settings.timeout)
        lines: list[bytes] = []
        while len(lines) < _LINES:
            line = self._line(deadline)
            if not (line[:3].isdigit() and line[3:4] in (b"", b" ", b"-")):
                break
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
        self.close()
        raise smtplib.SMTPServerDisconnected("the server's answer is none of SMTP")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made = socket.create_connection((host, port), timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._settings.security == "tls" and self._tls is not None:
            return self._tls.wrap_socket(made, server_hostname=host)
        return made

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if self.sock is None or len(self._buffer) > _LINE:
                self.close()
                raise smtplib.SMTPServerDisconnected("the server's answer is none of SMTP")
            left = deadline - monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self.sock.settimeout(left)
                chunk = self.sock.recv(4096)
            except OSError as error:
                self.close()
                raise smtplib.SMTPServerDisconnected(_reason(error)) from None
            if not chunk:
                self.close()
                raise smtplib.SMTPServerDisconnected("the server closed it")
            self._buffer += chunk
        line = bytes(self._buffer[: end + 1]).rstrip(b"\r\n")
        del self._buffer[: end + 1]
        return line

    # -- the parts of opening and delivering -----------------------------------------------------------------------------

    def _open(self) -> None:
        settings = self._settings
        code, text = self.connect(settings.host, settings.real_port)
        if code != 220:
            raise refused(code, text, "the connection")
        self._greet()
        if settings.security == "starttls" and self._tls is not None:
            if not self.has_extn("starttls"):
                raise TemporaryFailure("the mail server offers no STARTTLS, and security asks for it")
            code, text = self.docmd("STARTTLS")
            if code != 220:
                raise refused(code, text, "STARTTLS")
            self._secure(self._tls)
            self._greet()
        if settings.username is not None and settings.password is not None:
            self.login(settings.username, settings.password.get_secret_value())
        self._together = settings.pipelining and self.has_extn("pipelining")

    def _secure(self, tls: ssl.SSLContext) -> None:
        if self.sock is None or self._buffer:  # what is read already would count as said under TLS, whoever said it
            raise TemporaryFailure("the mail server spoke on before TLS began")
        self.sock.settimeout(self._settings.timeout)
        self.sock = tls.wrap_socket(self.sock, server_hostname=self._settings.host)

    def _greet(self) -> None:
        code, text = self.ehlo()
        if code != 250:
            code, text = self.helo()
        if code != 250:
            raise refused(code, text, "the greeting")

    def _unfit(self, letter: Letter) -> SendError | None:
        """Why this server can't take a letter, by what it announced."""
        most = self.esmtp_features.get("size", "")
        if most.isdecimal() and 0 < int(most) < len(letter.data):
            return PermanentFailure(f"the message has {len(letter.data)} bytes; the mail server takes {most}")
        if letter.utf8 and not self.has_extn("smtputf8"):
            return PermanentFailure("the mail server takes no internationalised addresses (SMTPUTF8)", provider_code="5.6.7")
        return None

    def _commands(self, letter: Letter) -> list[bytes]:
        mail, rcpt = f"MAIL FROM:<{letter.sender}>", f"RCPT TO:<{letter.recipient}>"
        if self.has_extn("size"):
            mail += f" SIZE={len(letter.data)}"
        if letter.utf8:
            mail += " SMTPUTF8 BODY=8BITMIME" if self.has_extn("8bitmime") else " SMTPUTF8"
        if self.has_extn("dsn"):  # a report then brings the id back, whatever else it holds (RFC 3461)
            mail += f" RET=HDRS ENVID={letter.id}"
            rcpt += " NOTIFY=FAILURE,DELAY"
        return [f"{mail}\r\n".encode(), f"{rcpt}\r\n".encode(), b"DATA\r\n"]

    def _begin(self, commands: list[bytes], *, sent: bool) -> tuple[SendError | None, bool]:
        """The first refusal, and whether the server waits for a message."""
        failure, code = None, 0
        for command, good, what in zip(commands, _GOOD, _STEPS, strict=True):
            if not sent:
                if failure is not None:
                    return failure, False
                self.send(command)
            code, text = self.getreply()
            if code == 421:
                raise _Gone(refused(code, text, what))
            if code not in good and failure is None:
                failure = refused(code, text, what)
        return failure, code == 354

    def _flush(self, outcomes: "_Outcomes", tail: bytes, waiting: bool) -> None:
        if tail:
            self.send(tail)
            self._settle(outcomes, waiting)

    def _settle(self, outcomes: "_Outcomes", waiting: bool) -> None:
        """Read what the server says to the end of a message, or to what is of no interest."""
        code, text = self.getreply(self._settings.final_timeout if waiting else None)
        if not waiting:
            return
        if code == 250:
            outcomes.took(Receipt(detail=text.decode("utf-8", "replace")[:200]))
            return
        outcomes.append(refused(code, text, "the message"))
        if code == 421:
            raise _Gone(refused(code, text, "the message"))

    def _break(self, failure: SendError) -> None:
        self.broken = failure
        self.close()


class _Outcomes(list[Receipt | SendError]):
    """What became of letters so far."""

    def __init__(self, taken: Callable[[int, Receipt], None]) -> None:
        super().__init__()
        self._taken = taken

    def took(self, receipt: Receipt) -> None:
        """The server has the next one."""
        self._taken(len(self), receipt)
        self.append(receipt)


class _Gone(Exception):
    """The server has said that it closes the connection."""

    def __init__(self, failure: SendError) -> None:
        self.failure = failure


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its name can't be resolved"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return str(error)
    return type(error).__name__
