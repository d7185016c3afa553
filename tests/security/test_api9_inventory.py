"""API9:2023 Improper inventory management: every route that answers is in the document, and no other does."""

import re

from .conftest import API


def test_the_document_names_every_route_and_what_it_takes(site):
    document = site.client.get("/openapi.json").json()
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert {(endpoint.method, API + endpoint.path) for endpoint in site.client.app.endpoints} <= told
    for endpoint in site.client.app.endpoints:
        operation = document["paths"][API + endpoint.path][endpoint.method.lower()]
        assert operation["security"] == ([] if endpoint.permission == "public" else [{"bearer": []}, {"cookie": []}])


def test_old_debugging_and_guessed_paths_answer_nothing(site):
    for path in ("/api/v0/entities/patient", "/api/entities/patient", "/debug", "/.env", "/.git/config", "/admin", "/actuator",
                 "/api/v1/debug", "/server-status", "/static/../brickwork.toml"):  # fmt: skip
        answer = site.client.get(path, headers=site.admin["alpha"])
        assert answer.status_code == 404, path


def test_public_routes_are_these_and_no_more(site):
    """A route that is to be open to everybody is added here on purpose."""
    public = {f"{e.method} {e.path}" for e in site.client.app.endpoints if e.permission == "public"}
    assert {path for path in public if re.match(r"\w+ /auth/", path)} >= {"POST /auth/session", "POST /auth/password/reset"}
    assert public <= PUBLIC


PUBLIC = {
    "POST /auth/session",
    "POST /auth/password/reset-request",
    "POST /auth/password/reset",
    "POST /auth/email/verify",
    "POST /auth/invitations/accept",
    "POST /auth/passkeys/challenge",
    "POST /auth/passkeys/session",
    "GET /federation/providers",
}
