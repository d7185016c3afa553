"""Whom a verifier trusts, and how it learns whether certificates were revoked."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.signing.http import Http, check_network
from brickwork.documents.signing.keys import der, read_certificates

if TYPE_CHECKING:
    from asn1crypto import x509 as asn1
    from pyhanko_certvalidator import ValidationContext


def _certificates(given: bytes | Iterable[bytes]) -> tuple[bytes, ...]:
    pieces = [given] if isinstance(given, bytes) else list(given)
    return tuple(der(one) for piece in pieces for one in read_certificates(piece))


def _networks(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(check_network(one) for one in given)


@attrs.frozen(kw_only=True)
class Trust:
    """The roots that are trusted, for signers and timestamps, and where the state of certificates is asked for.

    Nobody is trusted by default, not even the roots of the operating system: those vouch for web sites.
    """

    #: PEM with any number of certificates, DER, or several of these.
    roots: tuple[bytes, ...] = attrs.field(default=(), converter=_certificates)
    #: Certificates between roots and signers that documents may lack.
    intermediates: tuple[bytes, ...] = attrs.field(default=(), converter=_certificates)
    #: Whether OCSP responders, CRLs and issuers that certificates name are called.
    fetch: bool = True
    #: Whether the state of every certificate must be known. Else one that nobody tells of is taken for good.
    require_status: bool = False
    #: Seconds for one call, bytes of one answer, calls for one document.
    timeout: float = 10.0
    answer_bytes: int = 10_000_000
    calls: int = 50
    #: Networks in which the places that certificates name may be, although they aren't public, such as "10.1.0.0/16".
    allowed_networks: tuple[str, ...] = attrs.field(default=(), converter=_networks)

    @cached_property
    def _http(self) -> Http:
        return Http(timeout=self.timeout, answer_bytes=self.answer_bytes, guarded=self.allowed_networks)

    def session(self) -> "Session":
        """What is learnt while one document is looked at."""
        return Session(self)


class Session:
    """The state of certificates as one document's verification learns it: each place is asked once."""

    def __init__(self, trust: Trust) -> None:
        from brickwork.documents.signing.fetching import make_fetchers

        self.trust = trust
        self._fetchers = make_fetchers(trust._http, trust.calls) if trust.fetch else None
        self.ocsps: list[Any] = []
        self.crls: list[Any] = []
        self.certificates: list[Any] = []

    def context(self, moment: datetime | None = None, *, require: bool | None = None, online: bool = True) -> "ValidationContext":
        """A context of pyHanko's. At a `moment` in the past, what was learnt of revocations later still counts."""
        from pyhanko_certvalidator import ValidationContext

        require = self.trust.require_status if require is None else require
        fetching = online and self._fetchers is not None
        return ValidationContext(
            trust_roots=_loaded(self.trust.roots),
            other_certs=[*_loaded(self.trust.intermediates), *self.certificates],
            moment=moment,
            allow_fetching=fetching,
            fetchers=self._fetchers if fetching else None,
            ocsps=self.ocsps,
            crls=self.crls,
            revocation_mode="require" if require else "soft-fail",
            retroactive_revinfo=moment is not None,
            weak_hash_algos={"md2", "md5", "sha1"},
        )


def _loaded(certificates: Sequence[bytes]) -> "list[asn1.Certificate]":
    from asn1crypto import x509

    return [x509.Certificate.load(one) for one in certificates]
