"""The timestamp authority that is asked."""

from functools import cached_property
from typing import TYPE_CHECKING

import attrs
from pydantic import SecretStr

if TYPE_CHECKING:
    from brickwork.documents.signing.timestamps import TimestampClient


@attrs.frozen
class TimestampAuthority:
    """An authority that gives timestamps over HTTP (RFC 3161). `authorization` is the value of that header, such as "Basic …"."""

    url: str
    #: Seconds for one timestamp.
    timeout: float = 15.0
    authorization: SecretStr | None = None

    @cached_property
    def client(self) -> "TimestampClient":
        """What asks it. Raises `MissingDependencyError`."""
        from brickwork.documents.signing.running import library

        library()
        from brickwork.documents.signing.timestamps import TimestampClient

        return TimestampClient(self.url, timeout=self.timeout, authorization=self.authorization)
