"""Instances in Consul, and several mechanisms at once.

Consul can't be installed where the tests run. What stands in for it answers the one endpoint that discovery uses as Consul's HTTP
API documents it (Health, "List Service Instances for Service"; Features, "Blocking Queries").
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from brickwork.errors import SettingsError, UnavailableError
from brickwork.gateway import definition
from brickwork.gateway.discovery import Instance
from brickwork.gateway.discovery.consul import Consul
from brickwork.gateway.discovery.fence import Fence
from brickwork.gateway.registry import Registry
from brickwork.testing.contracts.broker import until

PATH = "/v1/health/service/"


class ConsulStandIn:
    """Runs in a block; `asked` and `tokens` are what was sent to it."""

    def __init__(self):
        self.index = 10
        self.asked, self.tokens = [], []
        #: Sent in place of the true answer.
        self.answer, self.status = None, 200
        self._services = {}
        self._changed = threading.Condition()
        self._open = True

    def __enter__(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                stand_in._reply(self)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._open = False
        self.touch()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, service, host, port, *, passing=True, weight=1, node="10.255.0.1", tags=(), meta=None):
        entry = {
            "Node": {"ID": "40e4a748", "Node": f"node-{host}", "Address": node, "Datacenter": "dc1"},
            "Service": {"ID": f"{service}-{host}", "Service": service, "Tags": list(tags), "Address": host, "Port": port,
                        "Weights": {"Passing": weight, "Warning": 1}, "Meta": meta},
            "Checks": [{"CheckID": "serfHealth", "Status": "passing" if passing else "critical"}],
        }  # fmt: skip
        self._services.setdefault(service, {})[host, port] = entry
        self.touch()

    def remove(self, service):
        self._services.pop(service, None)
        self.touch()

    def restart(self, index):
        self._services.clear()
        self.index = index - 1
        self.touch()

    def touch(self):
        with self._changed:
            self.index += 1
            self._changed.notify_all()

    def _reply(self, handler):
        url = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append(handler.path)
        self.tokens.append(handler.headers.get("X-Consul-Token"))
        with self._changed:
            asked = int(query.get("index", 0))
            if asked and asked == self.index:
                wait = float(query.get("wait", "300000ms").removesuffix("ms")) / 1000
                self._changed.wait_for(lambda: self.index != asked or not self._open, wait)
            entries = list(self._services.get(url.path.removeprefix(PATH), {}).values())
            index = self.index
        if "passing" in query:
            entries = [entry for entry in entries if all(check["Status"] == "passing" for check in entry["Checks"])]
        if "tag" in query:
            entries = [entry for entry in entries if query["tag"] in entry["Service"]["Tags"]]
        body = orjson.dumps(entries) if self.answer is None else self.answer
        handler.send_response(self.status)
        if self.status == 301:
            handler.send_header("Location", f"{self.url}/elsewhere")
        handler.send_header("X-Consul-Index", str(index))
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def consul():
    with ConsulStandIn() as server:
        yield server


def test_consul_gives_what_passes_its_checks_and_tells_changes_at_once(discover, consul):
    consul.put("billing", "10.0.0.1", 80, weight=3, meta={"zone": "a"})
    consul.put("billing", "10.0.0.2", 80, passing=False)
    heard = threading.Event()
    source = {"consul": {"service": "billing", "url": consul.url}}
    discovery = discover(source, consul_wait=30, changed=lambda service: heard.set())
    assert discovery.instances("billing") == (Instance("10.0.0.1", 80, 3, metadata={"zone": "a"}),)
    heard.clear()
    consul.put("billing", "10.0.0.2", 80)
    assert heard.wait(5)  # and not after 30 seconds
    assert discovery.addresses() == ["10.0.0.1:80", "10.0.0.2:80"]
    assert any("wait=30000ms" in path and "index=" in path for path in consul.asked)


def test_a_service_without_an_address_is_at_its_node(discover, consul):
    consul.put("billing", "", 80, node="10.0.0.7")
    assert discover({"consul": {"service": "billing", "url": consul.url}}).addresses() == ["10.0.0.7:80"]


def test_datacenter_tag_and_token_are_sent(discover, consul, monkeypatch):
    monkeypatch.setenv("CONSUL_TOKEN", "secret-token")
    consul.put("billing", "10.0.0.1", 80, tags=["blue"])
    consul.put("billing", "10.0.0.2", 80, tags=["green"])
    source = {"service": "billing", "url": consul.url, "datacenter": "dc2", "tag": "blue", "token_variable": "CONSUL_TOKEN"}
    assert discover({"consul": source}).addresses() == ["10.0.0.1:80"]
    assert "dc=dc2" in consul.asked[0]
    assert consul.tokens[0] == "secret-token"


def test_a_token_that_the_environment_lacks_stops_the_start(discover):
    with pytest.raises(SettingsError, match="CONSUL_MISSING"):
        discover({"consul": {"service": "billing", "token_variable": "CONSUL_MISSING"}})


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'[{"Node": {}, "Service": {"Port": "x"}}]', b"[", b""])
def test_consul_answering_garbage_leaves_the_last_known(discover, consul, answer):
    consul.put("billing", "10.0.0.1", 80)
    discovery = discover({"consul": {"service": "billing", "url": consul.url}})
    assert discovery.addresses() == ["10.0.0.1:80"]
    consul.answer = answer
    consul.touch()
    until(lambda: discovery.sources("billing")[0].stale)
    assert discovery.addresses() == ["10.0.0.1:80"]
    consul.answer = None
    consul.put("billing", "10.0.0.2", 80)
    until(lambda: discovery.addresses() == ["10.0.0.1:80", "10.0.0.2:80"])
    assert not discovery.sources("billing")[0].stale


def test_consul_that_redirects_or_refuses_is_unavailable(consul):
    asked = Consul(definition.Consul(service="billing", url=consul.url), "secret-token", Fence(), wait=1)
    for status in (301, 403, 500):
        consul.status = status
        with pytest.raises(UnavailableError, match=f"service billing: status {status}"):
            asked.look()
    asked.close()
    assert all("/v1/health/service/billing" in path for path in consul.asked)


def test_consul_that_restarts_is_asked_anew(discover, consul):
    """Its index begins low again, and must not be waited beyond."""
    consul.index = 1000
    consul.put("billing", "10.0.0.1", 80)
    discovery = discover({"consul": {"service": "billing", "url": consul.url}})
    consul.restart(index=5)
    consul.put("billing", "10.0.0.2", 80)
    until(lambda: discovery.addresses() == ["10.0.0.2:80"])


def test_a_discovery_that_waits_for_consul_closes_at_once(discover, consul):
    consul.put("billing", "10.0.0.1", 80)
    discovery = discover({"consul": {"service": "billing", "url": consul.url}}, consul_wait=600)
    until(lambda: any("index=" in path for path in consul.asked))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(discovery.close).result(timeout=10)


def test_the_first_source_that_knows_any_instance_counts(discover, consul, gateway_platform):
    registry = Registry(gateway_platform, refresh=0.05)
    sources = (
        {"consul": {"service": "billing", "url": consul.url}},
        {"registry": {"service": "billing"}},
        {"static": ["10.9.9.9:80"]},
    )
    discovery = discover(*sources, registry=registry)
    assert discovery.addresses() == ["10.9.9.9:80"]
    with registry.register("billing", "10.5.5.5", 80):
        until(lambda: discovery.addresses() == ["10.5.5.5:80"])
        consul.put("billing", "10.0.0.1", 80)
        until(lambda: discovery.addresses() == ["10.0.0.1:80"])
        consul.remove("billing")
        until(lambda: discovery.addresses() == ["10.5.5.5:80"])
    until(lambda: discovery.addresses() == ["10.9.9.9:80"])


def test_instances_may_be_held_to_networks(discover, consul):
    for host in ("10.0.0.1", "192.168.0.1", "127.0.0.1", "169.254.169.254"):
        consul.put("billing", host, 80)
    discovery = discover({"consul": {"service": "billing", "url": consul.url}}, allowed_networks=["10.0.0.0/8", "169.254.0.0/16"])
    assert discovery.addresses() == ["10.0.0.1:80"]
