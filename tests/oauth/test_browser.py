"""The pages in a real browser, without JavaScript of theirs: they look right, and their policy lets them do what they must."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2 as httpx
import pytest

from brickwork.testing.browser import Page

from .conftest import PASSWORD, query_of


class Application:
    """A client's own server on a loopback port, which notes where browsers come back."""

    def __init__(self):
        came = self.came = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                came.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>back</title>")

            def log_message(self, *args):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def application():
    made = Application()
    yield made
    made.close()


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "profile"
    folder.mkdir()
    made = Page(folder)
    made.command("Emulation.setScriptExecutionDisabled", value=False)
    made.command("Emulation.setDeviceMetricsOverride", width=900, height=760, deviceScaleFactor=1, mobile=False)
    yield made
    made.close()


def fill(page, button=None, **values):
    """Type into the page's form and press a button, as a person does."""
    for name, value in values.items():
        page.run(f"document.querySelector('[name={name}]').focus()")
        page.run(f"document.querySelector('[name={name}]').select()")
        page.command("Input.insertText", text=value)
    wanted = f"button[value={button}]" if button else "button"
    page.run(f"document.querySelector('{wanted}').click()")


#: Contrast of text and ground as WCAG 2.2, 1.4.3, computes it, for all that is to be read.
CONTRAST = """
(() => {
  const number = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = (rgb) => { const [r, g, b] = rgb.map(number); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = 21;
  while (walker.nextNode()) {
    if (!walker.currentNode.textContent.trim()) continue;
    const node = walker.currentNode.parentElement;
    const [a, b] = [light(parse(getComputedStyle(node).color).slice(0, 3)), light(ground(node))];
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
})()
"""


def look(page, name, tmp_path):
    """The page is legible in light and dark, fits a phone, and everything that is typed into has a label."""
    page.picture(tmp_path / f"{name}.png")
    for scheme in ("light", "dark"):
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        assert page.run(CONTRAST) >= 4.5, (name, scheme)
        if scheme == "dark":
            page.picture(tmp_path / f"{name}-dark.png")
    page.command("Emulation.setEmulatedMedia", features=[])
    page.command("Emulation.setDeviceMetricsOverride", width=320, height=700, deviceScaleFactor=1, mobile=True)
    assert page.run("document.documentElement.scrollWidth <= 320"), name  # WCAG 2.2, 1.4.10
    page.picture(tmp_path / f"{name}-phone.png")
    page.command("Emulation.setDeviceMetricsOverride", width=900, height=760, deviceScaleFactor=1, mobile=False)
    labelled = "[...document.querySelectorAll('input:not([type=hidden])')].every((field) => field.labels.length === 1)"
    assert page.run(labelled), name
    assert page.run("document.querySelectorAll('h1').length === 1 && document.documentElement.lang === 'en'"), name
    assert page.run("document.styleSheets.length === 1 && document.scripts.length === 0"), name


def test_a_person_signs_in_and_allows_an_application_which_gets_them_back(live, page, application, tmp_path):
    uri = f"http://127.0.0.1:{application.port}/callback"
    made = live.register(redirect_uris=["http://127.0.0.1/callback"], token_endpoint_auth_method="none")
    address, verifier = live.authorize(made, redirect_uri=uri, scope="openid profile email offline_access entities.patient.*")
    page.command("Page.navigate", url=address)
    page.until("!!document.querySelector('#password')")
    look(page, "sign-in", tmp_path)
    fill(page, email="kim@example.org", password="wrong")
    page.until("!!document.querySelector('[role=alert]')")
    look(page, "sign-in-wrong", tmp_path)
    fill(page, password=PASSWORD)
    page.until("!!document.querySelector('button[value=allow]')")
    look(page, "consent", tmp_path)
    fill(page, "allow")
    page.until("document.title === 'back'")  # so the policy lets the form end there
    [came] = [path for path in application.came if path.startswith("/callback")]
    form = {"grant_type": "authorization_code", "code": query_of(came)["code"], "redirect_uri": uri, "code_verifier": verifier,
            "client_id": made.client.client_id}  # fmt: skip
    assert httpx.post(f"{live.issuer}/token", data=form).status_code == 200


def test_a_device_is_connected_and_a_person_signs_out(live, page, tmp_path):
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    made = live.register("Ward display", grant_types=[grant], redirect_uris=[], token_endpoint_auth_method="none",
                         post_logout_redirect_uris=["https://app.example.org/bye"])  # fmt: skip
    id = made.client.client_id
    begun = httpx.post(
        f"{live.issuer}/device_authorization", data={"client_id": id, "scope": "openid entities.patient.read"}
    ).json()
    page.command("Page.navigate", url=begun["verification_uri_complete"])
    page.until("!!document.querySelector('#password')")
    fill(page, email="kim@example.org", password=PASSWORD)
    page.until("document.querySelector('#user_code')?.value === '" + begun["user_code"] + "'")
    look(page, "device", tmp_path)
    fill(page)
    page.until("!!document.querySelector('button[value=allow]')")
    look(page, "device-consent", tmp_path)
    fill(page, "allow")
    page.until("document.querySelector('h1')?.textContent.includes('go back')")
    look(page, "device-done", tmp_path)
    form = {"grant_type": grant, "device_code": begun["device_code"], "client_id": id}
    answer = httpx.post(f"{live.issuer}/token", data=form)
    assert answer.json()["scope"] == "openid entities.patient.read"
    page.command("Page.navigate", url=f"{live.issuer}/logout")
    page.until("!!document.querySelector('button[value=out]')")
    look(page, "sign-out", tmp_path)
    fill(page, "out")
    page.until("document.querySelector('h1')?.textContent.includes('signed out')")
    page.command("Page.navigate", url=begun["verification_uri"])
    page.until("!!document.querySelector('#password')")
    page.command("Page.navigate", url=live.authorize(made, redirect_uri="https://evil.example/")[0])
    page.until("!!document.querySelector('[role=alert]')")
    look(page, "problem", tmp_path)
