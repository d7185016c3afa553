"""Notify over HTTP: the inbox and preferences of the caller, messages for those who may, and the links in messages."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from brickwork import Platform
from brickwork.notify import Content, Recipient
from brickwork.testing.auth import bearer
from brickwork.testing.notifications import ScriptedProviders as Product
from brickwork.web import create_app

PAGE = '<p>See <a href="https://clinic.example/visits?id=1&amp;x=2">your visit</a></p>'
HELLO = {"subject": "Hello", "text": "Your visit is tomorrow.", "html": PAGE}


@pytest.fixture
def api(clinic: Platform) -> TestClient:
    return TestClient(create_app(clinic), base_url="http://testserver", raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def nurse(clinic: Platform) -> dict[str, str]:
    return bearer(clinic, "north", "mia", roles=[])


@pytest.fixture
def admin(clinic: Platform) -> dict[str, str]:
    return bearer(clinic, "north", "ito")


def send(api: TestClient, headers: dict[str, str], **more: Any) -> Any:
    body = {"notification": "direct", "to": ["ann@example.org"], "content": HELLO, **more}
    return api.post("/api/v1/notify/messages", json=body, headers=headers)


def path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_a_message_is_sent_watched_and_cancelled(
    api: TestClient, clinic: Platform, product: Product, admin: dict[str, str]
) -> None:
    first = send(api, admin)
    assert first.status_code == 201, first.text
    id = first.json()["data"]["messages"][0]
    clinic.messaging.drain()
    told = api.get(f"/api/v1/notify/messages/{id}", headers=admin).json()["data"]
    assert (told["status"], told["deliveries"][0]["status"]) == ("active", "sent")
    assert api.post(f"/api/v1/notify/messages/{id}/cancel", headers=admin).json()["data"] == {"cancelled": False}
    listed = api.get("/api/v1/notify/messages", headers=admin).json()["data"]
    assert [message["id"] for message in listed] == [id]


def test_who_holds_no_permission_sends_nothing_and_sees_nobody_elses(api: TestClient, nurse: dict[str, str]) -> None:
    assert send(api, nurse).status_code == 403
    for method, where in [("GET", "messages"), ("GET", "suppressions"), ("POST", "suppressions")]:
        answer = api.request(
            method, f"/api/v1/notify/{where}", headers=nurse, json={"channel": "email", "address": "a@b.example"}
        )
        assert answer.status_code == 403, where
    assert api.get("/api/v1/notify/inbox").status_code == 401


def test_the_inbox_is_the_callers_own(api: TestClient, clinic: Platform, nurse: dict[str, str], admin: dict[str, str]) -> None:
    with clinic.context(tenant="north", actor="user:ito"):
        mia = Recipient(ref="service:mia", addresses={"email": "mia@example.org"})
        for n in range(3):
            clinic.notify.send("visit.moved", mia, {"n": n}, content=Content(subject=f"Visit {n}", text="moved"))
    clinic.messaging.drain()
    assert api.get("/api/v1/notify/inbox/counts", headers=nurse).json()["data"] == {"unseen": 3, "unread": 3}
    assert api.get("/api/v1/notify/inbox/counts", headers=admin).json()["data"] == {"unseen": 0, "unread": 0}
    page = api.get("/api/v1/notify/inbox?limit=2", headers=nurse).json()
    assert [message["subject"] for message in page["data"]] == ["Visit 2", "Visit 1"]
    rest = api.get(f"/api/v1/notify/inbox?limit=2&cursor={page['meta']['page']['cursor']}", headers=nurse).json()
    assert [message["data"]["n"] for message in rest["data"]] == [0]
    first = page["data"][0]["id"]
    mark = {"ids": [first], "read": True}
    assert api.post("/api/v1/notify/inbox/mark", json=mark, headers=nurse).json()["data"] == {"unseen": 2, "unread": 2}
    assert api.post("/api/v1/notify/inbox/mark", json=mark, headers=admin).status_code == 404
    assert api.post("/api/v1/notify/inbox/mark", json={"seen": True}, headers=nurse).json()["data"] == {"unseen": 0, "unread": 2}
    archived = api.post("/api/v1/notify/inbox/mark", json={"archived": True}, headers=nurse)
    assert archived.json()["data"] == {"unseen": 0, "unread": 0}
    assert len(api.get("/api/v1/notify/inbox?which=archived", headers=nurse).json()["data"]) == 3


def test_preferences_are_the_callers_own(api: TestClient, clinic: Platform, nurse: dict[str, str]) -> None:
    decided = {"category": "visits", "channel": "email", "wanted": False}
    assert api.put("/api/v1/notify/preferences", json=decided, headers=nurse).json()["data"] == [decided]
    assert api.get("/api/v1/notify/preferences", headers=nurse).json()["data"] == [decided]


def test_only_devices_are_added_without_a_check(api: TestClient, clinic: Platform, nurse: dict[str, str]) -> None:
    body = {"channel": "push", "address": "subscription-1"}
    assert api.post("/api/v1/notify/addresses", json=body, headers=nurse).status_code == 204
    refused = api.post("/api/v1/notify/addresses", json={"channel": "email", "address": "eve@example.org"}, headers=nurse)
    assert refused.status_code == 422
    with clinic.context(tenant="north", actor="user:ito"):
        assert clinic.notify.recipients.get("service:mia").addresses["push"] == ("subscription-1",)


class TestLinks:
    @pytest.fixture
    def sent(self, clinic: Platform, product: Product) -> Any:
        clinic.notify.define({"key": "news", "category": "news", "track": True})
        with clinic.context(tenant="north", actor="user:ito"):
            clinic.notify.send("news", "ann@example.org", content=Content(**HELLO))  # type: ignore[arg-type]
        clinic.messaging.drain()
        (message,) = product.script("email").sent
        return message

    def delivery(self, clinic: Platform) -> Any:
        with clinic.context(tenant="north", actor="user:ito"):
            return clinic.notify.history.list().items[0].deliveries[0]

    def test_one_click_ends_a_category(self, api: TestClient, clinic: Platform, product: Product, sent: Any) -> None:
        link = path(sent.headers["List-Unsubscribe"].strip("<>"))
        assert sent.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        page = api.get(link)
        assert (page.status_code, "<form" in page.text) == (200, True)
        with clinic.context(tenant="north", actor="user:ito"):
            assert clinic.notify.preferences.list("ann@example.org") == [], "scanners follow links; a GET changes nothing"
        done = api.post(link, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
        with clinic.context(tenant="north", actor="user:ito"):
            again = clinic.notify.send("news", "ann@example.org", content=Content(subject="x", text="y"))
            assert clinic.notify.history.get(again.id).status == "unwanted"

    def test_opening_and_clicking_are_noted(self, api: TestClient, clinic: Platform, sent: Any) -> None:
        links = re.findall(r'(?:href|src)="([^"]+)"', sent.html)
        click, pixel = (path(link.replace("&amp;", "&")) for link in links)
        assert api.get(pixel).headers["content-type"] == "image/gif"
        answer = api.get(click)
        assert (answer.status_code, answer.headers["location"]) == (302, "https://clinic.example/visits?id=1&x=2")
        assert [step.what for step in self.delivery(clinic).timeline][2:] == ["opened", "clicked", "clicked"]

    def test_a_link_that_was_changed_leads_nowhere(self, api: TestClient, clinic: Platform, sent: Any) -> None:
        click = path(re.findall(r'href="([^"]+)"', sent.html)[0].replace("&amp;", "&"))
        assert api.get(re.sub(r"to=.*", "to=https%3A%2F%2Fevil.example", click)).status_code == 404
        token = click.split("/")[3].partition("?")[0]
        tenant, delivery, digest = token.split(".")
        other = "c291dGg"  # "south"
        for wrong in (f"{other}.{delivery}.{digest}", f"{tenant}.{delivery}.{'0' * 32}", "x", "..", f"{tenant}.{delivery}.ä"):
            for verb in ("open", "click", "unsubscribe"):
                assert api.get(f"/notify/{verb}/{wrong}").status_code == 404, (verb, wrong)
        assert api.get(f"/notify/unsubscribe/{token}").status_code == 404, "a link for one deed is none for another"
        assert api.get("/notify").status_code == 404
        assert api.get("/notify/unsubscribe/a/b/c").status_code == 404

    def test_messages_that_are_required_have_no_such_link(self, clinic: Platform, product: Product) -> None:
        with clinic.context(tenant="north", actor="user:ito"):
            clinic.notify.send("security.alert", "ann@example.org", content=Content(**HELLO))  # type: ignore[arg-type]
        clinic.messaging.drain()
        assert product.script("email").sent[0].headers == {}
