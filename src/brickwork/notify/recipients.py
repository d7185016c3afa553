"""`platform.notify.recipients`: who can be told, and at which addresses."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import select

from brickwork.errors import NotFoundError, ValidationError
from brickwork.kernel.ids import parse_id
from brickwork.notify.models import RecipientRow
from brickwork.notify.quiet import QuietHours, zone_of

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.notify.settings import NotifySettings

#: Recipients that are looked up, planned and stored together.
CHUNK = 500
#: Whose values go for everybody without values of their own.
EVERYBODY = "*"
_table: Any = RecipientRow.__table__


def _addresses(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {channel: (value,) if isinstance(value, str) else tuple(value) for channel, value in given.items() if value}


@attrs.frozen(kw_only=True)
class Recipient:
    """Somebody to tell. `ref` says who it is: "user:ID", "patient:ID" or any name of the product's. `addresses` are by channel,
    one or several: {"email": "a@b.example", "sms": "+4366412345"}. What is None is taken from what is stored."""

    ref: str
    name: str = ""
    locale: str | None = None
    #: An IANA time zone.
    zone: str | None = None
    addresses: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, converter=_addresses)
    quiet: QuietHours | None = None
    #: Whether there are no quiet hours, not even those that go for everybody.
    never_quiet: bool = False


Who = str | Recipient | Iterable[str | Recipient]


class Recipients:
    """Stores recipients, and finds those that a caller names."""

    def __init__(self, platform: "Platform", settings: "NotifySettings") -> None:
        self._platform = platform
        self._settings = settings

    # -- what is stored ------------------------------------------------------------------------------------------------

    def put(self, recipient: Recipient) -> None:
        """Store a recipient in place of what was known. Raises `ValidationError`."""
        self._platform.require("notify.recipients.write")
        self._store(recipient)

    def defaults(self, *, locale: str | None = None, zone: str | None = None, quiet: QuietHours | None = None) -> None:
        """What goes for the tenant's recipients who have no values of their own."""
        self.put(Recipient(ref=EVERYBODY, locale=locale, zone=zone, quiet=quiet))

    def get(self, ref: str) -> Recipient:
        """A recipient as messages would find it now; raises `NotFoundError`."""
        self._platform.require("notify.recipients.read")
        with self._platform.trusted():
            return self.resolve([ref])[0]

    def remove(self, ref: str) -> None:
        """Forget what is stored."""
        self._platform.require("notify.recipients.write")
        with self._platform.transaction() as transaction:
            row = transaction.session.get(RecipientRow, (transaction.tenant, ref))
            if row is not None:
                transaction.session.delete(row)

    def add_address(self, ref: str, channel: str, address: str, *, most: int = 10) -> None:
        """One more address, before those that are there; as a browser does that asks for push messages."""
        with self._platform.transaction() as transaction:
            row = transaction.session.get(RecipientRow, (transaction.tenant, ref), with_for_update=True)
            if row is None:
                transaction.session.add(RecipientRow(ref=ref, name="", addresses={channel: [address]}))
            else:
                others = [known for known in row.addresses.get(channel, []) if known != address]
                row.addresses = {**row.addresses, channel: [address, *others][:most]}

    def drop_address(self, ref: str, channel: str, address: str) -> None:
        """Forget an address."""
        with self._platform.transaction() as transaction:
            row = transaction.session.get(RecipientRow, (transaction.tenant, ref), with_for_update=True)
            if row is not None:
                left = [known for known in row.addresses.get(channel, []) if known != address]
                row.addresses = {**row.addresses, channel: left}

    # -- finding -------------------------------------------------------------------------------------------------------

    def chunks(self, to: Who) -> Iterator[list[Recipient]]:
        """Everybody whom `to` names, groups taken apart, some hundred at a time and nobody twice."""
        seen = set[str]()
        rest = self._flat([to] if isinstance(to, (str, Recipient)) else to)
        while chunk := list(islice(rest, CHUNK)):
            new = [one for one in chunk if (ref := one if isinstance(one, str) else one.ref) not in seen and not seen.add(ref)]  # type: ignore[func-returns-value]
            if new:
                yield self.resolve(new)

    def resolve(self, wanted: Sequence[str | Recipient]) -> list[Recipient]:
        """Each of `wanted` with all that is known, in order. Raises `NotFoundError` for a reference that leads nowhere."""
        given = {one.ref: one for one in wanted if isinstance(one, Recipient)}
        refs = [one if isinstance(one, str) else one.ref for one in wanted]
        stored = self._stored([*refs, EVERYBODY])
        found = self._found([ref for ref in refs if ref not in given])
        base = stored.get(EVERYBODY)
        return [self._merged(ref, given.get(ref), stored.get(ref), found.get(ref), base) for ref in refs]

    def records(self, type: str, where: Mapping[str, Any] | None = None) -> Iterator[Recipient]:
        """The records that `where` admits (see `brickwork.entities.filters`), to be given to `send`."""
        definition = self._platform.entities.types.get(type)
        for record in self._platform.entities.each(type, where):
            yield recipient_of(definition, record)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _flat(self, to: Iterable[str | Recipient]) -> Iterator[str | Recipient]:
        for one in to:
            if isinstance(one, str) and one.startswith("group:"):
                yield from self._group(one.removeprefix("group:"))
            else:
                yield one

    def _group(self, name: str) -> Iterator[str]:
        after = ""
        while subjects := self._platform.auth.groups.subjects(name, after=after):
            yield from (subject for subject in subjects if subject.startswith("user:"))
            after = subjects[-1]

    def _stored(self, refs: Sequence[str]) -> dict[str, Any]:
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(*_table.c).where(_table.c.tenant_id == transaction.tenant, _table.c.ref.in_(refs))
            return {row.ref: row for row in transaction.execute(wanted)}

    def _found(self, refs: Sequence[str]) -> dict[str, Recipient]:
        """What products, auth and entities know of them: one look for each kind."""
        kinds: dict[str, list[str]] = {}
        for ref in refs:
            kinds.setdefault(_kind(ref), []).append(ref)
        found: dict[str, Recipient] = {}
        for kind, of_kind in kinds.items():
            found |= self._finder(kind)(kind, of_kind)
        return found

    def _finder(self, kind: str) -> Callable[[str, Sequence[str]], dict[str, Recipient]]:
        if kind in ("email", "sms"):
            return _bare
        return self._users if kind == "user" else self._others

    def _users(self, kind: str, refs: Sequence[str]) -> dict[str, Recipient]:
        ids = [id for ref in refs if (id := parse_id(ref.partition(":")[2])) is not None]
        users = self._platform.auth.members.named(ids)
        return {u.actor: Recipient(ref=u.actor, name=u.name, addresses={"email": u.email}) for u in users if not u.disabled}

    def _others(self, kind: str, refs: Sequence[str]) -> dict[str, Recipient]:
        """Recipients of the product's own, and records."""
        found: dict[str, Recipient] = {}
        for answer in self._platform.plugins.hook.brickwork_recipients(platform=self._platform, kind=kind, refs=refs):
            found |= {recipient.ref: recipient for recipient in answer}
        left = [ref for ref in refs if ref not in found]
        if left and "entities" in self._platform.components:
            found |= _records(self._platform, kind, left)
        return found

    def _merged(self, ref: str, given: Recipient | None, stored: Any, found: Recipient | None, base: Any) -> Recipient:
        if given is None and stored is None and found is None:
            raise NotFoundError(f"there is no recipient {ref[:100]!r}", field="to")
        own = _of_row(ref, stored) if stored is not None else Recipient(ref=ref)
        known = [one for one in (given, own, found, _of_row(ref, base) if base is not None else None) if one is not None]
        quiet = next((one for one in known if one.quiet is not None or one.never_quiet), own)
        return Recipient(
            ref=ref,
            name=next((one.name for one in known if one.name), ""),
            locale=next((one.locale for one in known if one.locale), self._settings.locale),
            zone=next((one.zone for one in known if one.zone), self._settings.zone),
            addresses={channel: several for one in reversed(known) for channel, several in one.addresses.items()},
            quiet=None if quiet.never_quiet else quiet.quiet or self._settings.quiet,
            never_quiet=quiet.never_quiet,
        )

    def _store(self, recipient: Recipient) -> None:
        if not (0 < len(recipient.ref) <= 200 and recipient.ref.isprintable()):
            raise ValidationError("a recipient's reference takes 1 to 200 printable characters", field="ref")
        if recipient.zone is not None:
            zone_of(recipient.zone)
        addresses = {
            channel: [self._platform.notify.check_address(channel, address) for address in several]
            for channel, several in recipient.addresses.items()
        }
        quiet: dict[str, Any] | None = {} if recipient.never_quiet else None
        if recipient.quiet is not None:
            quiet = recipient.quiet.model_dump(mode="json")
        values = {"name": recipient.name, "locale": recipient.locale, "zone": recipient.zone, "addresses": addresses}
        with self._platform.transaction() as transaction:
            row = transaction.session.get(RecipientRow, (transaction.tenant, recipient.ref))
            if row is None:
                transaction.session.add(RecipientRow(ref=recipient.ref, quiet=quiet, **values))
            else:
                for name, value in {**values, "quiet": quiet}.items():
                    setattr(row, name, value)


def _of_row(ref: str, row: Any) -> Recipient:
    quiet = QuietHours(**row.quiet) if row.quiet else None
    return Recipient(ref=ref, name=row.name, locale=row.locale, zone=row.zone, addresses=row.addresses, quiet=quiet,
                     never_quiet=row.quiet == {})  # fmt: skip


def _kind(ref: str) -> str:
    """What stands before the colon; bare addresses are told by their looks."""
    kind, colon, _ = ref.partition(":")
    if colon:
        return kind
    return "email" if "@" in ref else "sms" if ref.startswith("+") else ref


def _bare(kind: str, refs: Sequence[str]) -> dict[str, Recipient]:
    """Addresses instead of names: "ann@example.org", "+436641234567"."""
    return {ref: Recipient(ref=ref, addresses={kind: ref.removeprefix(f"{kind}:")}) for ref in refs}


def _records(platform: "Platform", kind: str, refs: Sequence[str]) -> dict[str, Recipient]:
    """Records as recipients: their fields of the types email and phone are the addresses, `locale` and `zone` fields count."""
    try:
        definition = platform.entities.types.get(kind)
    except NotFoundError:
        return {}
    ids = [id for ref in refs if (id := parse_id(ref.partition(":")[2])) is not None]
    records = platform.entities.get_many(kind, ids)
    return {str(record.ref): recipient_of(definition, record) for record in records.values()}


def recipient_of(definition: Any, record: Any) -> Recipient:
    """A record as a recipient."""
    addresses: dict[str, list[str]] = {}
    for name, field in definition.fields.items():
        channel = {"email": "email", "phone": "sms"}.get(field.type)
        if channel is not None and record.data.get(name):
            addresses.setdefault(channel, []).append(record.data[name])
    first = {channel: values[:1] for channel, values in addresses.items()}
    locale, zone = record.data.get("locale"), record.data.get("zone")
    return Recipient(ref=str(record.ref), name=record.title, locale=locale, zone=zone, addresses=first)
