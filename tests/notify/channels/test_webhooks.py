"""Webhooks: signatures that others verify, and endpoints that mean harm."""

import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from time import monotonic

import pytest
import standardwebhooks

from brickwork.errors import TooLargeError, ValidationError
from brickwork.kernel import addresses
from brickwork.kernel.addresses import AddressGuard, is_public
from brickwork.notify.channels import (
    EndpointGone,
    Outgoing,
    PermanentFailure,
    SendError,
    SignatureError,
    TemporaryFailure,
    Throttled,
    WebhookChannel,
    WebhookSettings,
)
from brickwork.notify.channels.webhook import new_key_pair, new_secret, sign, verify

from .conftest import PATIENCE
from .webserver import Say

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, MOMENT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
THEN = datetime.fromtimestamp(MOMENT, tz=UTC)


@pytest.fixture
def channel(clock):
    made = WebhookChannel(WebhookSettings(timeout=PATIENCE, allow_http=True, allowed_networks=["127.0.0.0/8"]), clock)
    yield made
    made.close()


def message(url, **given):
    return Outgoing(
        **{"id": "0198-abc", "address": url, "data": {"type": "invoice.paid", "data": {"id": 7}}, "secrets": (SECRET,), **given}
    )


# -- signatures ------------------------------------------------------------------------------------------------------------


def headers(**changes):
    given = {"webhook-id": ID, "webhook-timestamp": str(MOMENT), "webhook-signature": sign(ID, MOMENT, BODY, [SECRET])}
    return {**given, **{f"webhook-{name}": value for name, value in changes.items()}}


def test_the_published_signature():
    assert sign(ID, MOMENT, BODY, [SECRET]) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert verify(headers(), BODY, [SECRET], THEN) == ID


def test_the_reference_implementation_takes_what_is_sent(web, clock):
    clock.moment = datetime.now(UTC)  # it looks at the real clock
    channel = WebhookChannel(WebhookSettings(allow_http=True, allowed_networks=["127.0.0.0/8"]), clock)
    old, new = new_secret(), new_secret()
    channel.send(message(web.url, secrets=(new, old), headers={"X-Tenant": "north"}))
    channel.close()
    (asked,) = web.asked
    for secret in (old, new):
        assert standardwebhooks.Webhook(secret).verify(asked.body, asked.headers) == {"type": "invoice.paid", "data": {"id": 7}}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(asked.body, asked.headers)
    assert (asked.method, asked.headers["content-type"], asked.headers["x-tenant"]) == ("POST", "application/json", "north")
    assert asked.headers["webhook-id"] == "0198-abc"


def test_what_the_reference_implementation_signs_is_taken():
    now = datetime.now(UTC)
    signature = standardwebhooks.Webhook(SECRET).sign(ID, now, BODY.decode())
    given = {"Webhook-Id": ID, "WEBHOOK-TIMESTAMP": str(int(now.timestamp())), "webhook-signature": signature}
    assert verify(given, BODY, [SECRET], now) == ID


def test_a_key_pair_signs_what_its_public_half_verifies():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    private, public = new_key_pair()
    signature = sign(ID, MOMENT, BODY, [private])
    assert signature.startswith("v1a,")
    raw = b64decode(public.removeprefix("whpk_"))
    Ed25519PublicKey.from_public_bytes(raw).verify(b64decode(signature[4:]), b"%s.%d.%s" % (ID.encode(), MOMENT, BODY))
    assert verify(headers(signature=signature), BODY, [public], THEN) == ID
    with pytest.raises(SignatureError, match="no signature matches"):
        verify(headers(signature=signature), BODY, [new_key_pair()[1]], THEN)
    with pytest.raises(SignatureError, match="no signature matches"):
        verify(headers(signature=f"v1,{signature[4:]}"), BODY, [public], THEN)


def test_both_ends_of_a_rotation_find_their_signature():
    new, (private, public) = new_secret(), new_key_pair()
    both = headers(signature=sign(ID, MOMENT, BODY, [new, private, SECRET]))
    for secrets in ([new], [SECRET], [public], [new_secret(), SECRET]):
        assert verify(both, BODY, secrets, THEN) == ID


@pytest.mark.parametrize(
    ("changed", "body", "told"),
    [
        ({"id": "msg_other"}, BODY, "no signature"),
        ({}, BODY + b" ", "no signature"),
        ({"timestamp": str(MOMENT + 1)}, BODY, "no signature"),
        ({"timestamp": str(MOMENT - 301)}, BODY, "too old"),
        ({"timestamp": str(MOMENT + 301)}, BODY, "too old"),
        ({"timestamp": f"{MOMENT}.0"}, BODY, "no number"),
        ({"timestamp": "-1"}, BODY, "no number"),
        ({"timestamp": "9" * 400}, BODY, "no number"),
        ({"timestamp": "١٦١٤٢٦٥٣٣٠"}, BODY, "no number"),
        ({"signature": ""}, BODY, "no signature"),
        ({"signature": "v1,"}, BODY, "no signature"),
        ({"signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, BODY, "no signature"),
        ({"signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, BODY, "no signature"),
        ({"signature": "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, BODY, "no signature"),
        ({"signature": "v1,né, v1,💥"}, BODY, "no signature"),
        ({"signature": "v1,bm9wZQ== " * 20 + "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, BODY, "no signature"),
    ],
)
def test_what_is_not_signed_so_is_refused(changed, body, told):
    with pytest.raises(SignatureError, match=told):
        verify(headers(**changed), body, [SECRET], THEN)


@pytest.mark.parametrize("missing", ["id", "timestamp", "signature"])
def test_a_header_that_is_missing_is_named(missing):
    given = headers()
    del given[f"webhook-{missing}"]
    with pytest.raises(SignatureError, match=f"webhook-{missing} is missing"):
        verify(given, BODY, [SECRET], THEN)


def test_a_webhook_that_came_before_is_refused():
    seen = {}

    def replayed(id, until):
        return seen.setdefault(id, until) is not until

    assert verify(headers(), BODY, [SECRET], THEN, replayed=replayed) == ID
    assert seen == {ID: THEN + timedelta(seconds=300)}
    with pytest.raises(SignatureError, match="came before"):
        verify(headers(), BODY, [SECRET], THEN, replayed=replayed)
    with pytest.raises(SignatureError):
        verify(headers(id="forged"), BODY, [SECRET], THEN, replayed=replayed)
    assert set(seen) == {ID}, "what isn't signed is not remembered"


@pytest.mark.parametrize(
    "secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "whsk_c2hvcnQ="]
)
def test_a_secret_that_is_none_is_refused_without_being_told(secret):
    with pytest.raises(ValidationError) as caught:
        sign(ID, MOMENT, BODY, [secret])
    assert len(secret) < 8 or secret not in str(caught.value)


# -- answers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("say", "kind", "wait"),
    [
        (Say(410), EndpointGone, None),
        (Say(404), TemporaryFailure, None),
        (Say(400), TemporaryFailure, None),
        (Say(500), TemporaryFailure, None),
        (Say(302, headers={"location": "http://169.254.169.254/latest/meta-data/"}), TemporaryFailure, None),
        (Say(308, headers={"location": "/elsewhere"}), TemporaryFailure, None),
        (Say(429), Throttled, None),
        (Say(429, headers={"retry-after": "120"}), Throttled, 120),
        (Say(503, headers={"retry-after": "Sun, 01 Mar 2026 12:02:00 GMT"}), Throttled, 120),
        (Say(503, headers={"retry-after": "Sun, 01 Mar 2020 12:02:00 GMT"}), Throttled, 0),
        (Say(429, headers={"retry-after": "9" * 400}), Throttled, 86_400),
        (Say(429, headers={"retry-after": "soon"}), Throttled, None),
        (Say(503), TemporaryFailure, None),
    ],
)
def test_what_an_answer_means(web, channel, say, kind, wait):
    web.answer = lambda asked: say
    with pytest.raises(kind) as caught:
        channel.send(message(web.url))
    assert type(caught.value) is kind
    assert caught.value.provider_code == str(say.status)
    assert not caught.value.uncertain
    assert getattr(caught.value, "retry_after", None) == wait
    assert len(web.asked) == 1, "a redirect is not followed"


def test_connections_are_used_again(web, channel):
    channel.send_many([message(web.url, id=f"m{number}") for number in range(40)])
    assert len({asked.connection for asked in web.asked}) <= 8


def raw(*parts, pause=0.0):
    def write(file):
        try:
            for part in parts:
                file.write(part)
                file.flush()
                time.sleep(pause)
        except OSError:
            pass  # the other side has had enough

    return write


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        raw(b"rubbish\r\n\r\n"),
        raw(b""),
        raw(*[b"H"] * 100, pause=0.1),
        raw(OK + b"x: ", *[b"a"] * 100, pause=0.1),
        raw(OK, *[b"x: " + b"a" * 60_000 + b"\r\n"] * 100),
    ],
    ids=["rubbish", "nothing", "drips", "drips-headers", "endless-headers"],
)
def test_who_never_answers_is_not_waited_for(web, channel, answer):
    web.raw = answer
    began = monotonic()
    with pytest.raises(TemporaryFailure) as caught:
        channel.send(message(web.url))
    assert monotonic() - began < 3 * PATIENCE
    assert caught.value.uncertain


@pytest.mark.parametrize(
    "answer",
    [
        raw(OK + b"content-length: 5000\r\n\r\n", *[b"a"] * 100, pause=0.1),
        raw(OK + b"content-length: 99999999999\r\n\r\n", *[b" " * 65_536] * 200),
        raw(OK + b"transfer-encoding: chunked\r\n\r\n", *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 200),
        raw(OK + b"content-length: 10\r\n\r\n{}"),
    ],
    ids=["drips", "endless", "endless-chunks", "breaks-off"],
)
def test_a_body_without_an_end_changes_nothing_of_the_success(web, channel, answer):
    web.raw = answer
    began = monotonic()
    assert channel.send(message(web.url)).detail == "200"
    assert monotonic() - began < 3 * PATIENCE
    web.raw = None
    assert channel.send(message(web.url)).detail == "200", "the connection is not used again"


def test_an_endpoint_that_is_down_was_certainly_not_reached(web, channel):
    web.stop()
    with pytest.raises(TemporaryFailure) as caught:
        channel.send(message(web.url))
    assert not caught.value.uncertain
    assert web.url not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"secrets": ()},
        {"secrets": ("secret",)},
        {"data": {"a": object()}},
        {"headers": {"Host": "evil.example"}},
        {"headers": {"webhook-id": "x"}},
        {"headers": {"Content-Length": "0"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"X-A": "b\r\nX-B: c"}},
        {"headers": {"X-A": "ü"}},
    ],
)
def test_what_can_not_be_sent_is_refused(web, channel, wrong):
    with pytest.raises(ValidationError):
        channel.send(message(web.url, **wrong))
    assert not web.asked


def test_a_body_that_is_too_large_is_refused(web, channel):
    with pytest.raises(TooLargeError):
        channel.send(message(web.url, data={"a": "x" * 1_000_001}))


# -- addresses that are nobody's business ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "192.0.2.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "3fff::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001::1", "5f00::1"),
    ],
)
def test_an_address_that_is_not_public(address):
    assert not is_public(ip_address(address))
    assert not AddressGuard([ip_network("10.99.0.0/16")]).passes(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_an_address_that_is_public(address):
    assert is_public(ip_address(address))


def test_a_network_of_ones_own_can_be_allowed():
    guard = AddressGuard([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])
    passed = ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"]
    assert [guard.passes(ip_address(text)) for text in [*passed, "10.2.0.1", "fe80::1"]] == [True, True, True, False, False]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "LOCALHOST.",
        "127。0。0。1",
    ],
)
def test_no_way_of_writing_it_reaches_the_loopback(web, clock, host):
    channel = WebhookChannel(WebhookSettings(timeout=PATIENCE, allow_http=True), clock)
    port = web.server_address[1]
    with pytest.raises((SendError, ValidationError)):
        channel.send(message(f"http://{host}:{port}/"))
    channel.close()
    assert not web.asked


def test_a_name_with_two_faces_is_refused_and_one_that_changes_its_face_is_held_to_the_first(web, clock, monkeypatch):
    """DNS rebinding: what was checked is what is connected to, and the name is not asked again."""
    answers, real = [], addresses.socket.getaddrinfo

    def resolve(host, port, *arguments, **options):
        if host.endswith(".example"):
            return [(0, 0, 0, "", (text, port)) for text in answers.pop(0)]
        return real(host, port, *arguments, **options)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    channel = WebhookChannel(WebhookSettings(timeout=PATIENCE, allow_http=True, allowed_networks=["127.0.0.2/32"]), clock)
    answers[:] = [["93.184.215.14", "127.0.0.1"]]
    with pytest.raises(PermanentFailure, match="not a public one") as caught:
        channel.send(message(f"http://two-faces.example:{web.server_address[1]}/"))
    assert "127.0.0.1" not in str(caught.value)
    answers[:] = [["127.0.0.2"], ["127.0.0.1"]]
    with pytest.raises(TemporaryFailure):  # nobody listens at the allowed address
        channel.send(message(f"http://rebound.example:{web.server_address[1]}/"))
    assert answers == [["127.0.0.1"]]
    channel.close()
    assert not web.asked


def test_a_name_server_that_hangs_is_not_waited_for(clock, monkeypatch):
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: time.sleep(5) or [])
    channel = WebhookChannel(WebhookSettings(timeout=PATIENCE), clock)
    began = monotonic()
    with pytest.raises(TemporaryFailure) as caught:
        channel.send(message("https://slow.example/"))
    assert monotonic() - began < 2 * PATIENCE
    assert not caught.value.uncertain
    channel.close()


def test_a_name_that_is_none_is_told_as_such(clock):
    channel = WebhookChannel(WebhookSettings(timeout=PATIENCE), clock)
    with pytest.raises(TemporaryFailure):
        channel.send(message("https://nowhere.invalid/"))
    channel.close()


def test_an_endpoint_has_to_show_a_certificate(scripted, clock):
    server = scripted(lambda talk: talk.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"))
    channel = WebhookChannel(WebhookSettings(timeout=PATIENCE, allowed_networks=["127.0.0.0/8"]), clock)
    with pytest.raises(TemporaryFailure) as caught:
        channel.send(message(f"https://localhost:{server.port}/"))
    assert not caught.value.uncertain
    channel.close()
