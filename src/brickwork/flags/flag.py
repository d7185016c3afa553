"""What a flag is: variants, and the rules by which one of them is served."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from brickwork.kernel.expressions import compile_expression

#: Names of flags and variants.
KEY = r"^[a-z0-9][a-z0-9_.-]{0,99}$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rollout(_Model):
    """Shares of the variants. Who is in which share follows from a hash of flag and key, so it is the same in every process
    and on every day, and who had a variant keeps it while that variant's share of two only grows.

    `by` names what is hashed: "key" (the targeting key, which is the actor unless given), "tenant", or an attribute.
    """

    weights: dict[str, int] = Field(min_length=1)
    by: str = "key"
    #: Flags with the same salt put the same keys into the same shares. None: the flag's own key.
    salt: str | None = None

    @model_validator(mode="after")
    def _weighable(self) -> "Rollout":
        if any(weight < 0 for weight in self.weights.values()) or not sum(self.weights.values()):
            raise ValueError("weights are not negative, and at least one is positive")
        return self


def _served_kind(value: Any) -> str:
    return "variant" if isinstance(value, str) else "rollout"


class Rule(_Model):
    """Serves a variant, or a rollout, where `when` is true and the time is right. `when` is CEL over `tenant`, `actor`, `roles`,
    `locale`, `key` and the attributes given with the question; without it, the rule is for all."""

    when: str | None = Field(None, max_length=2000)
    serve: Annotated[Annotated[str, Tag("variant")] | Annotated[Rollout, Tag("rollout")], Discriminator(_served_kind)]
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _compiles(self) -> "Rule":
        if self.when is not None:
            compile_expression(self.when)
        return self


class Flag(_Model):
    """A flag. `Flag(key="new_engine")` is boolean and off; variants are booleans, strings, numbers or JSON objects, all of one
    kind. The first rule that fits decides, otherwise `default` is served.

    `enabled` is the kill switch: without it, outside `since` and `until`, or while a prerequisite (another flag that must serve
    the variant named) doesn't hold, `off` is served, whatever rules and tenants say.
    """

    key: str = Field(pattern=KEY)
    description: str = Field("", max_length=2000)
    variants: dict[str, JsonValue] = Field(default={"on": True, "off": False}, min_length=1)
    default: str = "off"
    off: str = "off"
    enabled: bool = True
    rules: tuple[Rule, ...] = Field((), max_length=100)
    prerequisites: dict[str, str] = Field(default={}, max_length=20)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Flag":
        if len({kind_of(value) for value in self.variants.values()}) > 1:
            raise ValueError("variants are all booleans, all strings, all numbers or all objects")
        for place, variant in self._served():
            if variant not in self.variants:
                raise ValueError(f"{place}: there is no variant {variant!r}; there are {', '.join(sorted(self.variants))}")
        return self

    def _served(self) -> list[tuple[str, str]]:
        served = [("default", self.default), ("off", self.off)]
        for number, rule in enumerate(self.rules):
            names = rule.serve.weights if isinstance(rule.serve, Rollout) else [rule.serve]
            served += [(f"rules[{number}]", name) for name in names]
        return served

    @property
    def kind(self) -> str:
        """ "boolean", "string", "number" or "object"."""
        return kind_of(next(iter(self.variants.values())))


def kind_of(value: Any) -> str:
    """The kind of a variant's value, as OpenFeature has them."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, (int, float)) else "object"


def in_force(since: datetime | None, until: datetime | None, now: datetime) -> bool:
    """Whether `now` is from `since` on and before `until`."""
    return (since is None or since <= now) and (until is None or now < until)
