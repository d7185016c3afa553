"""What both ends of a connection agree on: where plain text is allowed, and certificates."""

import ipaddress
from pathlib import Path

from brickwork.errors import SettingsError


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def pem(path: Path | str, name: str) -> bytes:
    """The content of a PEM file; raises `SettingsError`."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {path} can't be read: {error.strerror}", field=name) from None
