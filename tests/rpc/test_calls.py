"""Calls over gRPC: values, context, errors, deadlines and streams, with a generated client against a real server."""

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from time import monotonic
from uuid import UUID

import grpc
import pytest

from brickwork.errors import (
    ConflictError,
    CrossTenantError,
    PermissionDeniedError,
    SettingsError,
    StaleVersionError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    ValidationError,
)
from brickwork.rpc import CancelledError, Channel, DeadlineExceededError, Remote, RemoteError, exposed
from brickwork.rpc.deadline import Deadline, until

from .conftest import key_of

EVERYTHING = {
    "text": "Čtvrtek 🛏",
    "whole": -(2**63),
    "real": 0.1,
    "truth": False,
    "raw": b"\x00\xff",
    "money": Decimal("12345678901234567890.10"),
    "key": UUID("01932c07-0000-7000-8000-000000000001"),
    "day": date(2024, 2, 29),
    "clock": time(23, 59, 59, 999999),
    "moment": datetime(1969, 7, 20, 20, 17, 40, 1, tzinfo=UTC),
    "length": timedelta(days=-1, microseconds=3),
    "size": "large",
    "json": {"a": [1, 2.5, None, True, "x", {}, []], "big": 2**53},
    "maybe": None,
    "several": [1, 2, 3],
    "unique": ["a"],
    "named": {1: "one", -2: "minus two"},
    "facts": {"deep": {"er": [[]]}},
}


# -- values ------------------------------------------------------------------------------------------------------------


def test_a_service_in_another_process_is_called_through_its_generated_client(remote, client_module, token):
    with Channel(remote, token=token) as channel:
        prices = client_module.Prices(channel)
        quote = prices.quote("bed", quantity=3, note="soon")
        assert (quote.item, quote.note, quote.price.amount, quote.price.currency) == ("bed", "soon", Decimal("29.97"), "EUR")
        assert quote.at == datetime(2026, 1, 5, 9, 30, 0, 123456, tzinfo=UTC)
        assert quote.parts == {"net": quote.price}
        assert quote.parent is not None
        assert quote.parent.parent is None
        assert prices.ping() is None
        assert [price.amount for price in prices.watch("bed", count=4)] == [0, 1, 2, 3]
        assert prices.tag("a") == 1
        assert prices.tag("b") == 2


def test_every_kind_of_value_arrives_as_it_was_sent(prices, client_module):
    sent = client_module.Everything(**EVERYTHING, nested=[client_module.Price(amount=Decimal("0.00"), tags=["x"])])
    assert prices.echo(sent) == sent


def test_what_is_left_out_is_the_servers_default(prices):
    assert prices.list() == ["bed", "lamp"]
    assert prices.list(prefix="x-") == ["x-bed", "x-lamp"]
    assert prices.list(sizes=["small", "large"]) == ["large", "small"]
    assert prices.find("bed").amount == 1
    assert prices.find("none") is None
    assert list(prices.watch("bed", count=0)) == []


def test_integers_in_json_that_a_double_cant_hold_go_as_text(prices, client_module):
    sent = client_module.Everything(**{**EVERYTHING, "json": 2**53 + 1})
    assert prices.echo(sent).json == str(2**53 + 1)


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"whole": 2**63}, "value.whole"),
        ({"whole": "1"}, "value.whole"),
        ({"truth": 1}, "value.truth"),
        ({"moment": datetime(2026, 1, 1)}, "value.moment"),
        ({"size": "huge"}, "value.size"),
        ({"json": object()}, "value.json"),
        ({"text": None}, "value.text"),
        ({"named": {"x": "y"}}, "value.named"),
    ],
)
def test_what_cant_travel_is_refused_before_it_does(prices, client_module, wrong, field):
    with pytest.raises(ValidationError) as caught:
        prices.echo(client_module.Everything(**{**EVERYTHING, **wrong}))
    assert caught.value.field == field


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_arrives_as_the_class_that_was_raised(prices):
    with pytest.raises(ConflictError, match="gone is sold out") as caught:
        prices.quote("gone")
    assert caught.value.details == {"item": "gone", "left": 0}
    with pytest.raises(StaleVersionError) as caught:
        prices.tag("x", fail=True)
    assert (caught.value.details, caught.value.code) == ({"expected": 1, "actual": 2}, "stale_version")
    assert prices.tag("y") == 1  # the failed one was rolled back


def test_constraints_of_the_signature_hold_and_each_problem_is_named(prices):
    with pytest.raises(ValidationError) as caught:
        prices.quote("", quantity=2000)
    assert [problem.field for problem in caught.value.problems] == ["item", "quantity"]


def test_an_error_in_a_stream_comes_after_what_was_sent(prices):
    got = []
    with pytest.raises(ValidationError, match="a hundred is enough") as caught:
        for price in prices.watch("bed", count=101):
            got.append(price.amount)
    assert len(got) == 100
    assert caught.value.field == "count"


def test_an_unforeseen_failure_tells_nothing(prices, caplog):
    with pytest.raises(RemoteError, match="correlation id") as caught:
        prices.crash()
    assert "hunter2" not in str(caught.value)
    assert "hunter2" in caplog.text


def test_an_error_that_only_the_server_knows_keeps_its_code(prices, monkeypatch):
    monkeypatch.setattr("brickwork.rpc.failure._kinds", lambda base: iter(()))
    with pytest.raises(RemoteError) as caught:
        prices.quote("gone")
    assert caught.value.details["code"] == "conflict"


# -- who calls ---------------------------------------------------------------------------------------------------------


def test_the_context_goes_along_and_tenant_and_actor_are_the_credentials(make_shop, shop, served, client_module, token):
    with Channel(served, token=token, platform=shop) as channel:
        prices = client_module.Prices(channel)
        with shop.context(tenant="north", actor="user:mallory", correlation_id="c-17", locale="de"):
            who = prices.who()
    assert {k: who[k] for k in ("tenant", "actor", "correlation_id", "locale")} == {
        "tenant": "north",
        "actor": "service:till",
        "correlation_id": "c-17",
        "locale": "de",
    }


def test_a_trace_leads_from_the_caller_through_the_call_to_its_sql(make_shop, client_module):
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    shop = make_shop(platform={"traces": "custom"})
    kept = InMemorySpanExporter()
    shop.tracing.provider.add_span_processor(SimpleSpanProcessor(kept))
    target, token = f"127.0.0.1:{shop.rpc.serve(port=0).port}", key_of(shop, "north")
    with Channel(target, token=token, platform=shop) as channel, shop.context(tenant="north"), shop.tracing.span("outer"):
        client_module.Prices(channel).tag("x")
    shop.close()
    spans = {(span.name, span.kind.name): span for span in kept.get_finished_spans()}
    path = [
        ("outer", "INTERNAL"),
        ("shop.v1.Prices/Tag", "CLIENT"),
        ("shop.v1.Prices/Tag", "SERVER"),
        ("INSERT ward_tag", "CLIENT"),
    ]
    for above, below in pairwise(path):
        assert spans[below].parent.span_id == spans[above].context.span_id
    assert spans[path[2]].attributes["brickwork.actor"] == "service:till"


def test_a_header_makes_nobody_somebody_else(served, token):
    with grpc.insecure_channel(served) as channel:
        metadata = [
            ("authorization", f"Bearer {token}"),
            ("x-actor", "user:root"),
            ("x-tenant", "south"),
            ("x-roles", "administrator"),
        ]
        raw = channel.unary_unary("/shop.v1.Prices/Who")(b"", metadata=metadata, timeout=10)
    assert b"service:till" in raw
    assert b"root" not in raw


def test_a_user_is_acted_for_by_their_token_only(shop, served, client_module, token):
    with shop.context(tenant="north", actor="testing"):
        user = shop.auth.users.create("kim@example.org", "Kim", password="correct horse battery", verified=True)
        shop.auth.members.add(user, roles=["reader"])
        session = shop.auth.sessions.begin(user, tenant="north")
    with Channel(served, token=token) as channel:
        asked = client_module.Prices(channel.on_behalf_of(session.token))
        assert asked.who()["actor"] == user.actor
        assert asked.quote("bed")
        with pytest.raises(PermissionDeniedError):
            asked.tag("x")
        assert client_module.Prices(channel).who()["actor"] == "service:till"


@pytest.mark.parametrize("shown", [None, "", "bwk_nonsense", "bws_nonsense", "x" * 5000])
def test_who_shows_nothing_good_is_refused(served, client_module, shown):
    with Channel(served, token=shown) as channel:
        prices = client_module.Prices(channel)
        prices.ping()  # is public
        for call in (prices.who, lambda: prices.quote("bed"), lambda: list(prices.watch("bed"))):
            with pytest.raises(UnauthenticatedError):
                call()


def test_an_expired_or_revoked_key_is_refused(make_shop, frozen_clock, client_module):
    shop = make_shop(clock=frozen_clock)
    target = f"127.0.0.1:{shop.rpc.serve(port=0).port}"
    with shop.context(tenant="north", actor="testing"):
        subject = shop.auth.services.create("till", roles=["administrator"])
        short, long = (shop.auth.keys.create(subject, "test", lifetime=timedelta(hours=h)) for h in (1, 9))
    with Channel(target, token=short.token) as channel, Channel(target, token=long.token) as other:
        first, second = client_module.Prices(channel), client_module.Prices(other)
        assert first.quote("bed") == second.quote("bed")
        frozen_clock.advance(hours=2)
        with pytest.raises(UnauthenticatedError):
            first.quote("bed")
        assert second.quote("bed")
        with shop.context(tenant="north", actor="testing"):
            shop.auth.keys.revoke(long.id)
        with pytest.raises(UnauthenticatedError):
            second.quote("bed")


def test_what_the_caller_may_not_do_is_refused(shop, served, client_module):
    with Channel(served, token=key_of(shop, "north", "guest", roles=["reader"])) as channel:
        prices = client_module.Prices(channel)
        assert prices.quote("bed")
        with pytest.raises(PermissionDeniedError) as caught:
            prices.tag("x")
    assert caught.value.details["permission"] == "prices.write"


def test_a_call_for_another_tenant_than_the_credentials_is_refused(shop, served, client_module, token):
    with Channel(served, token=token, platform=shop) as channel, shop.context(tenant="south", actor="user:kim"):
        with pytest.raises(CrossTenantError):
            client_module.Prices(channel).quote("bed")
        assert client_module.Prices(channel).ping() is None
    keys = {tenant: key_of(shop, tenant) for tenant in ("north", "south")}
    with Channel(served, token=lambda tenant: keys[tenant], platform=shop) as channel:
        for tenant in keys:
            with shop.context(tenant=tenant, actor="user:kim"):
                assert client_module.Prices(channel).who()["tenant"] == tenant


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_a_call_that_runs_out_is_cancelled_and_leaves_nothing(remote, client_module, token):
    with Channel(remote, token=token) as channel:
        prices = client_module.Prices(channel)
        prices.ping()
        with pytest.raises(DeadlineExceededError):
            prices.within(0.5).tag("late", pause=2)
        began = monotonic()
        assert prices.tag("next", pause=0) == 1  # waits, on SQLite, for the one that is rolled back
        assert monotonic() - began < 30


def test_what_is_left_of_a_calls_time_goes_along(prices):
    assert 1 < float(prices.within(5).who()["left"]) <= 5
    with until(Deadline(monotonic() + 3, lambda: True)):
        assert float(prices.within(50).who()["left"]) < 3.5  # gRPC rounds timeouts up
    with until(Deadline(monotonic() - 1, lambda: True)), pytest.raises(DeadlineExceededError):
        prices.who()


def test_no_call_takes_longer_than_the_server_allows(make_shop, client_module):
    shop = make_shop(rpc={"longest": 7.0})
    with Channel(f"127.0.0.1:{shop.rpc.serve(port=0).port}", token=key_of(shop, "north"), timeout=500) as channel:
        assert float(client_module.Prices(channel).who()["left"]) <= 7


def test_nothing_commits_for_a_caller_who_has_gone(shop, served):
    with shop.context(tenant="north", actor="user:kim"), until(Deadline(monotonic() + 60, lambda: False)):
        with pytest.raises(CancelledError), shop.transaction():
            pass
        with shop.transaction(readonly=True):
            pass


def test_who_stops_a_stream_early_ends_it(prices, shop):
    stream = prices.watch("bed", count=50)
    assert next(stream).amount == 0
    stream.close()
    assert prices.find("bed") is not None


# -- bad input ---------------------------------------------------------------------------------------------------------


def raw_call(target, token, path, body, **options):
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(path)
        return call(body, metadata=[("authorization", f"Bearer {token}")], timeout=10, **options)


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xc3\x28", b"not a message", b"\x0b" * 50])
def test_garbage_is_an_invalid_argument(served, token, body):
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(served, token, "/shop.v1.Prices/Quote", body)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_without_what_is_required_names_it(served, token):
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(served, token, "/shop.v1.Prices/Quote", b"")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "item: it is required" in caught.value.details()


@pytest.mark.parametrize("path", ["/shop.v1.Prices/Nothing", "/shop.v1.Nothing/Quote", "/shop.v1.Prices/_context", "/x"])
def test_an_unknown_method_is_unimplemented(served, token, path):
    with pytest.raises(grpc.RpcError) as caught:
        raw_call(served, token, path, b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_client_of_a_newer_server_learns_that_this_one_is_older(served, token):
    class Prices(Remote, service="shop.v1.Prices"):
        @exposed("prices.read")
        def newer(self) -> None:
            return self._call(self.newer, {})

    with Channel(served, token=token) as channel, pytest.raises(UnsupportedError):
        Prices(channel).newer()


def test_a_message_that_is_too_large_is_refused_on_both_sides(make_shop, client_module):
    shop = make_shop(rpc={"max_message_bytes": 2000})
    target = f"127.0.0.1:{shop.rpc.serve(port=0).port}"
    with Channel(target, token=key_of(shop, "north")) as channel, pytest.raises(TooLargeError):
        client_module.Prices(channel).quote("x" * 3000)
    with Channel(target, token=key_of(shop, "north"), max_message_bytes=20) as channel, pytest.raises(TooLargeError):
        client_module.Prices(channel).quote("bed")


def test_a_server_that_is_not_there_is_unavailable(client_module):
    with Channel("127.0.0.1:1", timeout=5) as channel, pytest.raises(UnavailableError):
        client_module.Prices(channel).ping()


def test_details_that_are_damaged_are_left_aside():
    from brickwork.rpc.failure import DETAILS, raised

    class Damaged:
        def __init__(self, raw):
            self._raw = raw

        def trailing_metadata(self):
            return ((DETAILS, self._raw),)

        def details(self):
            return "no"

        def code(self):
            return grpc.StatusCode.NOT_FOUND

    for raw in (b"\xff\xff", b"", b"\x08\x05"):
        assert isinstance(raised(Damaged(raw)), RemoteError)


# -- the network -------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificates(tmp_path):
    """An authority, and certificates of a server and of a caller that it signed."""

    def run(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "1")
    (tmp_path / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "caller"):
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "san")
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)
    return tmp_path


def test_mutual_tls_admits_only_whom_the_authority_knows(make_shop, client_module, certificates):
    files = {
        "certificate": certificates / "server.pem",
        "key": certificates / "server.key",
        "client_authority": certificates / "ca.pem",
    }
    shop = make_shop(rpc=files)
    token = key_of(shop, "north")
    port = shop.rpc.serve(host="0.0.0.0", port=0).port
    ours = {"certificate": certificates / "caller.pem", "key": certificates / "caller.key"}
    with Channel(f"localhost:{port}", token=token, authority=certificates / "ca.pem", **ours) as channel:
        assert client_module.Prices(channel).who()["tenant"] == "north"
    with Channel(f"localhost:{port}", token=token, authority=certificates / "ca.pem") as channel, pytest.raises(UnavailableError):
        client_module.Prices(channel).who()
    with (
        Channel(f"localhost:{port}", token=token, timeout=3) as channel,
        pytest.raises((UnavailableError, DeadlineExceededError)),
    ):
        client_module.Prices(channel).who()


def test_nothing_leaves_the_machine_in_the_clear(make_shop, tmp_path):
    shop = make_shop()
    with pytest.raises(SettingsError, match=r"rpc\.certificate"):
        shop.rpc.serve(host="0.0.0.0", port=0)
    with pytest.raises(SettingsError, match="authority"):
        Channel("prices.example.org:8050", token="x")
    missing = make_shop(rpc={"certificate": tmp_path / "none.pem", "key": tmp_path / "none.key"})
    with pytest.raises(SettingsError, match="can't be read"):
        missing.rpc.serve(port=0)
    half = make_shop(rpc={"client_authority": tmp_path / "ca.pem"})
    with pytest.raises(SettingsError, match="both"):
        half.rpc.serve(port=0)


def test_a_port_in_use_is_said(shop, make_shop, served):
    with pytest.raises(SettingsError, match="in use"):
        make_shop().rpc.serve(port=int(served.rpartition(":")[2]))


# -- the client, and the platform without gRPC -------------------------------------------------------------------------


@pytest.mark.parametrize("database_kind", ["sqlite"])  # a type checker takes its time, and no database has a part in it
def test_the_generated_client_is_strictly_typed(client_module):
    root = Path(__file__).parents[2]
    use = Path(client_module.__file__).with_name("use.py")
    use.write_text(
        f"from {client_module.__name__} import Price, Prices\n\n\n"
        "def ask(prices: Prices) -> list[Price]:\n"
        "    reveal_type(prices.quote('x', quantity=2).parent)\n"
        "    return [*prices.watch('bed'), prices.quote('bed').price]\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        str(root / "pyproject.toml"),
        client_module.__file__,
        str(use),
    ]
    done = subprocess.run(command, cwd=use.parent, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'"{client_module.__name__}.Quote | None"' in done.stdout
    use.write_text(use.read_text().replace("'bed'", "17"))
    done = subprocess.run(command, cwd=use.parent, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "400", client_module.__file__]
    subprocess.run(ruff, check=True, timeout=60)


def test_a_platform_that_serves_no_calls_imports_no_grpc():
    program = """
import sys
from brickwork import Platform
with Platform(settings={"database": {"url": "sqlite://"}}) as platform:
    platform.migrate()
    platform.start()
    assert not [name for name in sys.modules if name.startswith(("grpc", "google.protobuf"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_without_grpc_it_is_said_what_to_install():
    program = """
import sys
sys.modules["grpc"] = None
from brickwork import Platform
from brickwork.errors import MissingDependencyError
for use in ("from brickwork.rpc import Channel", "Platform(settings={'database': {'url': 'sqlite://'}}).rpc.serve(port=0)"):
    try:
        exec(use)
    except MissingDependencyError as error:
        assert "pip install 'brickwork[grpc]'" in error.message
    else:
        raise AssertionError(use)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_calls_are_counted(prices, shop):
    prices.ping()
    with pytest.raises(ConflictError):
        prices.quote("gone")
    told = shop.metrics.get_sample_value
    assert told("brickwork_rpc_requests_total", {"method": "shop.v1.Prices/Ping", "code": "OK"}) == 1
    assert told("brickwork_rpc_requests_total", {"method": "shop.v1.Prices/Quote", "code": "FAILED_PRECONDITION"}) == 1
    assert told("brickwork_rpc_request_seconds_count", {"method": "shop.v1.Prices/Ping"}) == 1
