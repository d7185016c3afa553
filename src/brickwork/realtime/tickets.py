"""Tickets: a browser can't send headers with a WebSocket, so it fetches a ticket first and shows it once."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import BaseModel
from sqlalchemy import delete, insert

from brickwork.auth.access import SubjectAccess
from brickwork.errors import BrickworkError, PermissionDeniedError, ValidationError
from brickwork.kernel.access import Access
from brickwork.kernel.context import Context
from brickwork.realtime.models import TicketRow

if TYPE_CHECKING:
    from brickwork.data import Database

_CLIENT = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_table: Any = TicketRow.__table__
#: Seconds for which a ticket is good.
LIFETIME = 30


class TicketError(BrickworkError):
    """The ticket is unknown, used or too old; fetch another."""

    code = "ticket_refused"
    status = 401


class Ticket(BaseModel):
    """What a client connects with."""

    ticket: str
    client: str
    expires_at: datetime


@attrs.frozen
class Guest:
    """Who a ticket was given to."""

    tenant: str
    actor: str
    client: str
    #: Whether what it asks for is held against its permissions; not so where the product's own code gave the ticket.
    checked: bool = False


class Tickets:
    """Gives tickets to the context's actor, and takes them."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def give(self, client: str) -> Ticket:
        """A ticket for `client`, a name of 1 to 64 letters, digits, dots, underscores and hyphens."""
        if not _CLIENT.match(client):
            raise ValidationError("a client's id takes 1 to 64 letters, digits, dots, underscores and hyphens", field="client")
        secret, expires = secrets.token_urlsafe(32), self._database.clock.now() + timedelta(seconds=LIFETIME)
        with self._database.transaction() as transaction:
            context = transaction.context
            if context.access is not None:
                context.access.require("realtime.connect")
                _check_unscoped(context.access)
            values = {"tenant_id": transaction.tenant, "digest": _digest(secret), "client": client, "expires_at": expires}
            values |= {"actor": context.actor, "checked": context.access is not None}
            transaction.execute(insert(_table), values)
        return Ticket(ticket=secret, client=client, expires_at=expires)

    def take(self, secret: str, client: str) -> Guest:
        """Use a ticket up; raises `TicketError`. Of two that show it at once, in whatever process, one is let in."""
        with self._database.begin(Context(system=True)) as transaction:
            shown = delete(_table).where(_table.c.digest == _digest(secret)).returning(*_table.c)
            row = transaction.execute(shown).one_or_none()
        if row is None or row.client != client or row.expires_at < self._database.clock.now():
            raise TicketError("the ticket is unknown, used or too old; fetch another from /api/v1/realtime/tickets")
        return Guest(row.tenant_id, row.actor, row.client, row.checked)

    def expire(self) -> int:
        """Forget tickets that nobody used."""
        with self._database.begin(Context(system=True)) as transaction:
            return int(transaction.execute(delete(_table).where(_table.c.expires_at < self._database.clock.now())).rowcount)


def _check_unscoped(access: Access) -> None:
    """A ticket doesn't carry a key's scopes, so it must not widen them."""
    if isinstance(access, SubjectAccess) and access.scopes is not None:
        raise PermissionDeniedError("a key with scopes can't fetch tickets; take a session or a key without", permission="scopes")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
