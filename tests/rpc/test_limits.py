"""Plans hold over gRPC as over HTTP: the same counts, whichever way a caller comes."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from starlette.testclient import TestClient

from brickwork.errors import UnauthenticatedError
from brickwork.limits import QuotaExceededError, RateLimitedError
from brickwork.rpc import Channel
from brickwork.rpc.transport import address_of
from brickwork.web import create_app

from .conftest import key_of

PLANS = {
    "small": {"rates": [{"per": "user", "rate": "2/hour"}]},
    "quotes": {"rates": [{"per": "key", "rate": "1/hour", "routes": ["POST /shop.v1.Prices/Quote"]}]},
    "metered": {"quotas": [{"name": "calls", "limit": 1, "every": "month"}]},
    "doors": {"rates": [{"per": "address", "rate": "3/hour"}]},
}


@pytest.fixture
def shop(make_shop):
    return make_shop(limits={"plans": PLANS, "anonymous_plan": "doors"})


def test_too_many_calls_are_refused_with_the_time_to_wait(shop, prices):
    shop.limits.plans.assign("north", "small")
    for _ in range(2):
        prices.quote("bed", quantity=1)
    with pytest.raises(RateLimitedError, match="rate limit 'user' of plan 'small'") as failed:
        prices.quote("bed", quantity=1)
    assert failed.value.details["retry_after"] == 1800


def test_requests_over_http_and_calls_count_together(shop, prices, token):
    shop.limits.plans.assign("north", "small")
    client = TestClient(create_app(shop), headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/auth/session").status_code == 200
    prices.quote("bed", quantity=1)
    with pytest.raises(RateLimitedError):
        prices.quote("bed", quantity=1)
    assert client.get("/api/v1/auth/session").status_code == 429


def test_a_rule_for_one_method_leaves_others_alone(shop, prices):
    shop.limits.plans.assign("north", "quotes")
    prices.quote("bed", quantity=1)
    with pytest.raises(RateLimitedError, match="'key'"):
        prices.quote("bed", quantity=1)
    assert list(prices.watch("bed")) != []


def test_a_quota_that_is_used_up_is_told_as_such_and_a_stream_counts_once(shop, prices):
    shop.limits.plans.assign("north", "metered")
    assert list(prices.watch("bed")) != []
    with pytest.raises(QuotaExceededError):
        list(prices.watch("bed"))


def test_the_answer_tells_how_the_plan_stands_and_a_refusal_when_to_retry(shop, served, token):
    """As other languages read it: trailing metadata and google.rpc.RetryInfo."""
    shop.limits.plans.assign("north", "small")
    with grpc.insecure_channel(served) as channel:
        call = channel.unary_unary("/shop.v1.Prices/Quote")
        told = []
        for _ in range(3):
            future = call.future(b"\x0a\x03bed\x10\x01", metadata=(("authorization", f"Bearer {token}"),))
            told.append((future.code(), dict(future.trailing_metadata())))
    codes = [code.name for code, _ in told]
    assert codes[2] == "RESOURCE_EXHAUSTED" != codes[0]
    assert told[0][1]["ratelimit-policy"] == '"user";q=2;w=3600'
    assert told[0][1]["ratelimit"] == '"user";r=1;t=1800'
    status, retry = status_pb2.Status.FromString(told[2][1]["grpc-status-details-bin"]), error_details_pb2.RetryInfo()
    assert any(part.Unpack(retry) for part in status.details)
    assert retry.retry_delay.ToSeconds() == 1800
    assert told[2][1]["ratelimit"].startswith('"user";r=0')


def test_keys_that_are_not_good_are_counted_by_address(shop, served, client_module):
    with Channel(served, token="bwk_guessed") as channel:
        prices = client_module.Prices(channel)
        for _ in range(3):
            with pytest.raises(UnauthenticatedError):
                prices.quote("bed", quantity=1)
        with pytest.raises(RateLimitedError):
            prices.quote("bed", quantity=1)


def test_a_tenant_s_calls_do_not_count_for_another(shop, served, client_module, prices):
    shop.limits.plans.assign("north", "small")
    shop.limits.plans.assign("south", "small")
    for _ in range(2):
        prices.quote("bed", quantity=1)
    with Channel(served, token=key_of(shop, "south")) as channel:
        assert client_module.Prices(channel).quote("bed", quantity=1)


@pytest.mark.parametrize(
    ("peer", "address"),
    [("ipv4:192.0.2.1:50000", "192.0.2.1"), ("ipv6:%5B2001:db8::1%5D:1", "2001:db8::1"), ("unix:/run/x", ""), ("", "")],
)
def test_the_address_is_read_from_how_grpc_names_the_other_side(peer, address):
    assert address_of(peer) == address
