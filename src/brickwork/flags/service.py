"""Flags as a product sees them: `platform.flags`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from prometheus_client import Counter
from pydantic import ValidationError as PydanticError

from brickwork.errors import NotFoundError, PermissionDeniedError, ValidationError
from brickwork.flags.decide import DISABLED, OVERRIDE, Subject
from brickwork.flags.flag import Flag, in_force, kind_of
from brickwork.flags.models import FlagRow, OverrideRow
from brickwork.flags.settings import FlagsSettings
from brickwork.flags.state import Override, State, Watch, cycle

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

T = TypeVar("T")


@attrs.frozen
class Evaluation:
    """What a flag came to. `reason` is OpenFeature's STATIC, DEFAULT, TARGETING_MATCH, SPLIT, DISABLED or ERROR, or OVERRIDE
    where the tenant has its own; `error` is FLAG_NOT_FOUND or TYPE_MISMATCH, and the value then the caller's default."""

    value: Any
    variant: str | None
    reason: str
    error: str | None = None


@attrs.frozen
class FlagChanged:
    """A flag, or what a tenant has instead of it, was changed in the transaction."""

    key: str


class Flags:
    """Decides flags in memory. Definitions are the system's: those in code (`brickwork_flags`), replaced by those stored at run
    time; each tenant may be served a variant of its own."""

    def __init__(self, platform: "Platform", settings: FlagsSettings) -> None:
        self._platform = platform
        declared = [flag for group in platform.plugins.hook.brickwork_flags() for flag in group]
        self._watch = Watch(platform.database, settings, {flag.key: flag for flag in declared})
        self._counter = Counter("brickwork_flag_evaluations", "Decisions", ("flag", "variant"), registry=platform.metrics)
        self._counted: dict[tuple[str, str], Any] = {}

    # -- asking --------------------------------------------------------------------------------------------------------

    def enabled(self, key: str, /, default: bool = False, **attributes: Any) -> bool:
        """Whether a boolean flag is on for the context's tenant and actor. `attributes` are what rules may ask for."""
        return self.evaluate(key, default, attributes).value is True

    def value(self, key: str, /, default: T, **attributes: Any) -> T:
        """A flag's value, of the kind of `default`, which is given where the flag is unknown or of another kind."""
        return cast("T", self.evaluate(key, default, attributes).value)

    def evaluate(self, key: str, default: Any, attributes: Mapping[str, Any] | None = None) -> Evaluation:
        """A flag's value, and why. A product doesn't fail for a flag: without the database it is what was known last, or what
        code declares."""
        state = self._watch.state
        compiled = state.flags.get(key)
        if compiled is None:
            return self._count(key, Evaluation(default, None, "ERROR", "FLAG_NOT_FOUND"))
        flag = compiled.flag
        if kind_of(default) != flag.kind:
            return self._count(key, Evaluation(default, None, "ERROR", "TYPE_MISMATCH"))
        variant, reason = self._decide(state, key, Subject(self._platform.contexts.current, attributes or {}))
        return self._count(key, Evaluation(flag.variants[variant], variant, reason))

    def values(self, **attributes: Any) -> dict[str, Any]:
        """What every flag comes to here, as for a page that asks once."""
        state, subject = self._watch.state, Subject(self._platform.contexts.current, attributes)
        return {key: compiled.flag.variants[self._decide(state, key, subject)[0]] for key, compiled in state.flags.items()}

    # -- definitions ---------------------------------------------------------------------------------------------------

    def list(self) -> list[Flag]:
        """Every flag, by its key."""
        return [compiled.flag for _, compiled in sorted(self._watch.state.flags.items())]

    def get(self, key: str) -> Flag:
        """A flag as it stands; raises `NotFoundError`."""
        found = self._watch.state.flags.get(key)
        if found is None:
            raise NotFoundError(f"there is no flag {key!r}")
        return found.flag

    def define(self, flag: Flag | Mapping[str, Any]) -> Flag:
        """Store a flag for all tenants, in place of the one that had its key. Raises `ValidationError`."""
        flag = _flag(flag)
        self._watch.refresh()
        others = {key: compiled.flag for key, compiled in self._watch.state.flags.items()}
        _check_prerequisites(flag, others)
        self._store(flag.key, flag.model_dump(mode="json"), f"flag {flag.key} defined")
        return flag

    def switch(self, key: str, *, on: bool) -> Flag:
        """The kill switch: without it, `off` is served to everybody. Raises `NotFoundError`."""
        self._watch.refresh()
        flag = self.get(key).model_copy(update={"enabled": on})
        self._store(key, flag.model_dump(mode="json"), f"flag {key} switched {'on' if on else 'off'}")
        return flag

    def remove(self, key: str) -> None:
        """Forget what was stored; a flag that code declares is then as code has it. Raises `NotFoundError`, and `ValidationError`
        while it is another flag's prerequisite."""
        self.get(key)
        if needing := [flag.key for flag in self.list() if key in flag.prerequisites]:
            raise ValidationError(f"flag {key!r} is a prerequisite of {', '.join(needing)}", field="key")
        self._store(key, {}, f"flag {key} removed")

    # -- what tenants have differently ---------------------------------------------------------------------------------

    def override(self, key: str, variant: str, *, reason: str, until: datetime | None = None) -> None:
        """Serve `variant` to the context's tenant, whatever the rules say, until it is revoked or `until`. The kill switch is
        stronger. Raises `NotFoundError` and `ValidationError`."""
        self._platform.contexts.current.require_tenant()
        if variant not in (variants := self.get(key).variants):
            known = ", ".join(sorted(variants))
            raise ValidationError(f"flag {key!r} has no variant {variant!r}; it has {known}", field="variant")
        if not reason.strip():
            raise ValidationError("an override needs a reason; it goes into the audit trail", field="reason")
        if until is not None and until.tzinfo is None:
            raise ValidationError("until is a time with its zone", field="until")
        self._override(key, {"variant": variant, "reason": reason, "until": until})

    def revoke(self, key: str) -> None:
        """End the override of the context's tenant, if there is one."""
        self._platform.contexts.current.require_tenant()
        self._override(key, {"variant": None, "reason": "revoked", "until": None})

    def overrides(self) -> dict[str, Override]:
        """What the context's tenant has differently."""
        return dict(self._watch.state.overrides.get(self._platform.contexts.current.require_tenant(), {}))

    # -- life ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Look for changes no more."""
        self._watch.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _decide(self, state: State, key: str, subject: Subject, asked: tuple[str, ...] = ()) -> tuple[str, str]:
        compiled = state.flags[key]
        now = self._platform.clock.now
        if compiled.guarded and compiled.closed(now, partial(self._other, state, subject, (*asked, key))):
            return compiled.flag.off, DISABLED
        own = state.overrides.get(subject.context.tenant or "", {}).get(key)
        if own is not None and own.variant in compiled.flag.variants and in_force(None, own.until, now()):
            return own.variant, OVERRIDE
        return compiled.decide(subject, now)

    def _other(self, state: State, subject: Subject, asked: tuple[str, ...], key: str) -> str | None:
        """The variant of a prerequisite; None where there is no such flag, or it depends on the flag that asks."""
        if key in asked or key not in state.flags:
            return None
        return self._decide(state, key, subject, asked)[0]

    def _count(self, key: str, evaluation: Evaluation) -> Evaluation:
        # unknown keys share a label: somebody may ask for any
        label = (key, evaluation.variant or "") if evaluation.error != "FLAG_NOT_FOUND" else ("", "")
        counted = self._counted.get(label)
        if counted is None:
            counted = self._counted[label] = self._counter.labels(*label)
        counted.inc()
        return evaluation

    def _store(self, key: str, definition: dict[str, Any], reason: str) -> None:
        if self._platform.contexts.current.access is not None:
            raise PermissionDeniedError("definitions are every tenant's, so an operator changes them, not a caller of one tenant")
        actor = self._platform.contexts.current.actor
        with self._platform.system_context(reason=reason, actor=actor), self._platform.transaction() as transaction:
            session, now = transaction.session, self._platform.clock.now()
            row = session.get(FlagRow, (transaction.tenant, key))
            if row is None:
                session.add(FlagRow(tenant_id=transaction.tenant, key=key, definition=definition, updated_at=now))
            else:
                row.definition, row.updated_at = definition, now
            transaction.publish(FlagChanged(key))

    def _override(self, key: str, values: dict[str, Any]) -> None:
        self._platform.require("flags.override")
        with self._platform.transaction() as transaction:
            row = transaction.session.get(OverrideRow, (transaction.tenant, key))
            if row is None and values["variant"] is None:
                return
            if row is None:
                transaction.session.add(OverrideRow(key=key, **values))
            else:
                for name, value in values.items():
                    setattr(row, name, value)
            transaction.publish(FlagChanged(key))

    def _after_commit(self, transaction: "Transaction") -> None:
        if any(isinstance(event, FlagChanged) for event in transaction.events):
            self._watch.changed()


def _flag(flag: Flag | Mapping[str, Any]) -> Flag:
    try:
        return Flag.model_validate(flag.model_dump() if isinstance(flag, Flag) else dict(flag))
    except PydanticError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "flag"
        raise ValidationError(f"not a flag: {where}: {first['msg'].removeprefix('Value error, ')}", field=where) from None


def _check_prerequisites(flag: Flag, others: Mapping[str, Flag]) -> None:
    for key, variant in flag.prerequisites.items():
        if key != flag.key and (key not in others or variant not in others[key].variants):
            raise ValidationError(
                f"prerequisite {key!r}: there is no such flag with a variant {variant!r}", field="prerequisites"
            )
    if loop := cycle({**others, flag.key: flag}, flag.key):
        raise ValidationError(f"prerequisites go round in a circle: {' needs '.join(loop)}", field="prerequisites")


__all__: Sequence[str] = ["Evaluation", "FlagChanged", "Flags", "Override"]
