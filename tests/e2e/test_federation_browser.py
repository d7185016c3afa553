"""A whole sign-in in a real browser, whose rules on cookies decide whether the way back from another site works: npm's
oidc-provider on "localhost", the server on "127.0.0.1"."""

from ..federation.conftest import App, Foreign, modules, serve

__all__ = ["App", "Foreign", "modules", "serve"]


def test_a_browser_signs_in_at_another_site_and_comes_back(serve, page):
    app, foreign = serve(
        {"kim": {"email": "kim@example.org", "email_verified": True, "name": "Kim"}},
        provider={"create": "verified-email-domain", "domains": ["example.org"], "tenants": ["alpha"]},
    )
    page.command("Page.enable")
    page.command("Page.navigate", url=f"{app.url}/federation/foreign/start?next=/docs")
    page.until(f"location.origin === {foreign.issuer!r} && !!document.querySelector('input[name=login]')")
    page.run("document.querySelector('input[name=login]').value = 'kim'")
    page.run("document.querySelector('input[name=password]').value = 'any'")
    page.run("void document.querySelector('form').submit()")
    page.until("!!document.querySelector('input[name=prompt][value=consent]')")
    page.run("void document.querySelector('form').submit()")
    page.until(f"location.href === {app.url + '/docs'!r}")
    who = page.run("fetch('/api/v1/auth/session').then((answer) => answer.json()).then((body) => body.data)")
    assert (who["user"]["email"], who["tenant"]) == ("kim@example.org", "alpha")
    assert page.run("document.cookie") == "", "scripts can't read it"
