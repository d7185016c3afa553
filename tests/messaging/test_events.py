"""Events: names, versions, the form on the wire."""

from uuid import UUID

import pytest

from brickwork.errors import PluginError, TooLargeError, ValidationError
from brickwork.messaging import CloudEvent, Event, UnknownVersionError, UnreadableMessageError, handles


class Paid(Event, name="invoice.paid", version=3, key="invoice"):
    """An invoice was paid."""

    invoice: str
    amount: int
    currency: str


@Paid.upcast(1)
def _cents(data):
    return {**data, "amount": data["amount"] * 100}


@Paid.upcast(2)
def _currency(data):
    return {**data, "currency": "EUR"}


def test_older_versions_are_brought_up_step_by_step():
    assert Paid.read({"invoice": "a", "amount": 2}, 1) == Paid(invoice="a", amount=200, currency="EUR")
    assert Paid.read({"invoice": "a", "amount": 2}, 2) == Paid(invoice="a", amount=2, currency="EUR")


def test_a_version_that_nobody_knows_is_refused():
    with pytest.raises(UnknownVersionError, match=r"invoice\.paid 4 is newer than this code, which knows 3"):
        Paid.read({}, 4)

    class Lost(Event, name="invoice.lost", version=2):
        invoice: str

    with pytest.raises(UnknownVersionError, match="no upcaster from version 1"):
        Lost.read({"invoice": "a"}, 1)


@pytest.mark.parametrize("name", ["Paid", "invoice", "invoice paid", "Invoice.Paid", "a..b"])
def test_a_name_that_is_no_noun_and_verb_is_refused(name):
    with pytest.raises(ValidationError, match="lower-case words joined by dots"):
        type("X", (Event,), {"__module__": __name__}, name=name)


def test_a_key_that_is_no_field_is_refused():
    with pytest.raises(ValidationError, match="its key 'nr' is not a field"):

        class Wrong(Event, name="a.b", key="nr"):
            number: int


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"specversion": "0.3"}', b"\xff\xfe"])
def test_what_is_no_cloud_event_is_told_apart(raw):
    with pytest.raises(UnreadableMessageError, match="not a CloudEvent"):
        CloudEvent.parse(raw)


@pytest.fixture
def seen(platform):
    found = []

    @handles("invoice.*", name="any")
    def any_(platform, event):
        found.append((event, platform.messaging.cause, platform.current))

    platform.messaging.subscribe(any_)
    return found


def test_an_event_carries_the_context_it_happened_in(platform, seen):
    correlation = "0192a7c4-5b6e-7000-8000-0123456789ab"
    with platform.context(tenant="alpha", actor="user:kim", correlation_id=correlation), platform.transaction() as transaction:
        transaction.publish(Paid(invoice="a", amount=5, currency="EUR"))
    assert platform.messaging.drain() == 1
    event, cause, context = seen[0]
    assert isinstance(event, CloudEvent)
    assert (event.type, event.eventversion, event.subject, event.tenant, event.actor) == (
        "invoice.paid",
        3,
        "a",
        "alpha",
        "user:kim",
    )
    assert event.data == {"invoice": "a", "amount": 5, "currency": "EUR"}
    assert event.traceparent == f"00-{correlation.replace('-', '')}-{event.id.hex[16:]}-01"
    assert (context.tenant, context.actor, context.correlation_id) == ("alpha", "user:kim", correlation)
    assert cause == event


def test_what_a_handler_publishes_names_its_cause(platform, seen):
    class Noted(Event, name="note.made"):
        invoice: str

    @handles(Noted)
    def pay(platform, event):
        with platform.transaction() as transaction:
            transaction.publish(Paid(invoice=event.invoice, amount=1, currency="EUR"))

    platform.messaging.subscribe(pay)
    with platform.context(tenant="alpha", actor="user:kim", correlation_id="c-1"), platform.transaction() as transaction:
        transaction.publish(Noted(invoice="a"))
    assert platform.messaging.drain() == 2
    event = seen[0][0]
    assert event.correlationid == "c-1"
    assert UUID(event.causationid) != event.id


def test_a_rollback_publishes_nothing(platform, seen):
    with platform.context(tenant="alpha", actor="user:kim"):
        with pytest.raises(KeyError), platform.transaction() as transaction:
            transaction.publish(Paid(invoice="a", amount=1, currency="EUR"))
            raise KeyError
        with platform.transaction() as transaction:
            with pytest.raises(KeyError), platform.transaction() as inner:
                inner.publish(Paid(invoice="b", amount=1, currency="EUR"))
                raise KeyError
            transaction.publish(Paid(invoice="c", amount=1, currency="EUR"))
    assert platform.messaging.drain() == 1
    assert seen[0][0].subject == "c"


def test_what_nobody_handles_is_not_stored(platform):
    class Ignored(Event, name="nobody.cares"):
        pass

    with platform.context(tenant="alpha", actor="user:kim"), platform.transaction() as transaction:
        transaction.publish(Ignored())
    assert platform.messaging.backlog() == {}


def test_an_event_that_is_too_large_fails_its_transaction(platform, seen):
    refused = pytest.raises(TooLargeError, match="max_event_bytes")
    with platform.context(tenant="alpha", actor="user:kim"), refused, platform.transaction() as transaction:
        platform.entities.types.apply({"name": "thing", "fields": {"a": {"type": "text"}}})
        transaction.publish(Paid(invoice="x" * 10_000_000, amount=1, currency="EUR"))
    with platform.context(tenant="alpha", actor="user:kim"):
        assert [t.name for t in platform.entities.types.list()] == []


def test_entities_tell_of_their_changes(platform):
    seen = []

    @handles("entity.*", name="watch")
    def watch(platform, event):
        seen.append(type(event).__name__)

    platform.messaging.subscribe(watch)
    with platform.context(tenant="alpha", actor="user:kim"):
        platform.entities.types.apply({"name": "thing", "fields": {"a": {"type": "text"}}})
        thing = platform.entities.create("thing", {"a": "1"})
        platform.entities.update("thing", thing.id, {"a": "2"})
        platform.entities.delete("thing", thing.id)
    platform.messaging.drain()
    assert seen == ["CloudEvent"] * 4 or seen == ["EntityTypeChanged", "EntityCreated", "EntityUpdated", "EntityDeleted"]


def test_names_are_unique_in_a_platform(platform):
    def first(platform, event): ...

    platform.messaging.subscribe(handles(Paid, name="same")(first))
    with pytest.raises(PluginError, match="two handlers are named 'same'"):
        platform.messaging.subscribe(handles(Paid, name="same")(lambda platform, event: None))


def test_the_catalogue_is_an_asyncapi_document(platform, seen):
    platform.messaging.catalogue.add_event(Paid)
    document = platform.messaging.catalogue.asyncapi("shop")
    assert document["asyncapi"] == "3.0.0"
    channel = document["channels"]["invoice.paid"]
    assert channel["messages"]["event"]["payload"]["properties"]["eventversion"]["const"] == 3
    assert document["operations"]["any/invoice.paid"]["channel"] == {"$ref": "#/channels/invoice.paid"}
    assert document["components"]["schemas"]["invoice.paid"]["required"] == ["invoice", "amount", "currency"]
