"""Signing in with an account that somebody has elsewhere: OpenID Connect, from the relying party's side."""

from brickwork.federation.errors import (
    AccountExistsError,
    AccountNeededError,
    FederationRefusedError,
    ProviderUnavailableError,
)
from brickwork.federation.events import IdentityLinked, IdentityUnlinked
from brickwork.federation.identities import LinkedIdentity
from brickwork.federation.service import Begun, Completed, Federation

__all__ = [
    "AccountExistsError",
    "AccountNeededError",
    "Begun",
    "Completed",
    "Federation",
    "FederationRefusedError",
    "IdentityLinked",
    "IdentityUnlinked",
    "LinkedIdentity",
    "ProviderUnavailableError",
]
