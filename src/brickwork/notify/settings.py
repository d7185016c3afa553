"""The `[notify]` section: channels, the providers that serve them, and how failures are dealt with."""

from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from brickwork.kernel.component import ComponentSettings, OpenSettings
from brickwork.messaging.handler import Retry
from brickwork.notify.quiet import QuietHours, zone_of

#: The channel of endpoints.
WEBHOOK_CHANNEL = "webhook"
#: Seconds between attempts at an endpoint, some 75 hours in all (Standard Webhooks, "Retry schedule"); others say themselves.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


class NotifySettings(ComponentSettings):
    #: Providers of each channel, the preferred first; the next serves while one can't be reached. "file" writes messages into
    #: the data folder and sends nothing, "webhook" needs no settings.
    channels: dict[str, list[str]] = {"email": ["file"], "sms": ["file"], "push": ["file"], "webhook": ["webhook"]}
    #: What each provider is: `backend` and that backend's settings, as {backend = "smtp", host = "…"}.
    providers: dict[str, OpenSettings] = {}
    #: The address under which this server is reached, for links in messages ("https://app.example").
    public_url: str | None = None
    #: Zone, locale and quiet hours of recipients who have none of their own.
    zone: str = "UTC"
    locale: str = "en"
    quiet: QuietHours | None = None
    #: Attempts to hand a message to providers, the pause after the first failure (it doubles) and the longest pause, in seconds.
    attempts: int = Field(default=8, ge=1, le=50)
    first_pause: float = Field(default=30.0, gt=0)
    longest_pause: float = Field(default=14_400.0, gt=0)
    #: Seconds for which a provider that can't be reached is left alone.
    rest: float = Field(default=30.0, ge=0)
    #: Messages that are handed to a channel together, by one handler.
    batch: int = Field(default=50, ge=1, le=500)
    #: Seconds after which a handler passes the rest of its batch on.
    budget: float = Field(default=40.0, gt=0)
    #: Patterns of events ("invoice.*") that endpoints can ask for.
    webhook_events: list[str] = []
    #: Time without success after which an endpoint is disabled.
    endpoint_patience: timedelta = timedelta(days=5)
    #: Days that messages and their history are kept.
    history_days: int = Field(default=90, ge=1)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            zone_of(zone)
        except Exception as error:
            raise ValueError(str(error)) from None
        return zone

    @field_validator("public_url")
    @classmethod
    def _bare(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError("public_url is an http or https URL")
        return url.rstrip("/") if url else None

    @model_validator(mode="after")
    def _served(self) -> Self:
        for channel, names in self.channels.items():
            if not names:
                raise ValueError(f"channels.{channel} has no provider; leave the channel out, or name one")
            for name in names:
                if name not in ("file", "webhook") and name not in self.providers:
                    raise ValueError(f"channels.{channel}: there is no provider {name!r}; write [notify.providers.{name}]")
        for name, provider in self.providers.items():
            if not isinstance(provider.get("backend"), str):
                raise ValueError(f"providers.{name} needs a backend, such as smtp")
        return self

    def most_attempts(self, channel: str) -> int:
        """How often it is tried."""
        return len(PAUSES) + 1 if channel == WEBHOOK_CHANNEL else self.attempts

    def pause(self, channel: str, attempts: int) -> float:
        """Seconds until the next attempt, after `attempts` of them."""
        if channel == WEBHOOK_CHANNEL:
            return Retry(first=PAUSES[attempts - 1], most=PAUSES[attempts - 1]).pause(1)
        return Retry(attempts=self.attempts, first=self.first_pause, most=self.longest_pause).pause(attempts)
