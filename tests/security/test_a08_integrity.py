"""A08:2021 Software and data integrity failures: what was written down stays as it was, and what comes in is data."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from .conftest import API


def test_the_audit_trail_can_not_be_changed_and_a_change_from_outside_shows(site):
    platform = site.platform
    platform.audit.seal()
    url = platform.settings.database.owner_url or platform.settings.database.url
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with pytest.raises(DBAPIError), engine.begin() as connection:
            _everywhere(platform, connection)
            connection.execute(text("UPDATE audit_entry SET actor = 'nobody'"))
        with engine.begin() as connection:
            _tamper(platform, connection)
    finally:
        engine.dispose()
    with platform.context(tenant="alpha"):
        assert not platform.audit.verify().ok


def _everywhere(platform, connection):
    if platform.settings.database.owner_url:
        connection.execute(text("SELECT set_config('brickwork.tenant', '*', true)"))


def _tamper(platform, connection):
    """As somebody does with the owner's rights, who takes the trigger away first."""
    _everywhere(platform, connection)
    if platform.settings.database.owner_url:
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER bw_append_only_update"))
    else:
        names = connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_entry'"))
        for name in names.all():
            connection.execute(text(f'DROP TRIGGER "{name}"'))
    connection.execute(text("UPDATE audit_entry SET actor = 'nobody' WHERE tenant_id = 'alpha'"))


def test_an_event_from_outside_is_not_believed_for_its_tenant(site):
    """A message that somebody put into the broker names a delivery; what it says otherwise is not taken over."""
    from brickwork.messaging.port import Parcel

    consumer = site.platform.messaging.consumer
    forged = '{"specversion":"1.0","id":"x","source":"y","type":"auth.user_invited","tenant":"beta","data":{}}'
    handled = consumer.handle(Parcel(999_999, "beta", "anything", "default", forged))
    assert not handled


def test_a_signed_cursor_or_token_that_was_changed_is_not_followed(site):
    headers = site.admin["alpha"]
    for n in range(3):
        site.client.post(f"{API}/entities/patient", json={"fields": {"name": str(n)}}, headers=headers)
    page = site.client.get(f"{API}/entities/patient?limit=1", headers=headers).json()["meta"]["page"]["cursor"]
    assert page
    for changed in (page[:-3] + "AAA", "A" + page[1:], page * 2):
        answer = site.client.get(f"{API}/entities/patient", params={"limit": 1, "cursor": changed}, headers=headers)
        assert answer.status_code in (200, 422)
        assert "of beta" not in answer.text
