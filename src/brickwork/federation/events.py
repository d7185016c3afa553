"""What federation publishes."""

from brickwork.messaging.event import Event


class IdentityLinked(Event, name="federation.identity_linked", key="user"):
    """A person can sign in with an identity of another provider from now on."""

    user: str
    provider: str
    issuer: str
    subject: str


class IdentityUnlinked(Event, name="federation.identity_unlinked", key="user"):
    """A person can't sign in with an identity any more."""

    user: str
    provider: str
    issuer: str
    subject: str
