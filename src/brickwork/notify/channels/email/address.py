"""Email addresses: what is one, its normal form, and how it is written in an envelope and in a header."""

import re
from functools import lru_cache

import attrs

from brickwork.errors import ValidationError
from brickwork.notify.channels.headers import check_line

#: What needs no closer look: letters, digits and a few signs, at a domain of letters.
_PLAIN = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}\Z")
_MAILBOX = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*\Z")
#: Domains that belong to nobody (RFC 6761) and need the closer look for that.
_RESERVED = (".test", ".local", ".localhost", ".invalid", ".arpa", ".onion")


@attrs.frozen
class Mailbox:
    """A display name, or "", and an address in its normal form."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The domain in ASCII."""
        return wire(f"x@{self.address.rpartition('@')[2]}").rpartition("@")[2]


def check_email(address: str, field: str = "address") -> str:
    """The normal form: the domain in small letters and its own script, the rest in Unicode's form C. Raises `ValidationError`,
    also for quoted local parts and address literals, which hardly any mailbox has and many an attack."""
    if len(address) <= 254 and _PLAIN.match(address) and not address.endswith(_RESERVED):
        local, _, domain = address.partition("@")
        if len(local) <= 64 and "xn--" not in domain:
            return address
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(address, check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise ValidationError(f"is no email address: {error}", field=field) from None


@lru_cache(maxsize=10_000)
def wire(address: str) -> str:
    """How an address is written: with its domain in ASCII, unless the local part needs an internationalised envelope anyway
    (RFC 6531)."""
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        return address
    import idna

    return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"


@lru_cache(maxsize=1000)
def parse_mailbox(text: str, field: str) -> Mailbox:
    """What `Name <address>`, or an address alone, says. Raises `ValidationError`."""
    check_line(text, field, 500)
    found = _MAILBOX.match(text)
    if found is None:
        return Mailbox("", check_email(text.strip(), field))
    name = found["name"]
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Mailbox(name, check_email(found["address"], field))
