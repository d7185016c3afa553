"""A real Redis, and a prefix for each test."""

import os
import secrets

import pytest

from brickwork.testing.plugin import absent

URL = os.environ.get("BRICKWORK_TEST_REDIS", "redis://127.0.0.1:6379/15")


@pytest.fixture
def client():
    import redis

    made = redis.Redis.from_url(URL)
    try:
        made.ping()
    except redis.ConnectionError as error:
        absent(f"no Redis for tests ({error}); set BRICKWORK_TEST_REDIS")
    yield made
    made.close()


@pytest.fixture
def section(client):
    """Settings of a Redis backend whose keys are removed after the test."""
    prefix = f"bwtest-{secrets.token_hex(4)}"
    yield {"url": URL, "prefix": prefix}
    for key in client.scan_iter(f"{prefix}:*"):
        client.delete(key)
