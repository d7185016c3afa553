"""The embedded cache keeps the contract."""

import pytest

from brickwork.testing.contracts.cache import CacheContract


class TestEmbedded(CacheContract):
    @pytest.fixture
    def cache_section(self):
        return {"backend": "embedded", "one_machine": True}
