"""Live messages, resumed without gap or repeat, and presence."""

from brickwork.realtime.presence import Present
from brickwork.realtime.service import Realtime, TopicDeniedError
from brickwork.realtime.tickets import Ticket, TicketError

__all__ = ["Present", "Realtime", "Ticket", "TicketError", "TopicDeniedError"]
