"""Plans as data: at which rate, and how often in a day or month, the callers of a tenant may call."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from brickwork.errors import ValidationError
from brickwork.limits.rate import Rate

#: Names of plans and rules; they stand in header fields, so they are plain ASCII.
NAME = r"^[a-z][a-z0-9_.-]{0,63}$"
_ROUTE = re.compile(r"(\*|[A-Z]+) /\S*\Z")


def _rate(text: str) -> str:
    try:
        Rate.parse(text)
    except ValidationError as error:
        raise ValueError(error.message) from None
    return text


def _route(text: str) -> str:
    if not _ROUTE.match(text) or any("*" in part and part != "*" for part in text.partition("/")[2].split("/")):
        raise ValueError(
            f"{text[:100]!r} names no routes; it looks like 'POST /api/v1/entities/*' or '* /api/v1/entities/patient'; a * "
            "stands for one part of the path, and at its end for all that follow"
        )
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise ValueError(f"{name[:80]!r} is no time zone; it looks like UTC or Europe/Berlin") from None
    return name


Routes = Annotated[list[Annotated[str, AfterValidator(_route)]], Field(min_length=1, max_length=50)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RateRule(_Model):
    """So many calls in so much time, for each user (or service account), tenant, API key or network address by itself.

    A rule by key counts callers who show an API key. `routes` limits it to some routes, such as "POST /api/v1/entities/*".
    """

    per: Literal["user", "tenant", "key", "address"]
    #: Such as "100/60s"; `burst` are those that may come at once, by default all.
    rate: Annotated[str, AfterValidator(_rate)]
    burst: int | None = Field(default=None, ge=1)
    routes: Routes | None = None
    name: str = Field(default="", pattern=f"{NAME}|^$")

    @property
    def parsed(self) -> Rate:
        rate = Rate.parse(self.rate)
        return rate if self.burst is None else Rate(rate.count, rate.per, self.burst)


class Quota(_Model):
    """So many calls in each day or month of the calendar, as it is in `zone`."""

    name: str = Field(pattern=NAME)
    per: Literal["tenant", "user", "key"] = "tenant"
    limit: int = Field(ge=0)
    every: Literal["day", "month"]
    routes: Routes | None = None
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class Terms(_Model):
    """What a plan allows; every rule that fits a call must. Without any, all is allowed."""

    title: str = Field(default="", max_length=200)
    rates: tuple[RateRule, ...] = Field(default=(), max_length=20)
    quotas: tuple[Quota, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _named_apart(self) -> Self:
        names = [name_of(rule) for rule in self.rates] + [quota.name for quota in self.quotas]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are called {twice[0]!r}; a rate without a name is called by what it is for")
        return self


class Plan(Terms):
    """Terms with a name, by which tenants are put on them."""

    name: str = Field(pattern=NAME)


def name_of(rule: RateRule) -> str:
    """What the rule is called in header fields and errors."""
    return rule.name or rule.per


#: For callers who have shown nothing, unless a product declares its own of this name. Used where `limits.anonymous_plan` says so.
ANONYMOUS = Plan(
    name="anonymous",
    title="Callers who have shown nothing, by address",
    rates=(RateRule(per="address", rate="120/60s"),),
)
PLANS: Sequence[Plan] = (ANONYMOUS,)
