"""What both ends of a connection agree on: where plain text is allowed, and certificates."""

import ipaddress
from pathlib import Path
from urllib.parse import unquote

from brickwork.errors import SettingsError


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(peer: str) -> str:
    """The network address in how gRPC names the other side ("ipv4:192.0.2.1:50000", "ipv6:%5B::1%5D:50000"); empty for others,
    such as sockets in the file system."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""


def pem(path: Path | str, name: str) -> bytes:
    """The content of a PEM file; raises `SettingsError`."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {path} can't be read: {error.strerror}", field=name) from None
