"""A provider that is down, slow, or wants to be used for reaching something else (SSRF).

It is a small one in Python, since a real one can't be made to do these things.
"""

import gzip
import json
import time
from time import monotonic

import pytest

from brickwork.federation import AccountNeededError, FederationRefusedError, ProviderUnavailableError

DOCUMENT = "/.well-known/openid-configuration"
#: Seconds that a test's provider has for an answer; what a provider that never ends would take is a hundred times that.
PATIENCE = 1


@pytest.fixture
def hurried(lone_attempt):
    """An attempt that doesn't wait long."""
    return lone_attempt(federation={"timeout": PATIENCE, "answer_bytes": 8192})


def raw(*parts, pause=0.0):
    """An answer written as it stands."""

    def write(handler):
        try:
            for part in parts:
                handler.wfile.write(part)
                handler.wfile.flush()
                time.sleep(pause)
        except OSError:
            pass  # the other side has had enough

    return write


def drip(start):
    """An answer that begins well and goes on byte by byte for ever, each in time."""

    def write(handler):
        try:
            handler.wfile.write(start)
            for _ in range(1000):
                handler.wfile.write(b"a")
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass

    return write


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize("path", [DOCUMENT, "/keys", "/token"])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (raw(), "can't be used now"),
        (raw(b"rubbish\r\n\r\n"), "can't be used now"),
        (raw(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"), "can't be used now"),
        (raw(OK + b"content-length: 10\r\n\r\n{}"), "can't be used now"),
        (raw(OK + b"content-length: 2\r\n\r\n[]"), "can't be used now"),
        (raw(OK + b"content-length: 7\r\n\r\nnot one"), "can't be used now"),
        (raw(OK + b"content-length: 9000\r\n\r\n" + b" " * 9000), "larger"),
        (raw(OK + b"content-length: 999999999\r\n\r\n", *[b" " * 65536] * 20), "too large"),
        (raw(OK + b"transfer-encoding: chunked\r\n\r\n", *[b"10000\r\n" + b" " * 65536 + b"\r\n"] * 20), "too large"),
        (raw(OK + b"x: " + b"a" * 300_000), "can't be used now"),
        (raw(OK + b"content-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(b" " * 10_000_000)[:8000]), "packed"),
    ],
    ids=["closes", "rubbish", "500", "lies-about-length", "list", "no-json", "large", "endless", "chunks", "headers", "packed"],
)
def test_an_answer_that_is_none_is_told_as_such(hurried, odd, path, answer, told):
    if path == "/token":
        hurried.begin()
        odd.documents[path] = answer
        with pytest.raises(ProviderUnavailableError, match=told):
            hurried.complete()
        return
    odd.documents[path] = answer
    with pytest.raises(ProviderUnavailableError, match=told):
        hurried.sign_in()


@pytest.mark.parametrize("path", [DOCUMENT, "/keys", "/token"])
@pytest.mark.parametrize("start", [b"", OK + b"x: ", OK + b"content-length: 5000\r\n\r\n"], ids=["silent", "headers", "body"])
def test_a_provider_that_hangs_is_not_waited_for(hurried, odd, path, start):
    hurried.begin()
    odd.answer(odd.sign(hurried.claims()))
    odd.documents[path] = drip(start) if start else raw(b"", pause=100)
    if path == DOCUMENT:
        hurried.platform.cache.clear(everything=True)
    began = monotonic()
    with pytest.raises(ProviderUnavailableError, match="can't be used now"):
        hurried.complete()
    assert monotonic() - began < 90, "it was waited for without end"


def test_a_provider_that_is_down_is_told_as_such(hurried, odd):
    odd.close()
    with pytest.raises(ProviderUnavailableError, match="can't be used now"):
        hurried.begin()


def test_a_provider_that_comes_back_is_used_again(hurried, odd):
    good = odd.documents[DOCUMENT]
    odd.documents[DOCUMENT] = None
    with pytest.raises(ProviderUnavailableError, match="404"):
        hurried.begin()
    odd.documents[DOCUMENT] = good
    with pytest.raises(AccountNeededError):
        hurried.sign_in()


@pytest.mark.parametrize("path", [DOCUMENT, "/keys", "/token"])
def test_redirects_are_not_followed(hurried, odd, path):
    target = f"{odd.issuer}/inside"
    if path == DOCUMENT:
        odd.documents["/inside"] = odd.documents[DOCUMENT]
    hurried_token = f"HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode()
    odd.documents[path] = raw(hurried_token)
    with pytest.raises(ProviderUnavailableError):
        if path == "/token":
            hurried.begin()
            hurried.complete()
        else:
            hurried.sign_in()
    assert "/inside" not in odd.calls


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "authorization_endpoint", "userinfo_endpoint"])
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/token",
        "http://127.0.0.1:6379/",
        "file:///etc/passwd",
        "http://user:password@127.0.0.1/",
        "javascript:alert(1)",
        "https://[",
        "https://127.0.0.1:99999/",
        "",
    ],
)
def test_endpoints_elsewhere_are_refused(hurried, odd, name, url):
    odd.metadata(**{name: url})
    with pytest.raises(ProviderUnavailableError, match="an endpoint is"):
        hurried.begin()


def test_an_operator_may_name_other_origins(lone_attempt, odd):
    odd.metadata(authorization_endpoint="https://login.example.org/authorize")
    one = lone_attempt({"origins": ["https://login.example.org"]})
    assert one.begin().url.startswith("https://login.example.org/authorize?")


def test_a_discovery_document_of_another_issuer_is_refused(hurried, odd):
    """OpenID Connect Discovery 1.0, 4.3."""
    odd.metadata(issuer="https://evil.example")
    with pytest.raises(ProviderUnavailableError, match="another issuer"):
        hurried.begin()
    odd.metadata(issuer=odd.issuer)
    assert hurried.begin(), "a document that was put right is looked at again"


def test_what_a_provider_says_of_an_error_is_shown_cut_and_plain(hurried, odd):
    hurried.begin()
    body = json.dumps({"error": "invalid_grant\x00\n<script>" + "x" * 500}).encode()
    odd.documents["/token"] = raw(
        b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body), body
    )
    with pytest.raises(FederationRefusedError, match="invalid_grant") as caught:
        hurried.complete()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_documents_and_keys_are_kept(hurried, odd):
    for _ in range(3):
        with pytest.raises(AccountNeededError):
            hurried.sign_in()
    assert odd.calls.count(DOCUMENT) == 1
    assert odd.calls.count("/keys") == 1
