"""API10:2023 Unsafe consumption of APIs: what another service says is data of unknown make, cut to size and believed in part.
(Providers that hang, lie or flood: tests/federation; upstreams: tests/gateway/proxy.)"""

import pytest

from brickwork.federation.admission import told_by
from brickwork.federation.provider import provider_of
from brickwork.federation.settings import ProviderSettings
from brickwork.messaging.port import Parcel


@pytest.fixture
def provider():
    return provider_of("idp", ProviderSettings(issuer="https://idp.example", client_id="us", client_secret="x"))


@pytest.mark.parametrize("email", [None, 7, [], {"a": 1}, "x" * 100_000, "a@b@c", "kim@example.org\nBcc: all@example.org", ""])
def test_an_address_that_is_none_is_no_address(provider, email):
    told = told_by(provider, {"iss": "https://idp.example", "sub": "1", "email": email, "email_verified": True})
    assert (told.email, told.verified) == (None, False)


@pytest.mark.parametrize("said", [False, None, "yes", 0, [True], {"verified": True}, "false"])
def test_verified_is_what_the_standard_says_and_nothing_like_it(provider, said):
    told = told_by(provider, {"iss": "https://idp.example", "sub": "1", "email": "kim@example.org", "email_verified": said})
    assert not told.verified


@pytest.mark.parametrize("name", [None, 7, ["x"], {"a": 1}, "x" * 100_000])
def test_a_name_of_any_make_is_a_short_text(provider, name):
    told = told_by(provider, {"iss": "https://idp.example", "sub": "1", "email": "kim@example.org", "name": name})
    assert isinstance(told.name, str)
    assert len(told.name) <= 200


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{" * 10_000, '{"specversion": "9"}', "\x00\xff", '{"data": ' + "1" * 50_000 + "}"]
)
def test_a_message_of_any_make_moves_nothing(site, text):
    assert not site.platform.messaging.consumer.handle(Parcel(1, "alpha", "auth.answer_reset", "default", text))
