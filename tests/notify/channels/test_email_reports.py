"""Reports of failed deliveries and complaints, as mail servers and providers write them."""

from base64 import encodebytes
from contextlib import suppress
from time import monotonic

import pytest

from brickwork.errors import TooLargeError, ValidationError
from brickwork.notify.channels import Report, parse_report

POSTFIX = """\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: bounces+0198-abc@clinic.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="ABC.1/mx.example.org"

This is a MIME-encapsulated message.

--ABC.1/mx.example.org
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--ABC.1/mx.example.org
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
{envelope}Arrival-Date: Sun,  1 Mar 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; {final}
Original-Recipient: rfc822;kim@example.org
Action: {action}
Status: {status}
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 5.1.1 <kim@example.org>: Recipient address
    rejected: User unknown

--ABC.1/mx.example.org
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Return-Path: <bounces+0198-abc@clinic.example>
From: The Clinic <no-reply@clinic.example>
To: kim@example.org
Message-ID: <0198-abc@clinic.example>

--ABC.1/mx.example.org--
"""


def postfix(action="failed", status="5.1.1", final="kim@elsewhere.example", envelope=""):
    return POSTFIX.format(action=action, status=status, final=final, envelope=envelope).replace("\n", "\r\n").encode()


def test_a_failed_delivery():
    report = parse_report(postfix())
    assert report == Report(
        kind="failed",
        recipient="kim@example.org",
        original_id="0198-abc",
        status="5.1.1",
        detail="550 5.1.1 <kim@example.org>: Recipient address rejected: User unknown",
    )
    assert report.permanent


@pytest.mark.parametrize(
    ("action", "status", "kind", "permanent"),
    [
        ("failed", "4.4.7", "failed", False),
        ("Failed", "5.2.2 (mailbox full)", "failed", True),
        ("delayed", "4.4.1", "delayed", False),
        ("delivered", "2.0.0", "delivered", False),
        ("relayed", "2.0.0", "delivered", False),
    ],
)
def test_other_outcomes(action, status, kind, permanent):
    report = parse_report(postfix(action, status))
    assert (report.kind, report.permanent, report.status) == (kind, permanent, status[:5])


def test_the_envelope_id_comes_before_the_message_id():
    assert parse_report(postfix(envelope="Original-Envelope-Id: 0198-xyz\n")).original_id == "0198-xyz"


def report_of(status, original, encoding="7bit"):
    """A report with the message in it whole."""
    return f"""\
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status
Content-Transfer-Encoding: {encoding}

{status}
--b
Content-Type: message/rfc822

{original}
--b--
""".encode()


TWO = """\
Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; one@example.org
Action: delivered
Status: 2.0.0

Final-Recipient: rfc822; two@example.org
Action: failed
Status: 5.1.1
"""


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_of_several_recipients_the_worst_is_told_and_the_whole_message_gives_its_id(encoding):
    status = {"7bit": TWO, "base64": encodebytes(TWO.encode()).decode(), "quoted-printable": TWO.replace("one@", "one=40")}
    report = parse_report(report_of(status[encoding], "Message-ID: <0198-abc@clinic.example>\n\nhello", encoding))
    assert (report.kind, report.recipient, report.original_id) == ("failed", "two@example.org", "0198-abc")


COMPLAINT = """\
From: <abusedesk@example.com>
Date: Sun, 1 Mar 2026 17:40:36 EDT
Subject: FW: Your appointment
To: <abuse@clinic.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message.
--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
{recipient}
--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

From: <no-reply@clinic.example>
Received: from mailserver.clinic.example by example.com; Sun, 1 Mar 2026 14:00:00 -0400
To: <kim@example.com>
Subject: Your appointment
MIME-Version: 1.0
Content-type: text/plain
Message-ID: <0198-abc@clinic.example>

Hello
--part1_13d.2e68ed54_boundary--
"""


@pytest.mark.parametrize("recipient", ["", "Original-Rcpt-To: <kim@example.com>\nArrival-Date: Sun, 1 Mar 2026 14:00:00 EDT\n"])
def test_a_complaint(recipient):
    report = parse_report(COMPLAINT.format(recipient=recipient).encode())
    assert report == Report(
        kind="complaint", recipient="kim@example.com", original_id="0198-abc", status="abuse", detail="SomeGenerator/1.0"
    )


def nested(depth):
    raw = b"hello"
    for level in range(depth):
        raw = b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n%s\n--%d--\n' % (level, level, raw, level)
    return raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\xff\xfe",
        b"From: kim@example.org\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI'm away, 5.1.1",
        b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n--x--",
        b"Content-Type: message/delivery-status\r\n\r\nAction: exploded\r\nStatus: 5.1.1\r\n",
        b"Content-Type: message/feedback-report\r\n\r\nVersion: 1\r\n",
        b"Content-Type: multipart/report; boundary=\r\n\r\n",
        b"Content-Type: message/delivery-status; charset=nonsense\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
        nested(300),
        nested(3000),
        b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 50_000,
    ],
    ids=["empty", "bytes", "holiday", "no-block", "odd-action", "no-type", "no-boundary", "broken", "deep", "deeper", "many"],
)
def test_what_is_no_report_is_told_as_such(raw):
    began = monotonic()
    with pytest.raises(ValidationError, match="is no report"):
        parse_report(raw)
    assert monotonic() - began < 10


def test_a_report_without_an_end_is_refused():
    with pytest.raises(TooLargeError):
        parse_report(b"x" * 30_000_001)


@pytest.mark.parametrize("size", range(0, 1900, 37))
def test_a_report_that_is_cut_off_is_read_or_refused(size):
    with suppress(ValidationError):
        assert parse_report(postfix()[:size]).kind == "failed"
