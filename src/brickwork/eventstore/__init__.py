"""Streams of events as the record of what happened, and read models that follow them."""

from brickwork.eventstore.projections import Projection, Projections
from brickwork.eventstore.service import EventStore, Loaded, Stored

__all__ = ["EventStore", "Loaded", "Projection", "Projections", "Stored"]
