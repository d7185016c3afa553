"""One call tells people: by the ways they want, when it suits them, once."""

from datetime import timedelta
from typing import Any

import pytest

from brickwork import Platform
from brickwork.errors import NotFoundError, PermissionDeniedError, SettingsError, ValidationError
from brickwork.notify import Content, QuietHours, Recipient
from brickwork.notify.channels.errors import EndpointGone, PermanentFailure, ProviderUnavailable, TemporaryFailure, Throttled
from brickwork.notify.channels.port import Receipt
from brickwork.testing.clock import FrozenClock
from brickwork.testing.notifications import ScriptedProviders as Product

HELLO = Content(subject="Hello", text="Your visit is tomorrow.", html="<p>Your visit is tomorrow.</p>")
ANN = Recipient(ref="person:ann", name="Ann", addresses={"email": "ann@example.org", "push": ["phone-1", "tablet-1"]})


@pytest.fixture
def in_tenant(clinic: Platform) -> Platform:
    clinic.enter(tenant="north", actor="user:ito")
    return clinic


def texts(product: Product, name: str) -> list[str]:
    return product.script(name).addresses


def status(platform: Platform, message: Any) -> list[tuple[str, str]]:
    return [(one.channel, one.status) for one in platform.notify.history.get(message).deliveries]


class TestSending:
    def test_a_message_goes_out_once_it_is_committed(self, in_tenant: Platform, product: Product) -> None:
        with pytest.raises(RuntimeError), in_tenant.transaction():
            in_tenant.notify.send("direct", ANN, content=HELLO)
            raise RuntimeError
        sent = in_tenant.notify.send("direct", ANN, content=HELLO)
        in_tenant.messaging.drain()
        (message,) = product.script("email").sent
        assert (message.address, message.subject, message.text) == ("ann@example.org", "Hello", "Your visit is tomorrow.")
        assert status(in_tenant, sent.id) == [("email", "sent")]
        assert [step.what for step in in_tenant.notify.history.get(sent.id).deliveries[0].timeline] == ["queued", "sent"]

    def test_a_key_is_used_once_for_each_recipient(self, in_tenant: Platform, product: Product) -> None:
        first = in_tenant.notify.send("direct", ANN, content=HELLO, key="visit-17")
        again = in_tenant.notify.send("direct", [ANN, "bob@example.org"], content=HELLO, key="visit-17")
        in_tenant.messaging.drain()
        assert (len(first.messages), len(again.messages), again.repeated) == (1, 1, 1)
        assert sorted(texts(product, "email")) == ["ann@example.org", "bob@example.org"]

    def test_each_route_is_a_delivery_of_its_own(self, in_tenant: Platform, product: Product) -> None:
        product.script("email").answers.append(TemporaryFailure("greylisted"))
        sent = in_tenant.notify.send("visit.moved", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert sorted(status(in_tenant, sent.id)) == [("email", "queued"), ("inbox", "sent")]

    def test_it_waits_until_its_time_and_can_be_cancelled(
        self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock
    ) -> None:
        later = frozen_clock.now() + timedelta(hours=2)
        kept = in_tenant.notify.send("direct", ANN, content=HELLO, at=later)
        dropped = in_tenant.notify.send("direct", "bob@example.org", content=HELLO, at=later)
        in_tenant.messaging.drain()
        assert in_tenant.notify.cancel(dropped.id) is True
        assert in_tenant.notify.cancel(dropped.id) is False
        frozen_clock.advance(hours=3)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"]
        assert in_tenant.notify.cancel(kept.id) is False
        assert status(in_tenant, dropped.id) == [("email", "cancelled")]

    def test_what_has_expired_is_not_sent(self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock) -> None:
        sent = in_tenant.notify.send("offer", ANN, content=HELLO)
        frozen_clock.advance(days=2)
        in_tenant.messaging.drain()
        assert (texts(product, "email"), status(in_tenant, sent.id)) == ([], [("email", "expired")])

    def test_recipients_beyond_the_throttle_get_nothing(self, in_tenant: Platform, product: Product) -> None:
        sent = [in_tenant.notify.send("offer", ANN, content=HELLO) for _ in range(4)]
        in_tenant.messaging.drain()
        assert len(product.script("email").sent) == 2
        assert [in_tenant.notify.history.get(one.id).status for one in sent] == ["active", "active", "throttled", "throttled"]

    def test_a_thousand_recipients_cost_few_queries(self, in_tenant: Platform, product: Product) -> None:
        sent = in_tenant.notify.send("direct", (f"p{n}@example.org" for n in range(1000)), content=HELLO)
        assert len(sent.messages) == 1000
        assert in_tenant.messaging.drain() == 1000 / in_tenant.notify.settings.batch
        assert len(product.script("email").sent) == 1000


class TestRecipients:
    def test_users_groups_records_and_bare_addresses_are_found(self, in_tenant: Platform, product: Product) -> None:
        mia = in_tenant.auth.users.create("mia@example.org", "Mia")
        leo = in_tenant.auth.users.create("leo@example.org", "Leo")
        stranger = in_tenant.auth.users.create("eve@example.org", "Eve")
        for user in (mia, leo):
            in_tenant.auth.members.add(user)
        in_tenant.auth.groups.create("nurses")
        in_tenant.auth.groups.add("nurses", leo.actor)
        patient = in_tenant.entities.create("patient", {"name": "Pat", "mail": "pat@example.org"})
        in_tenant.notify.send("direct", [mia.actor, "group:nurses", str(patient.ref), "x@example.org", mia.actor], content=HELLO)
        in_tenant.messaging.drain()
        wanted = ["leo@example.org", "mia@example.org", "pat@example.org", "x@example.org"]
        assert sorted(texts(product, "email")) == wanted
        with pytest.raises(NotFoundError, match="no recipient"):  # no member of this tenant
            in_tenant.notify.send("direct", stranger.actor, content=HELLO)

    def test_records_are_found_by_a_query(self, in_tenant: Platform, product: Product) -> None:
        for n in range(3):
            in_tenant.entities.create("patient", {"name": f"P{n}", "mail": f"p{n}@example.org"})
        in_tenant.notify.send("direct", in_tenant.notify.recipients.records("patient", {"name": "P1"}), content=HELLO)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["p1@example.org"]

    def test_what_is_stored_counts_more_than_what_is_found(self, in_tenant: Platform, product: Product) -> None:
        mia = in_tenant.auth.users.create("mia@example.org", "Mia")
        in_tenant.auth.members.add(mia)
        in_tenant.notify.recipients.put(Recipient(ref=mia.actor, locale="de", addresses={"email": "mia@private.example"}))
        found = in_tenant.notify.recipients.get(mia.actor)
        assert (found.addresses["email"], found.locale, found.name) == (("mia@private.example",), "de", "Mia")

    def test_other_tenants_recipients_are_unknown(self, in_tenant: Platform) -> None:
        in_tenant.notify.recipients.put(Recipient(ref="person:ann", addresses={"email": "ann@example.org"}))
        with in_tenant.context(tenant="south", actor="user:eve"), pytest.raises(NotFoundError):
            in_tenant.notify.send("direct", "person:ann", content=HELLO)

    def test_a_recipient_without_an_address_is_unreachable(self, in_tenant: Platform) -> None:
        sent = in_tenant.notify.send("direct", Recipient(ref="person:ann"), content=HELLO)
        assert in_tenant.notify.history.get(sent.id).status == "unreachable"


class TestPreferences:
    def test_a_category_can_be_switched_off(self, in_tenant: Platform, product: Product) -> None:
        in_tenant.notify.preferences.set("person:ann", "visits", False, channel="push")
        sent = in_tenant.notify.send("visit.reminder", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert (status(in_tenant, sent.id), texts(product, "push")) == ([("email", "sent")], [])
        in_tenant.notify.preferences.set("person:ann", "visits", False)
        in_tenant.notify.preferences.forget("person:ann", "visits", channel="push")
        sent = in_tenant.notify.send("visit.reminder", ANN, content=HELLO)
        assert in_tenant.notify.history.get(sent.id).status == "unwanted"

    def test_what_is_required_is_sent_all_the_same(self, in_tenant: Platform, product: Product) -> None:
        in_tenant.notify.preferences.set("person:ann", "*", False)
        in_tenant.notify.send("security.alert", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"]

    def test_a_person_decides_against_the_tenant(self, in_tenant: Platform, product: Product) -> None:
        in_tenant.notify.preferences.set("*", "marketing", False)
        in_tenant.notify.preferences.set("person:ann", "marketing", True)
        in_tenant.notify.send("offer", [ANN, "bob@example.org"], content=HELLO)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"]

    def test_a_decision_counts_until_the_last_moment(self, in_tenant: Platform, product: Product) -> None:
        sent = in_tenant.notify.send("offer", ANN, content=HELLO)
        in_tenant.notify.preferences.set("person:ann", "marketing", False)
        in_tenant.messaging.drain()
        assert (texts(product, "email"), status(in_tenant, sent.id)) == ([], [("email", "unwanted")])

    def test_people_change_their_own_and_nobody_elses(self, in_tenant: Platform) -> None:
        mia = in_tenant.auth.users.create("mia@example.org", "Mia")
        in_tenant.auth.members.add(mia)
        with in_tenant.auth.acting_as(mia.actor):
            in_tenant.notify.preferences.set(mia.actor, "visits", False)
            assert len(in_tenant.notify.preferences.list(mia.actor)) == 1
            with pytest.raises(PermissionDeniedError):
                in_tenant.notify.preferences.set("person:ann", "visits", False)


class TestQuietHours:
    NIGHT = QuietHours.model_validate({"begin": "22:00", "end": "07:00"})

    def test_messages_wait_for_the_morning_where_the_recipient_is(
        self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock
    ) -> None:
        in_tenant.notify.recipients.defaults(quiet=self.NIGHT)
        tokyo = Recipient(ref="person:kai", zone="Asia/Tokyo", addresses={"email": "kai@example.org"})
        frozen_clock.advance(hours=6)  # 15:00 UTC, midnight in Tokyo
        in_tenant.notify.send("visit.moved", [tokyo, ANN], content=HELLO)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"]
        assert in_tenant.notify.inbox.counts("person:kai").unread == 1  # the inbox wakes nobody
        frozen_clock.advance(hours=7)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org", "kai@example.org"]

    def test_what_is_urgent_does_not_wait(self, in_tenant: Platform, product: Product) -> None:
        always = QuietHours.model_validate({"begin": "08:00", "end": "07:59"})
        in_tenant.notify.send(
            "security.alert", Recipient(ref="x", addresses={"email": "x@example.org"}, quiet=always), content=HELLO
        )
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["x@example.org"]

    def test_a_retry_does_not_wake_anybody(self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock) -> None:
        quiet = QuietHours.model_validate({"begin": "09:10", "end": "11:00"})
        product.script("email").answers.append(Throttled("slow down", retry_after=1200))
        in_tenant.notify.send("direct", Recipient(ref="x", addresses={"email": "x@example.org"}, quiet=quiet), content=HELLO)
        in_tenant.messaging.drain()
        frozen_clock.advance(minutes=30)
        in_tenant.messaging.drain()
        assert texts(product, "email") == []
        frozen_clock.advance(hours=2)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["x@example.org"]


class TestFallback:
    def test_email_follows_a_push_message_that_nobody_saw(
        self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock
    ) -> None:
        sent = in_tenant.notify.send("visit.reminder", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert (texts(product, "push"), texts(product, "email")) == (["phone-1", "tablet-1"], [])
        frozen_clock.advance(minutes=11)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"], "once, though two devices were told"
        assert sorted(status(in_tenant, sent.id)) == [("email", "sent"), ("push", "sent"), ("push", "sent")]

    def test_and_not_one_that_was_seen(self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock) -> None:
        sent = in_tenant.notify.send("visit.reminder", ANN, content=HELLO)
        in_tenant.messaging.drain()
        in_tenant.notify.tracking.seen(in_tenant.notify.history.get(sent.id).deliveries[1].id)
        frozen_clock.advance(minutes=11)
        in_tenant.messaging.drain()
        assert texts(product, "email") == []

    def test_a_channel_that_fails_for_good_is_followed_at_once(self, in_tenant: Platform, product: Product) -> None:
        product.script("push").answers.extend([PermanentFailure("gone", suppress=True), PermanentFailure("gone", suppress=True)])
        in_tenant.notify.send("visit.reminder", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"]
        addresses = {one.address for one in in_tenant.notify.suppressions.list(channel="push")}
        assert addresses == {"phone-1", "tablet-1"}

    def test_a_condition_chooses_the_channel(self, in_tenant: Platform, product: Product) -> None:
        both = Recipient(ref="x", addresses={"email": "x@example.org", "sms": "+4312345678"})
        in_tenant.notify.send("vip", both, {"amount": 50}, content=HELLO)
        in_tenant.notify.send("vip", both, {"amount": 500}, content=HELLO)
        in_tenant.messaging.drain()
        assert (texts(product, "email"), texts(product, "sms")) == (["x@example.org"], ["+4312345678"])


class TestProviders:
    def test_another_provider_serves_while_one_is_down(self, in_tenant: Platform, product: Product) -> None:
        product.script("email").answers.append(ProviderUnavailable("connection refused"))
        sent = in_tenant.notify.send("direct", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert (texts(product, "email"), texts(product, "spare")) == ([], ["ann@example.org"])
        assert in_tenant.notify.history.get(sent.id).deliveries[0].provider == "spare"

    def test_attempts_outlive_failover_and_end(self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock,
                                               captured_events: Any) -> None:  # fmt: skip
        for name in ("email", "spare"):
            product.script(name).answers.extend([ProviderUnavailable("down")] * 3)
        sent = in_tenant.notify.send("direct", ANN, content=HELLO)
        for _ in range(4):
            in_tenant.messaging.drain()
            frozen_clock.advance(hours=1)
        (delivery,) = in_tenant.notify.history.get(sent.id).deliveries
        assert (delivery.status, delivery.attempts) == ("failed", 3)
        assert [step.what for step in delivery.timeline] == ["queued", "retried", "retried", "failed"]

    def test_a_defect_of_a_channel_loses_nothing(self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock) -> None:
        product.script("email").answers.append(ZeroDivisionError("secret"))
        sent = in_tenant.notify.send("direct", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert "secret" not in in_tenant.notify.history.get(sent.id).model_dump_json()
        frozen_clock.advance(hours=1)
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["ann@example.org"]

    def test_what_providers_say_is_kept(self, in_tenant: Platform, product: Product) -> None:
        product.script("sms").answers.append(Receipt(provider_id="SM1", parts=3))
        both = Recipient(ref="x", addresses={"sms": "+4312345678"})
        sent = in_tenant.notify.send("vip", both, {"amount": 500}, content=HELLO)
        in_tenant.messaging.drain()
        (delivery,) = in_tenant.notify.history.get(sent.id).deliveries
        assert (delivery.provider, delivery.provider_id, delivery.parts) == ("sms", "SM1", 3)

    @pytest.mark.parametrize(
        ("notify", "message"),
        [
            ({"channels": {"email": ["post"]}}, "no provider 'post'"),
            ({"channels": {"email": []}}, "has no provider"),
            ({"providers": {"a": {"host": "x"}}}, "needs a backend"),
        ],
    )
    def test_wrong_settings_stop_the_start(self, make_platform: Any, notify: dict[str, Any], message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            make_platform(migrated=False, notify=notify)


class TestDigests:
    def test_messages_of_an_hour_are_one(self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock) -> None:
        sent = [in_tenant.notify.send("lab.result", ANN, {"n": n}, content=HELLO) for n in range(3)]
        in_tenant.messaging.drain()
        assert product.script("email").sent == []
        frozen_clock.advance(minutes=61)
        in_tenant.messaging.drain()
        assert len(product.script("email").sent) == 1
        assert [in_tenant.notify.history.get(one.id).status for one in sent] == ["active", "gathered", "gathered"]
        in_tenant.notify.send("lab.result", ANN, {"n": 3}, content=HELLO)
        frozen_clock.advance(minutes=61)
        in_tenant.messaging.drain()
        assert len(product.script("email").sent) == 2

    def test_a_daily_one_comes_when_it_is_eight_for_the_recipient(
        self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock
    ) -> None:
        tokyo = Recipient(ref="person:kai", zone="Asia/Tokyo", addresses={"email": "kai@example.org"})
        in_tenant.notify.send("lab.daily", [tokyo, ANN], {"n": 1}, content=HELLO)
        frozen_clock.advance(hours=14)  # 23:00 UTC, 8:00 in Tokyo
        in_tenant.messaging.drain()
        assert texts(product, "email") == ["kai@example.org"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"notification": "nothing"}, "no notification"),
            ({"to": "person:nobody"}, "no recipient"),
            ({"to": "ghost:1"}, "no recipient"),
            ({"to": "user:1"}, "no recipient"),
            ({"to": "group:none"}, "group"),
            ({"key": ""}, "key takes"),
            ({"key": "x" * 201}, "key takes"),
            ({"content": None}, "needs content"),
        ],
    )
    def test_what_can_not_be_sent_is_refused(self, in_tenant: Platform, arguments: dict[str, Any], message: str) -> None:
        given: dict[str, Any] = {"notification": "direct", "to": ANN, "content": HELLO, **arguments}
        with pytest.raises((ValidationError, NotFoundError), match=message):
            in_tenant.notify.send(**given)

    @pytest.mark.parametrize(
        "definition",
        [
            {"key": "Bad Key"},
            {"key": "a", "routes": []},
            {"key": "a", "routes": [{"channel": "email", "after": "PT1M"}]},
            {"key": "a", "routes": [{"channel": "email", "when": "data.x >"}]},
            {"key": "a", "routes": [{"channel": "email", "when": "nobody.x"}]},
            {"key": "a", "throttle": "often"},
            {"key": "a", "digest": {}},
            {"key": "a", "digest": {"window": "PT1H", "at": "08:00"}},
            {"key": "a", "colour": "red"},
        ],
    )
    def test_a_definition_that_is_none_is_refused(self, in_tenant: Platform, definition: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="not a notification"):
            in_tenant.notify.define(definition)


class TestReports:
    REPORT = """\
From: MAILER-DAEMON@mx.example.org
To: bounces@clinic.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Original-Envelope-Id: {id}

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 no such mailbox

--b--
"""

    def report(self, id: object, recipient: str = "ann@example.org", status: str = "5.1.1") -> bytes:
        return self.REPORT.format(id=id, recipient=recipient, status=status).encode()

    def test_a_bounce_suppresses_the_address(self, in_tenant: Platform, product: Product) -> None:
        sent = in_tenant.notify.send("direct", ANN, content=HELLO)
        in_tenant.messaging.drain()
        (delivery,) = in_tenant.notify.history.get(sent.id).deliveries
        tracking = in_tenant.notify.tracking
        assert tracking.email_report(self.report(delivery.id, "somebody@else.example")) is False
        assert tracking.email_report(self.report("0198c1f2-7d00-7000-8000-000000000000")) is False
        assert tracking.email_report(self.report(delivery.id, status="4.2.2")) is True
        assert in_tenant.notify.suppressions.list().items == []
        assert tracking.email_report(self.report(delivery.id, "Ann@Example.org")) is True
        assert [one.reason for one in in_tenant.notify.suppressions.list()] == ["bounced"]
        again = in_tenant.notify.send("direct", ANN, content=HELLO)
        in_tenant.messaging.drain()
        assert status(in_tenant, again.id) == [("email", "suppressed")]

    def test_other_tenants_reports_count_for_nothing(self, in_tenant: Platform, product: Product) -> None:
        sent = in_tenant.notify.send("direct", ANN, content=HELLO)
        in_tenant.messaging.drain()
        (delivery,) = in_tenant.notify.history.get(sent.id).deliveries
        with in_tenant.context(tenant="south", actor="user:eve"):
            assert in_tenant.notify.tracking.email_report(self.report(delivery.id)) is False

    def test_a_providers_status_is_noted(self, in_tenant: Platform, product: Product) -> None:
        from brickwork.notify.channels.sms import SmsStatus

        product.script("sms").answers.append(Receipt(provider_id="SM1"))
        sent = in_tenant.notify.send("vip", Recipient(ref="x", addresses={"sms": "+4312345678"}), {"amount": 500}, content=HELLO)
        in_tenant.messaging.drain()
        assert in_tenant.notify.tracking.sms_status(SmsStatus(provider_id="SM2", state="delivered")) is False
        assert in_tenant.notify.tracking.sms_status(SmsStatus(provider_id="SM1", state="delivered")) is True
        assert status(in_tenant, sent.id) == [("sms", "delivered")]


class TestEndpoints:
    @pytest.fixture
    def told(self, in_tenant: Platform, product: Product) -> Any:
        """An endpoint whose messages the script "webhook" takes; the real channel has tests of its own."""
        return in_tenant.notify.endpoints.add("https://hooks.example.org/a", ["visit.*"])

    def test_events_are_told_once_with_the_endpoints_secret(self, in_tenant: Platform, product: Product, told: Any) -> None:
        endpoints = in_tenant.notify.endpoints
        assert endpoints.publish("invoice.paid", {"n": 1}) == 0
        for _ in range(2):
            assert endpoints.publish("visit.moved", {"n": 1}, key="visit-1") == 1
        in_tenant.messaging.drain()
        (message,) = product.script("webhook").sent
        assert (message.address, message.data["type"], message.data["data"]) == (told.url, "visit.moved", {"n": 1})
        assert message.secrets == (told.secret,)
        new = endpoints.rotate(told.id)
        endpoints.publish("visit.moved", {"n": 2})
        in_tenant.messaging.drain()
        assert product.script("webhook").sent[-1].secrets == (new.secret, told.secret)

    def test_an_endpoint_that_is_gone_is_disabled_and_replayed(
        self, in_tenant: Platform, product: Product, told: Any, frozen_clock: FrozenClock
    ) -> None:
        endpoints, began = in_tenant.notify.endpoints, frozen_clock.now()
        product.script("webhook").answers.append(EndpointGone("410"))
        endpoints.publish("visit.moved", {"n": 1})
        in_tenant.messaging.drain()
        assert endpoints.list()[0].disabled_reason == "it answers that it is gone"
        assert endpoints.publish("visit.moved", {"n": 2}) == 0
        endpoints.enable(told.id)
        assert endpoints.replay(told.id, since=began) == 1
        in_tenant.messaging.drain()
        assert [message.data["data"] for message in product.script("webhook").sent] == [{"n": 1}]

    def test_an_endpoint_that_stays_dead_is_disabled(
        self, in_tenant: Platform, product: Product, told: Any, frozen_clock: FrozenClock
    ) -> None:
        product.script("webhook").answers.extend([TemporaryFailure("503")] * 30)
        in_tenant.notify.endpoints.publish("visit.moved", {"n": 1})
        for _ in range(29):  # ten attempts take three days and some hours
            in_tenant.messaging.drain()
            frozen_clock.advance(hours=4)
        (message,) = in_tenant.notify.endpoints.messages(told.id).items
        assert (message.deliveries[0].status, message.deliveries[0].attempts) == ("failed", 10)
        frozen_clock.advance(days=1)
        in_tenant.notify.endpoints.publish("visit.moved", {"n": 2})
        in_tenant.messaging.drain()
        assert in_tenant.notify.endpoints.list()[0].disabled_at is not None

    def test_other_tenants_have_their_own(self, in_tenant: Platform, told: Any) -> None:
        with in_tenant.context(tenant="south", actor="user:eve"):
            assert in_tenant.notify.endpoints.list() == []
            assert in_tenant.notify.endpoints.publish("visit.moved", {}) == 0
            with pytest.raises(NotFoundError):
                in_tenant.notify.endpoints.rotate(told.id)

    def test_secrets_are_not_in_the_database_nor_in_the_audit_trail(self, in_tenant: Platform, told: Any) -> None:
        entries = [entry for entry in in_tenant.audit.entries(limit=100) if entry.entity == "notify_endpoint"]
        assert entries
        assert told.secret not in repr(entries)
        assert told.secret not in repr(told)


class TestCrashes:
    """A process that dies between handing messages over and writing that down; `python -m benchmarks notify` kills real ones."""

    def crash(self, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
        def die(*_: Any, **__: Any) -> None:
            raise SystemExit

        sent = platform.notify.send("direct", [ANN, "bob@example.org"], content=HELLO)
        with monkeypatch.context() as patched:
            patched.setattr(platform.notify._delivering, "_record", die)
            platform.messaging.drain()
        assert [status(platform, id) for id in sent.messages] == [[("email", "sending")]] * 2
        return sent

    def test_what_was_handed_over_is_not_sent_again(
        self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = self.crash(in_tenant, monkeypatch)
        frozen_clock.advance(minutes=10)
        in_tenant.messaging.drain()
        assert len(product.script("email").sent) == 2
        assert [status(in_tenant, id) for id in sent.messages] == [[("email", "sent")]] * 2
        journal = in_tenant.settings.platform.data_dir / "notify" / "journal"
        assert list(journal.iterdir()) == [], "what the database knows needs no journal"

    def test_without_the_journal_each_is_sent_again_under_the_same_id(
        self, in_tenant: Platform, product: Product, frozen_clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.crash(in_tenant, monkeypatch)
        for file in (in_tenant.settings.platform.data_dir / "notify" / "journal").iterdir():
            file.unlink()  # the machine was lost with its disk
        frozen_clock.advance(minutes=10)
        in_tenant.messaging.drain()
        ids = [message.id for message in product.script("email").sent]
        assert (len(ids), len(set(ids))) == (4, 2)
