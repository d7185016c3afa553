"""What auth does to the system's rows within a tenant's transaction: kept or undone with it, heard of as the system's."""

import pytest

from brickwork import hookimpl
from brickwork.auth.events import UserSignedIn
from brickwork.errors import UnauthenticatedError
from brickwork.messaging import handles

from .conftest import PASSWORD


def test_a_person_who_is_created_in_a_transaction_that_fails_is_not_there(tenant):
    def fail():
        with tenant.transaction():
            tenant.auth.members.add(tenant.auth.users.create("kim@example.org", "Kim"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert tenant.auth.users.find("kim@example.org") is None
    assert tenant.auth.members.list().items == []


def test_a_session_that_ends_in_a_tenants_transaction_is_over_for_the_cache_too(tenant, member):
    member({"allow": ["jobs.read"]}, password=PASSWORD)
    signed = tenant.auth.sessions.sign_in("kim@example.org", PASSWORD)
    assert tenant.auth.sessions.find(signed.token).user_id == signed.user.id
    with tenant.transaction():
        tenant.auth.sessions.end(signed.token)
    with pytest.raises(UnauthenticatedError):
        tenant.auth.sessions.find(signed.token)


def test_what_the_system_publishes_in_a_tenants_transaction_is_the_systems(make_platform):
    heard = []

    class Product:
        @hookimpl
        def brickwork_handlers(self):
            @handles(UserSignedIn, name="greet")
            def greet(platform, event):
                heard.append((platform.contexts.current.system, platform.contexts.current.tenant, event.user))

            return [greet]

    platform = make_platform(plugins=[Product()])
    with platform.context(tenant="alpha", actor="setup"):
        user = platform.auth.users.create("kim@example.org", "Kim")
        platform.auth.members.add(user)
        with platform.transaction():
            platform.auth.sessions.begin(user)
        platform.auth.sessions.begin(user)
    platform.messaging.drain()
    assert heard == [(True, None, str(user.id))] * 2
