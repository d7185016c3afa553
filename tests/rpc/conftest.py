"""A shop that exposes its prices: served in this process, or by `brickwork rpc serve` in another; and its generated client."""

import os
import re
import secrets
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep

import pytest

from brickwork.rpc import Channel
from brickwork.testing.auth import bearer

HERE = Path(__file__).parent
COMPONENTS = ["rpc", "ward", "entities", "web"]


@pytest.fixture
def make_shop(make_platform, monkeypatch):
    """A platform with the prices, not served yet."""
    monkeypatch.syspath_prepend(str(HERE))

    def make(**sections):
        pricing = import_module("pricing")
        from brickwork.testing.ward import component

        return make_platform(components=COMPONENTS, plugins=[component, pricing], **sections)

    return make


@pytest.fixture
def shop(make_shop):
    return make_shop()


@pytest.fixture
def token(shop):
    """An administrator's key of the tenant north."""
    return key_of(shop, "north")


def key_of(shop, tenant, name="till", roles=("administrator",)):
    return bearer(shop, tenant, name, roles=roles)["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def served(shop):
    """The target of a server in this process."""
    return f"127.0.0.1:{shop.rpc.serve(port=0).port}"


@pytest.fixture
def client_module(shop, tmp_path, monkeypatch):
    """The generated client of the prices, imported."""
    name = f"prices_{secrets.token_hex(4)}"
    (tmp_path / f"{name}.py").write_text(shop.rpc.client("shop.v1"))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = import_module(name)
    yield module
    del sys.modules[name]


@pytest.fixture
def prices(client_module, served, token):
    """The prices, called with the administrator's key."""
    with Channel(served, token=token) as channel:
        yield client_module.Prices(channel)


@pytest.fixture
def remote(shop, tmp_path):
    """The target of `brickwork rpc serve`, a process of its own."""
    database = shop.settings.database
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}",
        "BRICKWORK_DATABASE__URL": database.url,
        **({"BRICKWORK_DATABASE__OWNER_URL": database.owner_url} if database.owner_url else {}),
        "BRICKWORK_PLATFORM__MODULES": '["pricing", "brickwork.testing.ward.component"]',
        "BRICKWORK_PLATFORM__COMPONENTS": '["rpc", "ward", "entities", "web"]',
        "BRICKWORK_PLATFORM__DATA_DIR": str(tmp_path / "served"),
    }
    told = tmp_path / "rpc.log"
    with told.open("w") as log:
        command = [sys.executable, "-m", "brickwork", "rpc", "serve", "--port", "0"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        deadline = monotonic() + 60
        while not (found := re.search(r"listening on port (\d+)", told.read_text())):
            assert process.poll() is None, told.read_text()
            assert monotonic() < deadline, told.read_text()
            sleep(0.05)
        yield f"127.0.0.1:{found[1]}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, told.read_text()
