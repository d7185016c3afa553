"""A04:2021 Insecure design: rules that hold whatever the caller does in between. (Brakes: test_api4 and test_api6.)"""

import threading

from .conftest import API


def test_of_many_who_use_one_invitation_at_once_one_gets_in(site, captured_events):
    from brickwork.auth.events import UserInvited

    with site.platform.context(tenant="alpha", actor="setup"):
        site.platform.auth.members.invite("lea@example.org", roles=["administrator"])
    token = site.platform.auth.unseal(captured_events.of(UserInvited)[0].sealed)
    body = {"token": token, "name": "Lea", "password": "quiet rivers carry 9 boats"}
    statuses = []

    def accept():
        statuses.append(site.client.post(f"{API}/auth/invitations/accept", json=body).status_code)

    threads = [threading.Thread(target=accept) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(201) == 1, statuses
    with site.platform.context(tenant="alpha", actor="setup"):
        assert [member.user.email for member in site.platform.auth.members.list().items] == ["lea@example.org"]


def test_a_change_that_is_refused_leaves_nothing_behind(site):
    """An escalation that fails at its last step must not have done its first."""
    kim = site.caller({"allow": ["auth.services.write", "auth.services.read"]})
    body = {"name": "puppet", "roles": ["administrator"]}
    assert site.client.post(f"{API}/auth/services", json=body, headers=kim).status_code == 403
    assert "service:puppet" not in site.client.get(f"{API}/auth/services", headers=kim).text


def test_the_last_word_of_two_who_edit_is_not_taken_silently(site):
    headers = {**site.admin["alpha"], "If-Match": '"1"'}
    assert site.client.patch(site.record(), json={"fields": {"ward": "er"}}, headers=headers).status_code == 200
    assert site.client.patch(site.record(), json={"fields": {"ward": "or"}}, headers=headers).status_code == 412


def test_a_repeated_request_of_another_caller_gets_no_stored_answer(site):
    """Idempotency keys are the caller's own: guessing another's shows nothing of what was answered."""
    key = {"Idempotency-Key": "order-1"}
    body = {"fields": {"name": "secret", "diagnosis": "flu"}}
    first = site.client.post(f"{API}/entities/patient", json=body, headers={**site.admin["alpha"], **key})
    kim = site.caller({"allow": ["entities.patient.create"]})
    second = site.client.post(f"{API}/entities/patient", json=body, headers={**kim, **key})
    assert first.status_code == 201
    assert second.status_code == 422
    assert "flu" not in second.text
