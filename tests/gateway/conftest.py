"""What tests of discovery share."""

import pytest
from prometheus_client import CollectorRegistry

from brickwork.gateway.definition_reading import parse_definition
from brickwork.gateway.discovery import Discovery, DiscoverySettings


@pytest.fixture
def discover():
    """Starts discovery for one service "billing" with the given sources."""
    made = []

    def start(*sources, registry=None, changed=lambda service: None, **settings):
        gateway = parse_definition({"services": [{"name": "billing", "discovery": list(sources)}]})
        metrics = CollectorRegistry()
        found = Discovery(gateway, DiscoverySettings(**settings), registry=registry, metrics=metrics, changed=changed)
        found.metrics = metrics
        found.addresses = lambda: [instance.address for instance in found.instances("billing")]
        made.append(found)
        found.start()
        return found

    yield start
    for discovery in made:
        discovery.close()


@pytest.fixture
def gateway_platform(make_platform):
    return make_platform(components=["gateway"])
