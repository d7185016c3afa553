"""Email keeps the channels' contract: over STARTTLS with a password, pipelined and not, and over TLS from the start."""

import pytest

from brickwork.testing.contracts.channel import ChannelContract, Rig

from .conftest import PATIENCE
from .mailserver import PASSWORD, USER


@pytest.fixture(params=["starttls", "one-by-one", "tls"])
def rig(request, mail_server, email_to, localhost):
    tls = "tls" if request.param == "tls" else "starttls"
    server = mail_server(tls, auth=True)
    channel = email_to(
        server,
        host="localhost",
        security=tls,
        ca_file=localhost[1],
        username=USER,
        password=PASSWORD,
        pipelining=request.param != "one-by-one",
    )
    return Rig(
        channel=channel,
        address=lambda number: f"kim{number}@example.org",
        behave=server.handler.behaviours.__setitem__,
        received=lambda: server.subjects,
        normal={
            "kim@example.org": "kim@example.org",
            "Kim+tag@Example.ORG": "Kim+tag@example.org",
            "kim@xn--mnchen-3ya.de": "kim@münchen.de",
            "KIM@MÜNCHEN.de": "KIM@münchen.de",
            "jose\u0301@example.org": "josé@example.org",
        },
        refused=[
            "kim",
            "kim@",
            "@example.org",
            "kim@localhost",
            "kim@example.test",
            '"kim lee"@example.org',
            "kim@[127.0.0.1]",
            "Kim <kim@example.org>",
            "kim@example.org, lee@example.org",
            "kim@exa mple.org",
            "kim@example.org>\r\nDATA",
            "k\u202eim@example.org",
            f"{'k' * 65}@example.org",
            f"kim@{'example.' * 40}org",
        ],
        secrets=[PASSWORD],
        timeout=PATIENCE,
    )


class TestEmail(ChannelContract):
    """The rules."""
