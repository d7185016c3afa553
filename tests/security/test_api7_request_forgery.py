"""API7:2023 Server side request forgery, and A10:2021: an address that a caller, a token or a registry names makes the server ask
nobody. (Providers: tests/federation/test_outbound.py; the gateway's registries: tests/gateway/test_discovery.py.)"""

import socket

import pytest

from .conftest import API


@pytest.fixture
def trap():
    """A listener that nobody should call."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        yield listener


def called(listener):
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_addresses_in_data_and_headers_are_not_followed(site, trap):
    url = f"http://127.0.0.1:{trap.getsockname()[1]}/latest/meta-data"
    headers = site.admin["alpha"]
    page = {"name": "page", "fields": {"link": {"type": "url"}, "file": {"type": "file"}}}
    assert site.client.put(f"{API}/entity-types/page", json=page, headers=headers).status_code == 200
    assert site.client.post(f"{API}/entities/page", json={"fields": {"link": url}}, headers=headers).status_code == 201
    odd = {"Host": url.removeprefix("http://").partition("/")[0], "X-Forwarded-Host": url, "Forwarded": f"host={url}",
           "Referer": url, "X-Original-URL": url}  # fmt: skip
    site.client.get(site.record(), headers={**headers, **odd})
    assert not called(trap)


def test_a_key_that_a_token_brings_along_is_not_fetched(site, trap):
    """`jku` and `x5u` in a token's header (RFC 7515, 4.1) name where its key lies: an attacker's."""
    import base64
    import json

    url = f"http://127.0.0.1:{trap.getsockname()[1]}/jwks.json"

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    for header in ({"alg": "RS256", "jku": url}, {"alg": "ES256", "x5u": url}, {"alg": "ES256", "kid": url}):
        claims = {"iss": url, "sub": "service:boss", "tenant": "alpha", "aud": url, "exp": 4_000_000_000}
        token = f"{part({**header, 'typ': 'at+jwt'})}.{part(claims)}.AAAA"
        answer = site.client.get(site.record(), headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    assert not called(trap)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "0.0.0.0"],
)  # fmt: skip
def test_the_metadata_service_has_many_spellings_and_all_are_refused(address):
    from brickwork.gateway.discovery.fence import Fence

    assert not Fence().admits(address)
