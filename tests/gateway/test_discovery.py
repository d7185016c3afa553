"""Instances are found by four mechanisms, several at once; a registry that dies or lies harms no request."""

import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest
from prometheus_client import CollectorRegistry

from brickwork.errors import DefinitionError, UnavailableError
from brickwork.gateway.definition_reading import parse_definition
from brickwork.gateway.discovery import Discovery, DiscoverySettings, Instance
from brickwork.gateway.discovery.dns_srv import DnsSrv
from brickwork.gateway.discovery.fence import Fence
from brickwork.testing.contracts.broker import until
from brickwork.testing.plugin import absent

# -- static ----------------------------------------------------------------------------------------------------------------


def test_targets_of_a_definition_are_instances_with_their_weights():
    gateway = parse_definition({"services": [{"name": "billing", "targets": ["a.internal:80 weight=3", "[::1]:81"]}]})
    discovery = Discovery(gateway, DiscoverySettings(), registry=None, metrics=CollectorRegistry())
    discovery.start()
    assert discovery.instances("billing") == (Instance("a.internal", 80, 3), Instance("::1", 81))
    assert [instance.address for instance in discovery.instances("billing")] == ["a.internal:80", "[::1]:81"]
    assert discovery.health().ok
    discovery.close()


def test_a_target_where_clouds_serve_metadata_is_refused():
    gateway = parse_definition({"services": [{"name": "billing", "targets": ["169.254.169.254:80"]}]})
    with pytest.raises(DefinitionError, match=r"169\.254\.169\.254:80"):
        Discovery(gateway, DiscoverySettings(), registry=None, metrics=CollectorRegistry())


@pytest.mark.parametrize(
    "source",
    [
        {"dns_srv": {"name": "_x._tcp.test", "resolver": "127.0.0.1:port"}},
        {"dns_srv": {"name": "_x._tcp.test", "resolver": ":53"}},
        {"consul": {"service": "x", "url": "127.0.0.1:8500"}},
        {"consul": {"service": "x", "url": "file:///etc/passwd"}},
    ],
)
def test_a_source_that_can_not_be_asked_stops_the_start(discover, source):
    with pytest.raises(DefinitionError, match="host:port, not"):
        discover(source)


# -- DNS -------------------------------------------------------------------------------------------------------------------

RECORDS = (
    "--srv-host=_billing._tcp.test,a.test,8080,0,5",
    "--srv-host=_billing._tcp.test,b.test,8081,0,0",
    "--srv-host=_billing._tcp.test,far.test,8082,10,1",
    "--srv-host=_evil._tcp.test,metadata.test,80,0,1",
    "--srv-host=_evil._tcp.test,a.test,80,0,1",
    "--srv-host=_half._tcp.test,nowhere.test,80,0,1",
    "--srv-host=_half._tcp.test,a.test,80,0,1",
    "--srv-host=_none._tcp.test",
    "--host-record=a.test,127.0.0.2",
    "--host-record=b.test,127.0.0.3",
    "--host-record=far.test,127.0.0.4",
    "--host-record=metadata.test,169.254.169.254",
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def dns():
    """A dnsmasq of our own: its "host:port", and the process."""
    program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
    if program is None:
        absent("the program dnsmasq is not installed")
    port = free_port()
    options = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/test/", "--local-ttl=1",
               f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=", "--pid-file="]  # fmt: skip
    with subprocess.Popen([program, *options, *RECORDS], stderr=subprocess.PIPE, text=True) as process:
        until(lambda: answers(port))
        yield f"127.0.0.1:{port}", process
        process.kill()


def test_srv_records_give_instances_by_address_with_priority_and_weight(discover, dns):
    discovery = discover({"dns_srv": {"name": "_billing._tcp.test", "resolver": dns[0]}})
    assert discovery.instances("billing") == (
        Instance("127.0.0.2", 8080, 5, name="a.test"),
        Instance("127.0.0.3", 8081, 1, name="b.test"),
        Instance("127.0.0.4", 8082, 1, priority=10, name="far.test"),
    )


@pytest.mark.parametrize("name", ["_none._tcp.test", "_unheard._tcp.test"])
def test_no_records_are_no_instances(dns, name):
    """A target of "." says so (RFC 2782), and so does a name that does not exist."""
    assert DnsSrv(name, dns[0], Fence()).look().instances == []


def test_a_record_without_an_address_hides_no_other(dns):
    assert [instance.name for instance in DnsSrv("_half._tcp.test", dns[0], Fence()).look().instances] == ["a.test"]


def test_a_name_that_leads_to_the_metadata_service_is_left_out(dns):
    assert [instance.host for instance in DnsSrv("_evil._tcp.test", dns[0], Fence()).look().instances] == ["127.0.0.2"]


def test_the_time_to_live_says_when_to_look_again(dns):
    assert DnsSrv("_billing._tcp.test", dns[0], Fence()).look().again == 1.0


def test_a_resolver_that_dies_leaves_the_last_known_and_then_nothing(discover, dns):
    heard = []
    source = {"dns_srv": {"name": "_billing._tcp.test", "resolver": dns[0]}}
    discovery = discover(source, stale_for=4.0, changed=heard.append)
    known = discovery.instances("billing")
    dns[1].kill()
    until(lambda: discovery.sources("billing")[0].stale)
    labels = {"service": "billing", "source": "dns_srv"}
    assert discovery.metrics.get_sample_value("brickwork_gateway_discovery_stale", labels) == 1
    assert discovery.instances("billing") is known
    assert discovery.health().detail == "last known: billing by dns_srv"
    until(lambda: not discovery.instances("billing"))
    assert heard == ["billing", "billing"]
    assert not discovery.health().ok


def test_a_resolver_that_answers_garbage_is_unavailable():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer():
            data, sender = server.recvfrom(4096)
            server.sendto(data[:2] + b"\x81\x80\x00\x01\x00\x05" + b"\xff" * 40, sender)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(answer)
            with pytest.raises(UnavailableError, match=r"DNS SRV _x\._tcp\.test"):
                DnsSrv("_x._tcp.test", f"127.0.0.1:{server.getsockname()[1]}", Fence()).look()


# -- where nobody may be sent ------------------------------------------------------------------------------------------


def test_a_source_that_was_never_there_delays_no_start_beyond_its_patience(discover):
    """Port 1 stands for a Consul that is not there."""
    sources = ({"consul": {"service": "billing", "url": "http://127.0.0.1:1"}}, {"static": ["10.9.9.9:80"]})
    assert discover(*sources).addresses() == ["10.9.9.9:80"]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::a9fe:a9fe",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "not an address",
        "",
    ],
)
def test_no_registry_may_name_metadata_services_and_what_is_no_host(address):
    assert not Fence().admits(address)


def test_without_a_list_private_networks_and_this_machine_are_allowed():
    assert all(Fence().admits(address) for address in ("10.0.0.1", "127.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1"))
    assert Fence([ip_network("10.0.0.0/8")]).admits("::ffff:10.0.0.1")


def test_a_name_is_resolved_before_it_is_checked():
    """So that nobody can answer another address when it is connected to."""
    held = Fence([ip_network("127.0.0.0/8")]).held([Instance("localhost", 80)])
    assert held == [Instance("127.0.0.1", 80, name="localhost")]
    assert Fence([ip_network("10.0.0.0/8")]).held([Instance("localhost", 80)]) == []


def test_a_name_that_nobody_knows_hides_no_other_instance():
    held = Fence().held([Instance("no-such-host.invalid", 80), Instance("10.0.0.1", 80)])
    assert [instance.host for instance in held] == ["10.0.0.1"]
    with pytest.raises(UnavailableError, match="no-such-host"):
        Fence().held([Instance("no-such-host.invalid", 80)])
