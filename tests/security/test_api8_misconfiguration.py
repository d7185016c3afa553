"""API8:2023 Security misconfiguration, and A05:2021: the defaults are safe, errors tell nothing of the inside."""

import pytest
from starlette.testclient import TestClient

from brickwork import hookimpl
from brickwork.web import create_app
from brickwork.web.endpoint import PUBLIC, Endpoint

from .conftest import API


def test_an_error_nobody_foresaw_tells_nothing_but_its_number(make_platform):
    class Product:
        @hookimpl
        def brickwork_routes(self, platform):
            def crash(call):
                secret = "postgresql://boss:hunter2@db"
                raise RuntimeError(f"can't reach {secret}")

            about = {"summary": "Crash", "tag": "x", "permission": PUBLIC}
            return [Endpoint(method="GET", path="/crash", handler=crash, **about)]

    with TestClient(create_app(make_platform(plugins=[Product()])), raise_server_exceptions=False) as client:
        answer = client.get(f"{API}/crash")
    assert answer.status_code == 500
    for word in ("hunter2", "RuntimeError", "Traceback", "postgresql", ".py"):
        assert word not in answer.text
    assert answer.json()["meta"]["correlation_id"]


def test_answers_are_not_kept_by_caches_nor_guessed_at_by_browsers(site):
    for answer in (site.client.get(site.record(), headers=site.admin["alpha"]), site.client.get(site.record())):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith("application/json")
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers


def test_no_other_site_is_let_in_by_cors(site):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for answer in (site.client.options(site.record(), headers=headers), site.client.get(site.record(), headers=headers)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://evil.example/testserver", ""]
)
def test_the_cookie_is_no_use_to_a_page_of_another_site(site, origin):
    """Cross-site request forgery."""
    site.person(roles=["administrator"])
    token = site.sign_in().json()["data"]["token"]
    cookie = {"Cookie": f"__Host-brickwork_session={token}"}
    body = {"fields": {"name": "forged"}}
    forged = site.client.post(f"{API}/entities/patient", json=body, headers={**cookie, "Origin": origin})
    assert forged.status_code == 403
    silent = site.client.post(f"{API}/entities/patient", json=body, headers=cookie)
    assert silent.status_code == 403
    form = site.client.post(f"{API}/entities/patient", data={"fields": "x"}, headers={**cookie, "Origin": "http://testserver"})
    assert form.status_code == 415
    own = site.client.post(f"{API}/entities/patient", json=body, headers={**cookie, "Origin": "http://testserver"})
    assert own.status_code == 201


def test_signing_in_from_another_sites_page_sets_no_cookie(site):
    """Login CSRF."""
    site.person()
    assert site.sign_in(cookie=True).status_code == 403
