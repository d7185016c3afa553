"""The application around the endpoints: health, metrics, OpenAPI, a product's own routes, failures."""

import pytest
from starlette.testclient import TestClient

from brickwork import hookimpl
from brickwork.errors import NotFoundError, PluginError
from brickwork.testing.auth import bearer
from brickwork.web import Endpoint, create_app
from brickwork.web.endpoint import PUBLIC, SIGNED_IN

from .conftest import ACTOR, TENANT, data_of, errors_of


def test_health_and_readiness(api, platform, monkeypatch):
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json()["checks"]["database"]["ok"] is True

    def broken():
        raise ConnectionError("no route to host db.internal password=x")

    monkeypatch.setattr(platform.database, "health", broken)
    response = api.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False, "detail": "ConnectionError"}


def test_metrics_count_requests_by_route_and_not_by_path(api, okafor):
    api.get(f"/api/v1/entities/patient/{okafor['id']}")
    text = api.get("/metrics").text
    assert 'brickwork_http_requests_total{method="GET",route="/api/v1/entities/{type}/{id}",status="200"} 1.0' in text
    assert okafor["id"] not in text


def test_the_openapi_document_describes_every_endpoint(api):
    document = api.get("/openapi.json").json()
    paths = document["paths"]
    assert {"get", "post"} <= paths["/api/v1/entities/{type}"].keys()
    create = paths["/api/v1/entities/{type}"]["post"]
    assert {"201", "400", "401", "403", "404", "409", "413", "415", "422", "503"} <= create["responses"].keys()
    assert any(p["name"] == "Idempotency-Key" for p in create["parameters"])
    names = {p["name"] for p in paths["/api/v1/entities/{type}/{id}"]["patch"]["parameters"]}
    assert {"type", "id", "If-Match"} <= names
    assert paths["/api/v1/entities/{type}/{id}"]["patch"]["security"] == [{"bearer": []}, {"cookie": []}]
    assert paths["/api/v1/auth/session"]["post"]["security"] == []
    assert api.get("/docs").status_code == 200


def test_a_products_own_routes_run_in_the_tenants_context_and_get_the_envelope(platform):
    app = create_app(platform)

    @app.get("/whoami")
    def whoami() -> dict[str, str | None]:
        return {"tenant": platform.current.tenant, "actor": platform.current.actor}

    @app.get("/missing")
    def missing() -> None:
        raise NotFoundError("there is no such thing")

    @app.get("/crash")
    def crash() -> None:
        raise RuntimeError("password=hunter2")

    with TestClient(app, headers=bearer(platform, TENANT, "ito"), raise_server_exceptions=False) as client:
        assert client.get("/whoami").json() == {"tenant": TENANT, "actor": ACTOR}
        assert client.get("/whoami", headers={"Authorization": ""}).status_code == 401
        del client.headers["Authorization"]
        assert client.get("/whoami").json() == {"tenant": None, "actor": "anonymous"}
        response = client.get("/missing")
        assert response.status_code == 404
        assert errors_of(response)[0]["message"] == "there is no such thing"
        response = client.get("/crash")
        assert response.status_code == 500
        assert errors_of(response)[0]["code"] == "internal"
        assert "hunter2" not in response.text


def test_a_plugin_adds_endpoints(make_platform):
    class Hello:
        @hookimpl
        def brickwork_routes(self, platform):
            def hello(call):
                return {"hello": call.path["name"]}

            def crash(call):
                raise RuntimeError("password=hunter2")

            return [
                Endpoint(
                    method="GET",
                    path="/hello/{name}",
                    handler=hello,
                    summary="Greet",
                    tag="x",
                    permission=SIGNED_IN,
                    returns=dict,
                ),
                Endpoint(method="GET", path="/crash", handler=crash, summary="Fail", tag="x", permission=PUBLIC),
            ]

    platform = make_platform(plugins=[Hello()])
    headers = bearer(platform, TENANT, "ito")
    with TestClient(create_app(platform), headers=headers, raise_server_exceptions=False) as client:
        assert data_of(client.get("/api/v1/hello/Ann%20B")) == {"hello": "Ann B"}
        response = client.get("/api/v1/crash")
        assert response.status_code == 500
        assert "hunter2" not in response.text


def test_a_refusal_by_rate_says_when_to_come_again(make_platform):
    class Limited:
        @hookimpl
        def brickwork_routes(self, platform):
            def hello(call):
                platform.limits.require("hello", "1/minute")

            return [Endpoint(method="GET", path="/hello", handler=hello, summary="Greet", tag="x", permission=SIGNED_IN)]

    platform = make_platform(plugins=[Limited()])
    with TestClient(create_app(platform), headers=bearer(platform, TENANT)) as client:
        assert client.get("/api/v1/hello").status_code == 200
        response = client.get("/api/v1/hello")
        assert (response.status_code, errors_of(response)[0]["code"]) == (429, "rate_limited")
        assert 50 < int(response.headers["retry-after"]) <= 60


def test_two_routes_for_one_path_are_refused_at_start(make_platform):
    class Twice:
        @hookimpl
        def brickwork_routes(self, platform):
            one = Endpoint(method="GET", path="/entity-types", handler=lambda call: None, summary="x", tag="x", permission=PUBLIC)
            return [one]

    with pytest.raises(PluginError, match="declared twice"):
        create_app(make_platform(plugins=[Twice()]))


def test_more_waiting_requests_than_the_backlog_are_turned_away(api):
    api.app._dispatcher._waiting = 10_000
    response = api.get("/api/v1/entities/patient")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert errors_of(response)[0]["code"] == "overloaded"
    api.app._dispatcher._waiting = 0


def test_serving_builds_no_component_that_was_not_asked_for(make_platform):
    platform = make_platform(components=["web"])
    app = create_app(platform)
    assert {endpoint.tag for endpoint in app.endpoints} == {"auth", "limits", "messaging"}  # what web requires
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
    assert "entities" not in platform.components
