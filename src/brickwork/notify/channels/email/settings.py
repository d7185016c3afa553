"""The settings of email over SMTP."""

from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from brickwork.errors import ValidationError
from brickwork.kernel.component import ComponentSettings
from brickwork.notify.channels.email.address import Mailbox, check_email, parse_mailbox

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class DkimSettings(ComponentSettings):
    """A key with which messages from `domain` and the domains below it are signed. An RSA and an Ed25519 key may stand side by
    side; each message then has two signatures (RFC 8463, section 3)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    domain: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    #: The key's public half is in DNS under `SELECTOR._domainkey.DOMAIN`.
    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    #: PEM of an RSA key of 1024 bits at least, or of an Ed25519 key.
    private_key: SecretStr

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, value: SecretStr) -> SecretStr:
        from brickwork.notify.channels.email.dkim import load

        load(value.get_secret_value())
        return value


class EmailSettings(ComponentSettings):
    """The server, and who messages are from."""

    model_config = ConfigDict(hide_input_in_errors=True)

    host: str = "127.0.0.1"
    #: None is 587 for "starttls", 465 for "tls" and 25 for "none".
    port: int | None = Field(default=None, ge=1, le=65_535)
    #: "starttls" and "tls" take a server with a good certificate for `host`, and nothing else.
    security: Literal["starttls", "tls", "none"] = "starttls"
    #: PEM of authorities that are trusted besides the system's.
    ca_file: Path | None = None
    username: str | None = None
    password: SecretStr | None = None
    #: Who messages are from, such as "The Clinic <no-reply@clinic.example>".
    sender: str
    #: Where reports of failed deliveries go: an address, in which {id} stands for the delivery's id (VERP), such as
    #: "bounces+{id}@clinic.example". None is the sender's address.
    bounces: str | None = None
    #: The part of a Message-ID after the @; None is the sender's domain.
    message_id_domain: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.-]+$")
    #: Tried in the order of the list.
    dkim: list[DkimSettings] = []
    #: The name by which this machine greets the server; None is its own.
    hostname: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:\[\]-]+$")
    #: Seconds for the server's answer to a command, and for a connection to come about.
    timeout: float = Field(default=30, gt=0)
    #: Seconds for the server's word on a message that it has wholly received. Whoever gives up early sends it twice, so the
    #: standard asks for ten minutes (RFC 5321, section 4.5.3.2.6).
    final_timeout: float = Field(default=120, gt=0)
    #: Connections at a time.
    connections: int = Field(default=4, ge=1, le=100)
    #: Messages after which a connection is ended.
    messages_per_connection: int = Field(default=100, ge=1)
    #: Seconds without use after which a connection is asked whether it still lives, and after which it is ended.
    check_after: float = Field(default=5, ge=0)
    idle: float = Field(default=60, gt=0)
    #: Whether commands go together where the server allows it (RFC 2920).
    pipelining: bool = True
    #: Most bytes of a message with its attachments, encoded.
    max_bytes: int = Field(default=25_000_000, ge=10_000)

    @property
    def real_port(self) -> int:
        """The port that is used."""
        return self.port or _PORTS[self.security]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.username is not None and self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError('a password is not sent without TLS; security takes "starttls" or "tls"')
        self._mailbox()
        return self

    def _mailbox(self) -> Mailbox:
        try:
            if self.bounces is not None:
                check_email(self.bounces.replace("{id}", "0"), "bounces")
            return parse_mailbox(self.sender, "sender")
        except ValidationError as error:
            raise ValueError(f"{error.field}: {error.message}") from None
