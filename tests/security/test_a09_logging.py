"""A09:2021 Security logging and monitoring failures: what matters is written down, with who and what, and without secrets."""

import io
import logging

import pytest

from brickwork.kernel.logs import configure

from .conftest import API, PASSWORD


@pytest.fixture
def logged(site):
    """What the process logs."""
    stream = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    configure(site.platform, stream)
    yield stream
    logging.getLogger().handlers[:], level = before
    logging.getLogger().setLevel(level)


def test_who_changed_rights_is_in_the_trail(site):
    site.caller({"allow": ["jobs.read"]})
    with site.platform.context(tenant="alpha", actor="user:ito"):
        site.platform.auth.roles.assign("administrator", "service:kim")
        site.platform.auth.roles.withdraw("administrator", "service:kim")
        trail = site.platform.audit.entries(entity="auth_assignment", limit=10).items
    assert [(entry.actor, entry.action) for entry in trail[:2]] == [("user:ito", "delete"), ("user:ito", "insert")]


def test_signing_in_is_an_event_and_a_key_says_when_it_was_used(site, captured_events):
    from brickwork.auth.events import UserSignedIn

    user = site.person()
    site.sign_in()
    assert [event.user for event in captured_events.of(UserSignedIn)] == [str(user.id)]
    with site.platform.context(tenant="alpha", actor="setup"):
        used = {key.subject: key.used_at for key in site.platform.auth.keys.list(None)}
    assert used["service:boss"] is not None


def test_secrets_do_not_reach_the_log(site, logged):
    site.person()
    site.sign_in()
    site.client.post(f"{API}/auth/session", json={"email": "kim@example.org", "password": "hunter2-hunter2"})
    site.client.get(site.record(), headers={"Authorization": "Bearer bwk_alpha_" + "x" * 49})
    logging.getLogger("product").error("sent %s", site.admin["alpha"]["Authorization"])
    written = logged.getvalue()
    for clear in (PASSWORD, "hunter2-hunter2", site.admin["alpha"]["Authorization"].split()[1]):
        assert clear not in written
