"""The channels over HTTP keep the contract."""

import json
from base64 import b64encode

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from brickwork.notify.channels import (
    HttpSmsChannel,
    HttpSmsSettings,
    PushChannel,
    PushSettings,
    TwilioChannel,
    TwilioSettings,
    WebhookChannel,
    WebhookSettings,
)
from brickwork.notify.channels.push import new_private_key
from brickwork.notify.channels.push.vapid import encoded
from brickwork.testing.contracts.channel import ChannelContract, Rig

from .conftest import PATIENCE
from .webserver import Say

HERE = {"allow_http": True, "allowed_networks": ["127.0.0.0/8"]}
TOKEN = "t0ken-of-the-provider"


def number(n):
    return f"+4930123{n:04d}"


class Peer:
    """What a server does for each address, and the ids of what it took."""

    def __init__(self, web, address_of, id_of, answers):
        self.behaviours, self.received = {}, []

        def answer(asked):
            if asked.method == "GET":
                return Say(200, b"{}")
            behaviour = self.behaviours.get(address_of(asked), "accept")
            if behaviour == "hang":
                return None
            if behaviour == "accept":
                self.received.append(id_of(asked))
            return answers[behaviour]

        web.answer = answer


@pytest.fixture
def closing():
    made = []
    yield lambda channel: made.append(channel) or channel
    for channel in made:
        channel.close()


class TestWebhook(ChannelContract):
    @pytest.fixture
    def rig(self, web, clock, closing):
        answers = {"accept": Say(204), "temporary": Say(500), "permanent": Say(410)}
        peer = Peer(web, lambda asked: f"{web.url}{asked.path}", lambda asked: asked.headers["webhook-id"], answers)
        return Rig(
            channel=closing(WebhookChannel(WebhookSettings(timeout=PATIENCE, **HERE), clock)),
            address=lambda n: f"{web.url}/hooks/{n}",
            behave=peer.behaviours.__setitem__,
            received=lambda: list(peer.received),
            normal={
                "https://Example.ORG": "https://example.org/",
                "https://example.org:443/a?b=c#d": "https://example.org/a?b=c",
                "https://münchen.example:8443/x": "https://xn--mnchen-3ya.example:8443/x",
                "https://faß.example/": "https://xn--fa-hia.example/",
                "https://[2606:4700::1111]/": "https://[2606:4700::1111]/",
            },
            refused=[
                "ftp://example.org/",
                "file:///etc/passwd",
                "example.org",
                "https://",
                "https://kim:secret@example.org/",
                "https://example.org/a b",
                "https://example.org\\@evil.example/",
                "https://example.org:99999/",
                "https://169.254.169.254/latest/meta-data/",
                "https://[::1/",
                f"https://example.org/{'x' * 3000}",
            ],
            secrets=["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            timeout=PATIENCE,
        )


class TestPush(ChannelContract):
    @pytest.fixture
    def rig(self, web, clock, closing):
        browser, auth, own = ec.generate_private_key(ec.SECP256R1()), b"sixteen-bytes-16", new_private_key()
        point = browser.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

        def subscription(url):
            keys = {"p256dh": encoded(point), "auth": encoded(auth)}
            return json.dumps({"endpoint": url, "keys": keys}, separators=(",", ":"))

        def id_of(asked):
            return json.loads(http_ece.decrypt(asked.body, private_key=browser, auth_secret=auth))["id"]

        answers = {"accept": Say(201), "temporary": Say(503), "permanent": Say(410)}
        peer = Peer(web, lambda asked: subscription(f"{web.url}{asked.path}"), id_of, answers)
        settings = PushSettings(private_key=own, subject="mailto:ops@clinic.example", timeout=PATIENCE, **HERE)
        channel = closing(PushChannel(settings, clock))
        given = {"endpoint": "https://Push.example.org", "expirationTime": None}
        given["keys"] = {"p256dh": f"{encoded(point)}=", "auth": f"{encoded(auth)}=="}
        normal = {"endpoint": "https://push.example.org/", "keys": {"auth": encoded(auth), "p256dh": encoded(point)}}
        return Rig(
            channel=channel,
            address=lambda n: subscription(f"{web.url}/push/{n}"),
            behave=peer.behaviours.__setitem__,
            received=lambda: list(peer.received),
            normal={json.dumps(given): json.dumps(normal, separators=(",", ":"))},
            refused=[
                "[]",
                "{}",
                "null",
                "https://push.example.org/",
                json.dumps({**normal, "keys": {**normal["keys"], "auth": "short"}}),
                json.dumps({**normal, "keys": {**normal["keys"], "p256dh": encoded(b"\4" + b"x" * 64)}}),
                json.dumps({**normal, "keys": {**normal["keys"], "p256dh": 7}}),
                json.dumps({**normal, "endpoint": "https://10.0.0.1/"}),
                json.dumps({**normal, "endpoint": ["https://push.example.org/"]}),
            ],
            secrets=[own],
            timeout=PATIENCE,
        )


SMS = {
    "normal": {"+49 30 1234567": "+49301234567", "030/1234567": "+49301234567", "+1 (202) 555-0143": "+12025550143"},
    "refused": ["kim", "+", "110", "+1202555014", "+120255501431", "+49301234567;ext=7", "+999123456789", "🎉"],
    "secrets": [TOKEN],
    "timeout": PATIENCE,
}


class TestTwilio(ChannelContract):
    @pytest.fixture
    def rig(self, web, clock, closing):
        answers = {
            "accept": Say(201, b'{"sid": "SM1", "status": "queued", "num_segments": "1", "error_code": null}'),
            "temporary": Say(503, b'{"code": 20503, "message": "Service unavailable", "status": 503}'),
            "permanent": Say(400, b'{"code": 21211, "message": "The \'To\' number is not valid", "status": 400}'),
        }
        peer = Peer(web, lambda asked: asked.form["To"], lambda asked: asked.form["Body"].removeprefix("text of "), answers)
        settings = TwilioSettings(
            account="AC123", token=TOKEN, sender="+15005550006", base_url=web.url, region="DE", timeout=PATIENCE
        )
        return Rig(
            channel=closing(TwilioChannel(settings, clock)),
            address=number,
            behave=peer.behaviours.__setitem__,
            received=lambda: list(peer.received),
            **SMS,
        )


class TestHttpSms(ChannelContract):
    @pytest.fixture(params=["json", "form"])
    def rig(self, request, web, clock, closing):
        answers = {
            "accept": Say(200, b'{"messages": [{"status": "0", "id": 7}]}'),
            "temporary": Say(200, b'{"messages": [{"status": "1"}]}'),
            "permanent": Say(200, b'{"messages": [{"status": "6"}]}'),
        }
        fields = {"to": "$to", "text": "$text", "key": TOKEN}
        shapes = {"json": {"key": TOKEN, "messages": [{"to": "$to", "text": "$text", "flags": 1}]}, "form": fields}

        def sent(asked):
            return asked.form if request.param == "form" else json.loads(asked.body)["messages"][0]

        peer = Peer(web, lambda asked: sent(asked)["to"], lambda asked: sent(asked)["text"].removeprefix("text of "), answers)
        settings = HttpSmsSettings(
            url=f"{web.url}/send",
            headers={"Authorization": f"Basic {b64encode(TOKEN.encode()).decode()}"},
            body=request.param,
            fields=shapes[request.param],
            place="messages.0.status",
            values=["0"],
            retryable_values=["1", "5"],
            id_place="messages.0.id",
            region="DE",
            timeout=PATIENCE,
        )
        return Rig(
            channel=closing(HttpSmsChannel(settings, clock)),
            address=number,
            behave=peer.behaviours.__setitem__,
            received=lambda: list(peer.received),
            **SMS,
        )
