"""Instances register themselves in the database, on either kind of it, and are gone when they no longer beat."""

import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from brickwork.errors import PermissionDeniedError, UnavailableError, ValidationError
from brickwork.gateway.discovery import Instance
from brickwork.gateway.registry import Registry
from brickwork.testing.contracts.broker import until


def test_who_registers_is_found_until_the_block_ends(gateway_platform, discover):
    registry = Registry(gateway_platform, refresh=0.05)
    discovery = discover({"registry": {"service": "billing"}}, registry=registry)
    assert discovery.addresses() == []
    with registry.register("billing", "10.0.0.1", 80, weight=2, metadata={"zone": "a"}), registry.register("crm", "10.0.0.2", 80):
        until(lambda: discovery.addresses() == ["10.0.0.1:80"])
        assert discovery.instances("billing")[0] == Instance("10.0.0.1", 80, 2, metadata={"zone": "a"})
        assert set(registry.instances()) == {"billing", "crm"}
    until(lambda: discovery.addresses() == [])


def test_who_beats_stays_longer_than_the_time_to_live(gateway_platform):
    registry = Registry(gateway_platform, refresh=0.05)
    with registry.register("billing", "10.0.0.1", 80, ttl=0.6):
        registered = registry.instances()["billing"]
        gone = threading.Event()
        for _ in range(15):
            gone.wait(0.1)
            assert registry.instances()["billing"] == registered


PROCESS = """
import sys, time
from brickwork import Platform
settings = {"database": {"url": sys.argv[1]}, "platform": {"data_dir": sys.argv[2]}}
with Platform(["gateway"], settings=settings) as platform, platform.gateway.registry.register("billing", "10.0.0.9", 80, ttl=1.0):
    print("here", flush=True)
    time.sleep(60)
"""


def test_an_instance_whose_process_is_killed_is_gone_within_its_time_to_live(gateway_platform, discover):
    registry = Registry(gateway_platform, refresh=10.0)  # the end of a life is not waited for by the refresh
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), gateway_platform.settings.database.url,
               str(gateway_platform.settings.platform.data_dir)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        discovery = discover({"registry": {"service": "billing"}}, registry=registry)
        assert discovery.addresses() == ["10.0.0.9:80"]
        process.kill()
        until(lambda: discovery.addresses() == [], 5)


def test_a_successor_at_the_same_address_outlives_its_predecessor(gateway_platform):
    registry = Registry(gateway_platform)
    with registry.register("billing", "10.0.0.1", 80, weight=1, ttl=0.3) as _, ThreadPoolExecutor(1) as pool:
        old = registry.register("billing", "10.0.0.2", 80, weight=1)
        old.__enter__()
        with registry.register("billing", "10.0.0.2", 80, weight=7):
            pool.submit(old.__exit__, None, None, None).result()
            assert [instance.weight for instance in registry.instances()["billing"]] == [1, 7]


def test_an_emptied_table_is_filled_again_by_the_beats(gateway_platform):
    from sqlalchemy import delete

    from brickwork.gateway.models import InstanceRow

    registry = Registry(gateway_platform)
    with registry.register("billing", "10.0.0.1", 80, ttl=0.3):
        with gateway_platform.system_context(reason="test"), gateway_platform.transaction() as transaction:
            transaction.execute(delete(InstanceRow))
        until(lambda: registry.instances())


def test_a_database_that_is_away_leaves_the_last_known(gateway_platform, discover, monkeypatch):
    """The database is made to fail, since it is the one that the tests share."""
    registry = Registry(gateway_platform, refresh=0.05)
    with registry.register("billing", "10.0.0.1", 80, ttl=30):
        discovery = discover({"registry": {"service": "billing"}}, registry=registry)

        def away(*arguments, **named):
            raise UnavailableError("the database is gone")

        with monkeypatch.context() as patch:
            patch.setattr(gateway_platform.database, "begin", away)
            until(lambda: discovery.sources("billing")[0].stale)
            assert discovery.addresses() == ["10.0.0.1:80"]
        until(lambda: not discovery.sources("billing")[0].stale)


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"service": ""}, "service"),
        ({"host": "a\nb"}, "host"),
        ({"port": 0}, "port"),
        ({"weight": -1}, "weight"),
        ({"ttl": 0}, "ttl"),
    ],
)
def test_an_instance_that_can_not_be_is_refused(gateway_platform, wrong, field):
    given = {"service": "billing", "host": "10.0.0.1", "port": 80, **wrong}
    with pytest.raises(ValidationError) as caught, Registry(gateway_platform).register(**given):
        pytest.fail("it was registered")
    assert caught.value.field == field


def test_nobody_announces_instances_through_the_product(gateway_platform):
    """They would get the requests of other tenants."""
    access = object()
    caller = attrs.evolve(gateway_platform.current, tenant="alpha", access=access)
    with gateway_platform.contexts.use(caller), pytest.raises(PermissionDeniedError, match="own code"):
        gateway_platform.gateway.registry.register("billing", "10.0.0.1", 80).__enter__()
    assert gateway_platform.gateway.registry.instances() == {}
