"""The authorization code grant, from the sign-in page to the API."""

from joserfc import jwk, jwt

from .conftest import BASE, CALLBACK, query_of


def test_a_person_allows_an_application_which_then_reads_for_them(world):
    made = world.register()
    address, verifier = world.authorize(made, nonce="n-1")
    browser = world.browser()
    page = browser.go(address)
    assert page.status_code == 200
    assert "Ward app" in page.text
    consent = browser.sign_in()
    assert "Ward app" in consent.text
    came = browser.fill("allow")
    assert came.startswith(f"{CALLBACK}?")
    given = query_of(came)
    assert given["state"] == "s t/ä"
    assert given["iss"] == world.issuer
    answer = world.redeem(made, given["code"], verifier)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "openid offline_access entities.patient.read"
    listed = world.call(body["access_token"])
    assert listed.status_code == 200
    assert [one["fields"]["name"] for one in listed.json()["data"]] == ["Ada"]
    keys = jwk.KeySet.import_key_set(world.http.get(f"{world.issuer}/jwks").json())
    token = jwt.decode(body["id_token"], keys, ["ES256"])
    assert (token.claims["iss"], token.claims["aud"], token.claims["nonce"]) == (world.issuer, made.client.client_id, "n-1")
    assert token.claims["amr"] == ["pwd"]
    assert "email" not in token.claims
    access = jwt.decode(body["access_token"], keys, ["ES256"])
    assert access.header["typ"] == "at+jwt"
    assert access.claims["aud"] == f"{BASE}/api"
