"""The JavaScript client in a real browser."""

BEGIN = """
(async () => {
  const { Live } = await import("/realtime/brickwork.js");
  window.log = []; window.clients = []; window.states = []; window.errors = [];
  const ticket = async (client) => {
    const headers = { "Authorization": "BEARER", "Content-Type": "application/json" };
    const answer = await fetch("/api/v1/realtime/tickets", { method: "POST", headers, body: JSON.stringify({ client }) });
    return (await answer.json()).data.ticket;
  };
  window.live = new Live({ client: "browser", ticket, onState: (s) => states.push(s), onError: (e) => errors.push(e) });
  live.subscribe("room:triage", (message) => log.push(message.data));
  live.join("room:people", { name: "Kim" }, (clients) => { window.clients = clients; });
  return true;
})()
"""


def test_the_client_listens_joins_and_comes_back_without_gap_or_repeat(platform, serve, page):
    server = serve()

    def say(*values):
        with platform.context(tenant="alpha", actor="user:ann"):
            for value in values:
                platform.realtime.publish("room:triage", value)

    page.command("Page.navigate", url=f"http://127.0.0.1:{server.port}/healthz")
    page.until(f"location.port == '{server.port}' && document.readyState == 'complete'")
    assert page.run(BEGIN.replace("BEARER", server.headers("alpha", "service:kim")["Authorization"]))
    page.until("states.includes('open')")
    page.until("clients.length == 1 && clients[0].client == 'browser'")
    say(1, 2)
    page.until("log.length == 2")
    page.run("live._socket.close(4000, 'cut by the test')")
    say(3, 4)
    page.until("log.length == 4 && states.filter((s) => s == 'open').length == 2")
    say(5)
    page.until("log.length == 5")
    assert page.run("log") == [1, 2, 3, 4, 5]
    assert page.run("clients.map((c) => c.meta.name)") == ["Kim"]
    page.run("live.close()")
    assert page.run("states.at(-1)") == "closed"
