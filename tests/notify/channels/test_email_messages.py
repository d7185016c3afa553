"""What an email looks like when it arrives, read by the standard library's parser and verified by dkimpy."""

import email
import re
from base64 import b64encode
from email import policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError as SettingsRefused

from brickwork.errors import TooLargeError, ValidationError
from brickwork.notify.channels import Attachment, EmailSettings, Outgoing, PermanentFailure

UNSUBSCRIBE = f"<https://clinic.example/unsubscribe/{'a1' * 60}>"


@pytest.fixture
def server(mail_server):
    return mail_server()


@pytest.fixture
def arrive(server, email_to):
    """A function that sends a message and gives what the server got: the raw bytes, and the parsed message."""

    def arrive(settings=None, **message):
        given = {"id": "0198-abc", "address": "kim@example.org", **message}
        email_to(server, **(settings or {})).send(Outgoing(**given))
        raw = server.handler.envelopes[-1].content
        return raw, email.message_from_string(raw.decode().replace("\r\n", "\n"), policy=policy.default)

    return arrive


def test_a_plain_message_has_what_it_needs(arrive, server):
    raw, got = arrive(subject="Your appointment", text="Hello\n.dot\n..dots\nend")
    assert dict(got.items()) == {
        "From": "The Clinic <no-reply@clinic.example>",
        "To": "kim@example.org",
        "Subject": "Your appointment",
        "Date": "Sun, 01 Mar 2026 12:00:00 +0000",
        "Message-ID": "<0198-abc@clinic.example>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "7bit",
    }
    assert got.get_content() == "Hello\n.dot\n..dots\nend\n"
    assert b"\n" not in raw.replace(b"\r\n", b"")
    envelope = server.handler.envelopes[0]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@clinic.example", ["kim@example.org"])


def test_the_same_message_is_the_same_bytes_at_each_attempt(arrive):
    message = {
        "text": "one",
        "html": "<p>one",
        "attachments": (Attachment(name="a.pdf", content=b"%", media_type="application/pdf"),),
    }
    assert arrive(**message)[0] == arrive(**message)[0]


def test_parts_are_nested_as_mail_programs_expect(arrive):
    logo = Attachment(name="logo.png", content=b"\x89PNG", media_type="image/png", inline_id="logo")
    pdf = Attachment(name="Rechnung.pdf", content=bytes(range(256)) * 10, media_type="application/pdf")
    _, got = arrive(subject="s", text="plain", html='<img src="cid:logo">', attachments=(pdf, logo))
    assert [part.get_content_type() for part in got.walk()] == [
        "multipart/mixed",
        *("multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"),
        "application/pdf",
    ]
    image, file = [part for part in got.walk() if part.get_filename()]
    assert (image["Content-ID"], image.get_content_disposition(), image.get_content()) == ("<logo>", "inline", b"\x89PNG")
    assert (file.get_filename(), file.get_content_disposition(), file.get_content()) == (pdf.name, "attachment", pdf.content)
    assert got.get_body(("html",)).get_content() == '<img src="cid:logo">\n'
    assert not any(part.defects for part in got.walk())


@pytest.mark.parametrize(
    "subject", ["Grüße aus Köln", "予約" * 60, "é" * 400, "a " * 300, "x" * 1500, "=?utf-8?q?fake?=", "🎉 " * 100]
)
def test_a_subject_arrives_as_it_was_written(arrive, subject):
    raw, got = arrive(subject=subject)
    assert got["Subject"] == subject
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert raw.isascii()


@pytest.mark.parametrize(
    "name", ["a b.pdf", 'quo"te.pdf', "Prüfbericht.pdf", "報告書" * 30 + ".pdf", "n" * 200 + ".pdf", "100%.txt"]
)
def test_a_file_name_arrives_as_it_was_written(arrive, name):
    raw, got = arrive(attachments=(Attachment(name=name, content=b"x", media_type="application/pdf"),))
    assert [part.get_filename() for part in got.iter_attachments()] == [name]
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 200


@pytest.mark.parametrize("text", ["ü" * 2000, "plain " * 3000, "日本語" * 500, "a  \nb\t\nc", "--=_x\n", "\r\rtwo", "From me\n"])
def test_a_text_arrives_as_it_was_written(arrive, text):
    raw, got = arrive(text=text, html=f"<p>{text}")
    assert got.get_body(("plain",)).get_content().replace("\r\n", "\n").rstrip("\n") == text.replace("\r", "\n").rstrip("\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii()


def test_the_sender_can_have_a_name_in_any_script_and_quotes(arrive):
    for sender in (
        '"Doe, John" <john@clinic.example>',
        "Ärzte am Platz <praxis@clinic.example>",
        "院 " * 40 + "<in@clinic.example>",
    ):
        raw, _ = arrive(sender=sender)
        name, address = parseaddr(str(make_header(decode_header(email.message_from_bytes(raw)["From"]))))
        assert name == sender.partition("<")[0].strip().strip('"')
        assert f"<{address}>" in sender


def test_international_addresses(arrive, server):
    _, got = arrive(address="kim@münchen.de")
    assert (got["To"], server.handler.envelopes[-1].rcpt_tos) == ("kim@xn--mnchen-3ya.de", ["kim@xn--mnchen-3ya.de"])
    raw, _ = arrive(address="kïm@münchen.de")
    assert server.handler.envelopes[-1].rcpt_tos == ["kïm@münchen.de"]
    assert "SMTPUTF8" in server.handler.envelopes[-1].mail_options
    assert "To: kïm@münchen.de\r\n".encode() in raw
    raw, got = arrive(sender="Wir <für@münchen.de>")
    assert server.handler.envelopes[-1].mail_from == "für@münchen.de"
    assert got["Message-ID"] == "<0198-abc@xn--mnchen-3ya.de>"
    assert "From: Wir <für@münchen.de>\r\n".encode() in raw


def test_unsubscribing_takes_one_click_and_stays_on_one_line(arrive):
    headers = {"List-Unsubscribe": UNSUBSCRIBE, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "X-Campaign": "spring"}
    raw, got = arrive(headers=headers)
    assert f"\r\nList-Unsubscribe: {UNSUBSCRIBE}\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode() in raw
    assert got["X-Campaign"] == "spring"
    for wrong in ({"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}, {**headers, "List-Unsubscribe-Post": "yes"}):
        with pytest.raises(ValidationError, match="RFC 8058"):
            arrive(headers=wrong)


def test_reports_come_back_to_an_address_with_the_id(arrive, server):
    arrive({"bounces": "bounces+{id}@clinic.example"})
    assert server.handler.envelopes[-1].mail_from == "bounces+0198-abc@clinic.example"


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "hi\r\nBcc: eve@example.org"},
        {"subject": "hi\nthere"},
        {"subject": "hi\u2028there"},
        {"subject": "\ud800"},
        {"subject": "x" * 2001},
        {"text": "a\0b"},
        {"html": "\udfff"},
        {"sender": "Clinic\r\nBcc: x <a@clinic.example>"},
        {"sender": "Clinic"},
        {"headers": {"X-A": "b\r\nBcc: eve@example.org"}},
        {"headers": {"X-A\r\nBcc": "eve@example.org"}},
        {"headers": {"X A": "b"}},
        {"headers": {"Bcc": "eve@example.org"}},
        {"headers": {"from": "eve@example.org"}},
        {"headers": {"Content-Type": "text/html"}},
        {"headers": {"DKIM-Signature": "v=1"}},
        {"headers": {"X-A": "1", "x-a": "2"}},
        {"headers": {"X-A": "ü"}},
        {"headers": {"X-A": "x" * 1200}},
        {"headers": {"List-Unsubscribe": f"<https://clinic.example/{'x' * 1000}>"}},
        {"attachments": (Attachment(name="a\r\nb", content=b"", media_type="a/b"),)},
        {"attachments": (Attachment(name="../../etc/passwd", content=b"", media_type="a/b"),)},
        {"attachments": (Attachment(name="", content=b"", media_type="a/b"),)},
        {"attachments": (Attachment(name="a", content=b"", media_type="text"),)},
        {"attachments": (Attachment(name="a", content=b"", media_type="a/b\r\nX: y"),)},
        {"attachments": (Attachment(name="a", content=b"", media_type="message/rfc822"),)},
        {"attachments": (Attachment(name="a", content=b"", media_type="a/b", inline_id="x>\r\n"),)},
        {"html": "x", "attachments": (Attachment(name="a", content=b"", media_type="a/b", inline_id="x"),) * 2},
        {"id": "a b"},
        {"id": "a>\r\n"},
    ],
    ids=str,
)
def test_what_no_email_may_hold_is_refused(arrive, server, wrong):
    with pytest.raises(ValidationError):
        arrive(**wrong)
    assert not server.handler.envelopes


def test_a_message_that_is_too_large_is_refused_before_it_is_sent(arrive, server, mail_server, email_to):
    big = (Attachment(name="a", content=b"x" * 30_000, media_type="a/b"),)
    with pytest.raises(TooLargeError, match="at most 20000"):
        arrive({"max_bytes": 20_000}, attachments=big)
    with pytest.raises(PermanentFailure, match="the mail server takes 20000"):
        email_to(mail_server(size=20_000)).send(Outgoing(id="a", address="kim@example.org", attachments=big))
    assert not server.handler.envelopes


# -- DKIM ------------------------------------------------------------------------------------------------------------------


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def keys():
    """Settings for both kinds of keys, and a function that answers as DNS does."""
    one, two = rsa.generate_private_key(65_537, 2048), ed25519.Ed25519PrivateKey.generate()
    published = {
        b"r._domainkey.clinic.example.": b"v=DKIM1; k=rsa; p="
        + b64encode(one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        b"e._domainkey.clinic.example.": b"v=DKIM1; k=ed25519; p=" + b64encode(two.public_key().public_bytes_raw()),
    }
    settings = [
        {"domain": "clinic.example", "selector": "r", "private_key": pem(one)},
        {"domain": "clinic.example", "selector": "e", "private_key": pem(two)},
    ]
    return settings, lambda name, timeout=5: published.get(name)


def verified(raw, dns):
    """Whether each of the two signatures is good, in the order they stand."""
    return [dkim.DKIM(raw).verify(idx=number, dnsfunc=dns) for number in (0, 1)]


@pytest.mark.parametrize(
    "message",
    [
        {"text": "hello  there \t\n\n\n", "subject": "  two  spaces "},
        {"text": "", "subject": ""},
        {"text": "ü" * 300, "html": "<p>ü", "subject": "é" * 200},
        {"address": "kïm@münchen.de", "text": ".dot\n..\n.", "subject": "日本"},
        {"text": "x", "attachments": (Attachment(name="ü" * 50, content=bytes(range(256)) * 100, media_type="a/b"),)},
        {"sender": "Someone <someone@news.clinic.example>", "text": "a\r\nb"},
    ],
)
def test_both_signatures_are_good(arrive, keys, message):
    settings, dns = keys
    headers = {"List-Unsubscribe": UNSUBSCRIBE, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    raw, _ = arrive({"dkim": settings}, headers=headers, **message)
    assert verified(raw, dns) == [True, True]
    signed = re.findall(rb" h=(.*?);", raw.replace(b"\r\n ", b" "))
    assert all(b"list-unsubscribe:" in names.replace(b" ", b"") and b"list-unsubscribe-post" in names for names in signed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: one", b"Subject: two"),
        (b"hello", b"hullo"),
        (b"From: The Clinic", b"From: eve@example.org\r\nFrom: The Clinic"),
        (b"Subject: one", b"Subject: one\r\nSubject: two"),
        (b"Subject: one", b"Reply-To: eve@example.org\r\nSubject: one"),
        (b"List-Unsubscribe: <https://clinic", b"List-Unsubscribe: <https://eve"),
    ],
)
def test_what_is_changed_or_added_breaks_both_signatures(arrive, keys, old, new):
    settings, dns = keys
    raw, _ = arrive({"dkim": settings}, subject="one", text="hello", headers={"List-Unsubscribe": UNSUBSCRIBE})
    assert old in raw

    def good(number):
        try:
            return dkim.DKIM(raw.replace(old, new)).verify(idx=number, dnsfunc=dns)
        except dkim.DKIMException:
            return False

    assert [good(0), good(1)] == [False, False]


def test_nobody_elses_domain_is_signed_for(arrive, keys):
    raw, _ = arrive({"dkim": keys[0]}, sender="someone@notclinic.example")
    assert b"DKIM-Signature" not in raw


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "no address"},
        {"sender": "a@clinic.example", "bounces": "bounces{id}"},
        {"sender": "a@clinic.example", "username": "kim"},
        {"sender": "a@clinic.example", "username": "kim", "password": "x", "security": "none", "host": "mail.example"},
        {"sender": "a@clinic.example", "dkim": [{"domain": "clinic.example", "selector": "s", "private_key": "secret-no-key"}]},
        {"sender": "a@clinic.example", "hostname": "a b\r\n"},
    ],
)
def test_settings_that_can_not_work_are_refused(wrong):
    with pytest.raises(SettingsRefused) as caught:
        EmailSettings(**wrong)
    assert "secret-no-key" not in str(caught.value)
