"""The embedded broker keeps the contract."""

import pytest

from brickwork.testing.contracts.broker import BrokerContract


class TestSql(BrokerContract):
    @pytest.fixture
    def broker_section(self):
        return {"backend": "sql"}
