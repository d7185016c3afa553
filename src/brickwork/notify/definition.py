"""What a notification is: definitions as data, written by products and by the components that notify."""

import re
from datetime import time, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from brickwork.errors import BrickworkError, ValidationError
from brickwork.kernel.expressions import compile_expression
from brickwork.limits import Rate

#: What a condition of a route may mention.
NAMES = ("data", "recipient", "notification")
_KEY = r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$"
#: Links of one chain of channels.
LONGEST_CHAIN = 5


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Route(_Model):
    """A channel, and what follows it. `otherwise` begins where this channel can't be used or has failed, and with `after` also
    where the message was not seen within that time."""

    channel: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,29}$")
    otherwise: "Route | None" = None
    after: timedelta | None = Field(default=None, gt=timedelta(0))
    #: A condition in CEL over `data`, `recipient` and `notification`; where it is false the channel can't be used.
    when: str | None = Field(default=None, max_length=2000)

    @field_validator("when")
    @classmethod
    def _compiles(cls, source: str | None) -> str | None:
        if source is not None:
            try:
                compile_expression(source).check_names(NAMES, where="when")
            except BrickworkError as error:
                raise ValueError(error.message) from None
        return source

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.after is not None and self.otherwise is None:
            raise ValueError("after needs otherwise: the channel that follows")
        if len(self.chain()) > LONGEST_CHAIN:
            raise ValueError(f"a route takes up to {LONGEST_CHAIN} channels")
        return self

    def chain(self) -> "list[Route]":
        """This link and those that follow."""
        return [self, *(self.otherwise.chain() if self.otherwise is not None else [])]


class Digest(_Model):
    """Several messages in one. It goes out `window` after the first, or at the next time that it is `at` for the recipient."""

    window: timedelta | None = Field(default=None, gt=timedelta(0), le=timedelta(days=31))
    at: time | None = None
    #: The name in the data by whose value messages are put together; by default all of the recipient's are.
    by: str | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.window is None) == (self.at is None):
            raise ValueError("a digest has a window or a time (at), and not both")
        if self.at is not None and self.at.tzinfo is not None:
            raise ValueError("at is a time of day without a zone; the recipient's is taken")
        return self


class Content(_Model):
    """The text of a message, where no template makes it."""

    subject: str = Field(default="", max_length=998)
    text: str = Field(default="", max_length=1_000_000)
    html: str | None = Field(default=None, max_length=5_000_000)
    #: Where a click on a push message or in the inbox leads.
    link: str | None = Field(default=None, max_length=2000)

    @field_validator("subject")
    @classmethod
    def _one_line(cls, subject: str) -> str:
        if re.search(r"[\r\n\0]", subject):
            raise ValueError("a subject is one line")
        return subject


class Notification(_Model):
    """A kind of message that a product sends."""

    key: str = Field(pattern=_KEY, max_length=100)
    title: str = Field(default="", max_length=200)
    #: What people switch on and off.
    category: str = Field(default="general", pattern=_KEY, max_length=60)
    #: It can't be switched off, as messages about security and contracts can't.
    required: bool = False
    #: It doesn't wait for quiet hours to end, and goes before what is not urgent.
    urgent: bool = False
    #: Ways that are taken all at once, each with what follows it.
    routes: tuple[Route, ...] = Field(default=(Route(channel="email"),), min_length=1, max_length=10)
    #: The key of the template, by default the notification's own, or "" where there is nothing to be written. Its parts are
    #: subject, text, html, sms, push and inbox.
    template: str | None = Field(default=None, max_length=200)
    digest: Digest | None = None
    #: Messages to one recipient in a time ("3/hour"); those beyond are not sent.
    throttle: str | None = None
    #: How long a message is worth sending.
    expires: timedelta | None = Field(default=None, gt=timedelta(0))
    #: Whether opened messages and links are noted.
    track: bool = False

    @field_validator("throttle")
    @classmethod
    def _rate(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                Rate.parse(text)
            except ValidationError as error:
                raise ValueError(error.message) from None
        return text

    @field_validator("routes", mode="before")
    @classmethod
    def _short(cls, routes: Any) -> Any:
        """A channel's name stands for a route that has nothing else."""
        return [{"channel": route} if isinstance(route, str) else route for route in routes] if routes else routes


#: For a text that is sent once, without a definition.
DIRECT = Notification(key="direct", title="Direct messages")
