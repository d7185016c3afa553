"""Signatures as a product has them: signers, trust and the timestamp authority come from the settings."""

import threading
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from brickwork.documents.signing.appearance import Appearance
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.documents.signing.fields import Lock, Permission, Place
from brickwork.documents.signing.making import Level, extend, sign, verify
from brickwork.documents.signing.opening import Limits
from brickwork.documents.signing.port import Signer
from brickwork.documents.signing.report import Report
from brickwork.documents.signing.settings import SigningSettings
from brickwork.documents.signing.trust import Trust
from brickwork.errors import NotFoundError, SettingsError, ValidationError
from brickwork.kernel.component import resolve

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class Signing:
    """Signs and verifies by the settings. Used by several threads at once."""

    def __init__(self, platform: "Platform", settings: SigningSettings) -> None:
        self._platform = platform
        self._settings = settings
        self._signers: dict[str, Signer] = {}
        self._lock = threading.Lock()
        self.limits = Limits(settings.max_bytes, settings.max_signatures, settings.max_revisions)

    @cached_property
    def trust(self) -> Trust:
        """Whom the settings trust. Raises `SettingsError` for a file that can't be read."""
        given = self._settings
        return Trust(
            roots=_files(given.trust_roots, "trust_roots"),
            intermediates=_files(given.intermediates, "intermediates"),
            fetch=given.fetch,
            require_status=given.require_status,
            timeout=given.timeout,
            calls=given.calls,
            allowed_networks=given.allowed_networks,
        )

    @cached_property
    def timestamps(self) -> TimestampAuthority | None:
        """The timestamp authority of the settings."""
        given = self._settings
        if given.timestamp_url is None:
            return None
        return TimestampAuthority(given.timestamp_url, given.timestamp_timeout, given.timestamp_authorization)

    def signer(self, name: str | None = None) -> Signer:
        """The signer of this name in the settings, made when it is first asked for. Raises `NotFoundError`, `SettingsError` and
        what the backend raises."""
        wanted = name or self._settings.signer
        with self._lock:
            if wanted not in self._signers:
                self._signers[wanted] = self._make(wanted)
            return self._signers[wanted]

    def sign(
        self, pdf: bytes, signer: Signer | str | None = None, *, field: str | None = None, place: Place | None = None,
        appearance: Appearance | None = None, level: Level | None = None, certify: Permission | None = None,
        lock: Lock | None = None, reason: str | None = None, location: str | None = None, name: str | None = None,
        contact: str | None = None, moment: datetime | None = None,
    ) -> bytes:  # fmt: skip
        """`brickwork.documents.signing.sign`, with what the settings say. Where they name roots, a certificate that is revoked or
        leads to none of them is refused."""
        by = self.signer(signer) if signer is None or isinstance(signer, str) else signer
        return sign(
            pdf, by, field=field, place=place, appearance=appearance, level=level or self._settings.level, certify=certify,
            lock=lock, reason=reason, location=location, name=name, contact=contact, timestamps=self.timestamps,
            trust=self.trust if self.trust.roots else None, moment=moment or self._platform.clock.now(), limits=self.limits,
        )  # fmt: skip

    def extend(self, pdf: bytes, level: Level = "B-LTA") -> bytes:
        """`brickwork.documents.signing.extend`, with what the settings say."""
        if self.timestamps is None:
            raise ValidationError("documents.signing.timestamp_url is not set", field="timestamp_url")
        return extend(pdf, level=level, timestamps=self.timestamps, trust=self.trust, limits=self.limits)

    def verify(self, pdf: bytes) -> Report:
        """`brickwork.documents.signing.verify`, with what the settings say."""
        return verify(pdf, self.trust, limits=self.limits)

    def close(self) -> None:
        with self._lock:
            signers, self._signers = self._signers, {}
        for signer in signers.values():
            signer.close()

    def _make(self, name: str) -> Signer:
        where = f"documents.signing.signers.{name}"
        if name not in self._settings.signers:
            known = ", ".join(sorted(self._settings.signers)) or "none"
            raise NotFoundError(f"documents.signing.signers has no {name[:40]!r}; there are {known}", field="signer")
        backend, own = self._platform.plugins.configured("signer", self._settings.signers[name], where)
        made: Signer = resolve(backend.factory)(self._platform, own)
        return made


def _files(paths: list[Path], key: str) -> list[bytes]:
    try:
        return [path.read_bytes() for path in paths]
    except OSError as error:
        where = f"documents.signing.{key}"
        raise SettingsError(f"{where}: {error.filename} can't be read: {error.strerror}", field=where) from None
