"""Web Push by the RFCs' own example and read by another implementation; SMS in segments, refused by code, reported back."""

import json
from base64 import b64encode
from datetime import timedelta

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError as SettingsRefused

from brickwork.errors import TooLargeError, ValidationError
from brickwork.notify.channels import (
    EndpointGone,
    HttpSmsChannel,
    HttpSmsSettings,
    Outgoing,
    PermanentFailure,
    PushChannel,
    PushSettings,
    SignatureError,
    TemporaryFailure,
    Throttled,
    TwilioChannel,
    TwilioSettings,
)
from brickwork.notify.channels.push import new_private_key
from brickwork.notify.channels.push.encryption import MOST, encrypt
from brickwork.notify.channels.push.vapid import Vapid, decoded, encoded, load
from brickwork.notify.channels.sms import parse_status, segments

from .conftest import PATIENCE
from .webserver import Say

# -- push ------------------------------------------------------------------------------------------------------------------

#: RFC 8291, appendix A.
SENDER, SALT = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "DGv6ra1nlYgDCS1FRnbzlw"
RECEIVER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
RECEIVER_PRIVATE, AUTH = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94", "BTBZMqHH6r4Tts7J_aSIgg"
PLAIN = b"When I grow up, I want to be a watermelon"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_rfc():
    assert encoded(encrypt(PLAIN, decoded(RECEIVER), decoded(AUTH), key=load(SENDER), salt=decoded(SALT))) == SEALED


@pytest.mark.parametrize("length", [0, 1, 41, 1000, MOST])
def test_another_implementation_reads_it(length):
    body = encrypt(b"x" * length, decoded(RECEIVER), decoded(AUTH))
    assert http_ece.decrypt(body, private_key=load(RECEIVER_PRIVATE), auth_secret=decoded(AUTH)) == b"x" * length
    assert len(body) <= 4096
    with pytest.raises(ValueError, match="at most"):
        encrypt(b"x" * (MOST + 1), decoded(RECEIVER), decoded(AUTH))


@pytest.fixture
def push(web, clock):
    settings = PushSettings(
        private_key=SENDER,
        subject="mailto:ops@clinic.example",
        timeout=PATIENCE,
        allow_http=True,
        allowed_networks=["127.0.0.0/8"],
    )
    made = PushChannel(settings, clock)
    yield made
    made.close()


@pytest.fixture
def notice(web):
    address = json.dumps({"endpoint": f"{web.url}/push/1", "keys": {"p256dh": RECEIVER, "auth": AUTH}})

    def notice(**given):
        return Outgoing(**{"id": "0198-abc", "address": address, "subject": "Hello", "text": "Your appointment", **given})

    return notice


def test_a_push_message_says_what_the_push_service_and_the_browser_need(web, push, notice):
    web.answer = lambda asked: Say(201, headers={"location": "https://push.example.org/m/1"})
    receipt = push.send(notice(ttl=60, urgency="high", headers={"Topic": "appointments"}, data={"url": "/a/1"}))
    assert receipt.provider_id == "https://push.example.org/m/1"
    push.send(notice())
    push.send(notice())
    one, two, three = web.asked
    wanted = {"ttl": "60", "urgency": "high", "topic": "appointments", "content-encoding": "aes128gcm"}
    assert {name: one.headers[name] for name in wanted} == wanted
    assert (two.headers["ttl"], two.headers["urgency"]) == ("86400", "normal")
    assert two.headers["topic"] == three.headers["topic"], "a second attempt replaces the first"
    plain = http_ece.decrypt(one.body, private_key=load(RECEIVER_PRIVATE), auth_secret=decoded(AUTH))
    assert json.loads(plain) == {"id": "0198-abc", "title": "Hello", "body": "Your appointment", "url": "/a/1"}
    assert two.body != three.body, "the same message is encrypted anew"


def test_the_push_service_learns_who_sends(web, push, notice, clock):
    push.send(notice())
    scheme, _, rest = web.asked[0].headers["authorization"].partition(" ")
    token, key = (part.strip().partition("=")[2] for part in rest.split(","))
    assert (scheme, key) == ("vapid", push.public_key)
    head, claims, signature = token.split(".")
    assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "ES256"}
    told = json.loads(decoded(claims))
    assert (told["aud"], told["sub"]) == (web.url, "mailto:ops@clinic.example")
    assert 0 < told["exp"] - clock.now().timestamp() <= 86_400
    raw = decoded(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(key))
    point.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))


def test_a_token_is_used_until_it_is_old(clock):
    vapid = Vapid(new_private_key(), "mailto:ops@clinic.example")
    now = clock.now()
    first = vapid.authorization("https://a.example", now)
    assert vapid.authorization("https://a.example", now + timedelta(hours=10)) == first
    assert vapid.authorization("https://b.example", now) != first
    later = vapid.authorization("https://a.example", now + timedelta(hours=11, minutes=30))
    assert later != first
    assert vapid.authorization("https://a.example", now - timedelta(days=2)) != later, "a clock that was set back"


def test_a_key_can_be_pem(clock):
    key = load(SENDER)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert Vapid(pem, "mailto:a@b.example").public_key == encoded(
        key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )


@pytest.mark.parametrize(
    ("say", "kind", "suppress"),
    [
        (Say(404), EndpointGone, True),
        (Say(410), EndpointGone, True),
        (Say(429, headers={"retry-after": "30"}), Throttled, None),
        (Say(413), PermanentFailure, False),
        (Say(403), PermanentFailure, False),
        (Say(301, headers={"location": "/"}), PermanentFailure, False),
        (Say(502), TemporaryFailure, None),
    ],
)
def test_what_a_push_service_answers(web, push, notice, say, kind, suppress):
    web.answer = lambda asked: say
    with pytest.raises(kind) as caught:
        push.send(notice())
    assert type(caught.value) is kind
    assert getattr(caught.value, "suppress", None) is suppress
    assert getattr(caught.value, "retry_after", None) == (30 if kind is Throttled else None)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"text": "x" * 4000}, TooLargeError),
        ({"data": {"a": object()}}, ValidationError),
        ({"urgency": "urgent"}, ValidationError),
        ({"headers": {"Topic": "a b"}}, ValidationError),
        ({"headers": {"Topic": "x" * 33}}, ValidationError),
        ({"headers": {"Authorization": "x"}}, ValidationError),
    ],
)
def test_what_can_not_be_pushed_is_refused(web, push, notice, wrong, kind):
    with pytest.raises(kind):
        push.send(notice(**wrong))
    assert not web.asked


@pytest.mark.parametrize("wrong", [{"private_key": "s3cret"}, {"private_key": ""}, {"subject": "kim"}, {"ttl": -1}])
def test_push_settings_that_can_not_work_are_refused(wrong):
    with pytest.raises(SettingsRefused) as caught:
        PushSettings(**{"private_key": SENDER, "subject": "mailto:a@b.example", **wrong})
    assert "s3cret" not in str(caught.value)
    assert SENDER not in str(caught.value)


# -- SMS -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", "gsm-7", 0, 1),
        ("a" * 160, "gsm-7", 160, 1),
        ("a" * 161, "gsm-7", 161, 2),
        ("a" * 306, "gsm-7", 306, 2),
        ("a" * 307, "gsm-7", 307, 3),
        ("€" * 80, "gsm-7", 160, 1),
        ("€" * 81, "gsm-7", 162, 2),
        ("a" * 152 + "€" + "a" * 10, "gsm-7", 164, 2),
        ("a" * 152 + "€" + "a" * 151, "gsm-7", 305, 2),
        ("a" * 152 + "€" + "a" * 152, "gsm-7", 306, 3),  # the escape and its character stay together
        ("Grüße, Ñandú? ÄÖÜ à è", "ucs-2", 21, 1),  # ú is not of the alphabet
        ("Größe ÄÖÜ à è Ñ Ω", "gsm-7", 17, 1),
        ("[]{}~^|\\\f", "gsm-7", 18, 1),
        ("ç", "ucs-2", 1, 1),
        ("`", "ucs-2", 1, 1),
        ("я" * 70, "ucs-2", 70, 1),
        ("я" * 71, "ucs-2", 71, 2),
        ("я" * 134, "ucs-2", 134, 2),
        ("я" * 135, "ucs-2", 135, 3),
        ("🎉" * 35, "ucs-2", 70, 1),
        ("🎉" * 36, "ucs-2", 72, 2),
        ("🎉" * 66, "ucs-2", 132, 2),
        ("🎉" * 67, "ucs-2", 134, 3),  # 33 of two units each in a part of 67
    ],
)
def test_segments(text, encoding, units, count):
    found = segments(text)
    assert (found.encoding, found.units, found.count) == (encoding, units, count)


TOKEN = "t0ken"


@pytest.fixture
def twilio(web, clock):
    made = []

    def make(**settings):
        given = {"account": "AC1", "token": TOKEN, "sender": "+15005550006", "base_url": web.url, "timeout": PATIENCE}
        made.append(TwilioChannel(TwilioSettings(**{**given, **settings}), clock))
        return made[-1]

    yield make
    for channel in made:
        channel.close()


def sms(**given):
    return Outgoing(**{"id": "0198-abc", "address": "+493012345678", "text": "Grüße + mehr & ümlaut €", **given})


def test_the_provider_is_asked_as_it_wants_to_be(web, twilio):
    web.answer = lambda asked: Say(201, b'{"sid": "SM42", "status": "accepted", "num_segments": "2"}')
    receipt = twilio(status_callback="https://clinic.example/sms").send(sms(ttl=100_000))
    assert (receipt.provider_id, receipt.detail, receipt.parts) == ("SM42", "accepted", 2)
    (asked,) = web.asked
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert asked.headers["authorization"] == f"Basic {b64encode(b'AC1:t0ken').decode()}"
    assert asked.form == {
        "To": "+493012345678",
        "From": "+15005550006",
        "Body": "Grüße + mehr & ümlaut €",
        "StatusCallback": "https://clinic.example/sms",
        "ValidityPeriod": "36000",
    }
    twilio(sender=None, service="MG1", api_key="SK1").send(sms())
    assert web.asked[1].form["MessagingServiceSid"] == "MG1"
    assert web.asked[1].headers["authorization"] == f"Basic {b64encode(b'SK1:t0ken').decode()}"


@pytest.mark.parametrize("segments_told", ["0", "-1", "many", None, 3])
def test_segments_are_counted_where_the_provider_does_not_say(web, twilio, segments_told):
    web.answer = lambda asked: Say(201, json.dumps({"sid": "SM1", "num_segments": segments_told}).encode())
    assert twilio().send(sms(text="я" * 71)).parts == (3 if segments_told == 3 else 2)


def refusal(status, code):
    return Say(status, json.dumps({"code": code, "message": "words", "status": status}).encode())


@pytest.mark.parametrize(
    ("say", "kind", "suppress"),
    [
        (refusal(400, 21211), PermanentFailure, True),
        (refusal(400, 21610), PermanentFailure, True),
        (refusal(400, 21614), PermanentFailure, True),
        (refusal(400, 21408), PermanentFailure, False),
        (refusal(400, 21606), PermanentFailure, False),
        (refusal(401, 20003), TemporaryFailure, None),
        (refusal(429, 20429), Throttled, None),
        (refusal(400, 21611), Throttled, None),
        (refusal(500, 20500), TemporaryFailure, None),
        (refusal(503, 99999), TemporaryFailure, None),
        (Say(401, b"no"), TemporaryFailure, None),
        (Say(404, b"<html>"), PermanentFailure, False),
        (Say(429, b"", {"retry-after": "7"}), Throttled, None),
        (Say(302, b"", {"location": "/login"}), PermanentFailure, False),
        (Say(200, b"<html>please sign in</html>"), TemporaryFailure, None),
        (Say(201, b'{"sid": null}'), TemporaryFailure, None),
        (Say(201, b"[" * 5000), TemporaryFailure, None),
        (refusal(400, "21211"), PermanentFailure, False),
    ],
)
def test_what_the_providers_codes_mean(web, twilio, say, kind, suppress):
    web.answer = lambda asked: say
    with pytest.raises(kind) as caught:
        twilio().send(sms())
    assert type(caught.value) is kind
    assert getattr(caught.value, "suppress", None) is suppress
    assert caught.value.uncertain is (say.status < 300), "who said yes in no known words may have taken it"


@pytest.mark.parametrize("wrong", [{"text": ""}, {"text": "x" * 1601}, {"text": "\ud800"}, {"address": "030 1"}])
def test_what_no_sms_can_be_is_refused(web, twilio, wrong):
    with pytest.raises(ValidationError):
        twilio().send(sms(**wrong))
    assert not web.asked


def test_only_the_regions_that_are_allowed(twilio):
    channel = twilio(region="DE", regions=["DE", "AT"])
    assert channel.check("030 12345678") == "+493012345678"
    for elsewhere in ("+12025550143", "+8821612345678"):
        with pytest.raises(ValidationError, match="regions DE, AT"):
            channel.check(elsewhere)


def test_the_health_is_the_accounts(web, twilio):
    web.answer = lambda asked: Say(401)
    assert not twilio().health().ok
    web.stop()
    assert not twilio().health().ok


def test_a_report_counts_if_the_provider_signed_it():
    """The signature is the example of the provider's documentation."""
    url, token = "https://mycompany.com/myapp.php?foo=1&bar=2", "12345"
    form = {
        "Digits": "1234",
        "To": "+18005551212",
        "From": "+14158675309",
        "Caller": "+14158675309",
        "CallSid": "CA1234567890ABCDE",
    }
    assert parse_status(url, form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", token).state == ""
    for wrong in ("", "RSOYDt4T1cUTdK1PDd93/VVr8b8=", "ü"):
        with pytest.raises(SignatureError):
            parse_status(url, form, wrong, token)


def signed(form, url="https://clinic.example/sms"):
    import hashlib
    import hmac

    content = url + "".join(name + form[name] for name in sorted(form))
    return parse_status(url, form, b64encode(hmac.digest(b"t", content.encode(), hashlib.sha1)).decode(), "t")


def test_a_report_tells_what_became_of_a_message():
    report = signed({"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"})
    assert (report.provider_id, report.state, report.code, report.suppress) == ("SM1", "undelivered", "30005", True)
    assert not signed({"MessageSid": "SM1", "MessageStatus": "delivered"}).suppress
    assert not signed({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "9" * 5000}).suppress


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": None},
        {"service": "MG1"},
        {"base_url": "http://api.twilio.example"},
        {"base_url": "https://kim:pw@api.example"},
        {"account": "../x"},
        {"region": "Germany"},
    ],
)
def test_twilio_settings_that_can_not_work_are_refused(wrong):
    with pytest.raises(SettingsRefused):
        TwilioSettings(**{"account": "AC1", "token": TOKEN, "sender": "+15005550006", **wrong})


@pytest.fixture
def described(web, clock):
    made = []

    def make(**settings):
        made.append(HttpSmsChannel(HttpSmsSettings(**{"url": f"{web.url}/s", "timeout": PATIENCE, **settings}), clock))
        return made[-1]

    yield make
    for channel in made:
        channel.close()


def test_any_provider_is_described_by_its_fields(web, described):
    web.answer = lambda asked: Say(202, b'{"id": "x-1"}')
    fields = {"to": ["$digits"], "message": {"body": "$text", "ref": "$id"}, "from": "$sender", "cost": "$$1", "flash": False}
    channel = described(fields=fields, sender="Clinic", headers={"X-Key": "k3y"}, method="PUT", id_place="id")
    receipt = channel.send(sms(text='quote " $to ${text} \\ é'))
    assert (receipt.provider_id, receipt.parts) == ("x-1", 1)
    (asked,) = web.asked
    assert (asked.method, asked.headers["x-key"]) == ("PUT", "k3y")
    assert json.loads(asked.body) == {
        "to": ["493012345678"],
        "message": {"body": 'quote " $to ${text} \\ é', "ref": "0198-abc"},
        "from": "Clinic",
        "cost": "$1",
        "flash": False,
    }
    assert "k3y" not in repr(channel._settings)


@pytest.mark.parametrize(
    ("say", "kind"),
    [
        (Say(200, b'{"ok": "no"}'), PermanentFailure),
        (Say(200, b'{"ok": "busy"}'), TemporaryFailure),
        (Say(200, b"{}"), TemporaryFailure),
        (Say(200, b"OK"), TemporaryFailure),
        (Say(204), PermanentFailure),
        (Say(401), TemporaryFailure),
        (Say(429, headers={"retry-after": "5"}), Throttled),
        (Say(500), TemporaryFailure),
    ],
)
def test_success_is_what_the_rule_says(web, described, say, kind):
    web.answer = lambda asked: say
    channel = described(fields={"to": "$to"}, place="ok", values=["yes"], retryable_values=["busy"], statuses=[200])
    with pytest.raises(kind) as caught:
        channel.send(sms())
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": {"to": "$phone"}},
        {"fields": {"to": "${to.__class__}"}},
        {"fields": {"to": "$"}},
        {"fields": {"to": ["$to"]}, "body": "form"},
        {"place": "ok"},
        {"headers": {"X-A": "b\r\nX-B: c"}},
        {"headers": {"X A": "b"}},
        {"url": "http://sms.example/"},
        {"method": "GET"},
    ],
)
def test_descriptions_that_can_not_work_are_refused(wrong):
    with pytest.raises(SettingsRefused):
        HttpSmsSettings(**{"url": "https://sms.example/", "fields": {"to": "$to"}, **wrong})
