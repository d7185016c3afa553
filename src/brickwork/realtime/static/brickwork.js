/**
 * Live messages from a brickwork server. Types are in brickwork.d.ts.
 *
 *     const live = new Live({ client: "tab-1", ticket: async (client) => …fetch a ticket… });
 *     live.subscribe("entity:patient", (message) => console.log(message.data));
 *     live.join("room:triage", { name: "Ito" }, (clients) => …);
 *
 * A lost connection is made anew, with pauses that grow, and every topic goes on after the last message seen.
 */
export class Live {
  /** @param {import("./brickwork").LiveOptions} options */
  constructor(options) {
    this.client = options.client ?? crypto.randomUUID();
    this._ticket = options.ticket;
    this._url = options.url ?? location.origin;
    this._onState = options.onState ?? (() => {});
    this._onError = options.onError ?? (() => {});
    this._topics = new Map();
    this._tries = 0;
    this._closed = false;
    this._connect();
  }

  subscribe(topic, listener) {
    let known = this._topics.get(topic);
    if (!known) {
      known = { listeners: new Set(), last: null, meta: null, present: null, clients: new Map() };
      this._topics.set(topic, known);
      this._send({ op: "subscribe", topic, since: null });
    }
    known.listeners.add(listener);
    return () => {
      known.listeners.delete(listener);
      if (known.listeners.size === 0 && this._topics.delete(topic)) this._send({ op: "unsubscribe", topic });
    };
  }

  join(topic, meta, onChange) {
    const leave = this.subscribe(topic, () => {});
    const known = this._topics.get(topic);
    known.meta = meta ?? {};
    known.present = onChange ?? (() => {});
    this._send({ op: "presence", topic, meta: known.meta });
    return leave;
  }

  close() {
    this._closed = true;
    clearInterval(this._beat);
    clearTimeout(this._timer);
    this._socket?.close(1000);
    this._onState("closed");
  }

  async _connect() {
    this._onState("connecting");
    let ticket;
    try {
      ticket = await this._ticket(this.client);
    } catch (error) {
      this._onError({ code: "ticket", message: String(error) });
      this._later();
      return;
    }
    if (this._closed) return;
    const base = this._url.replace(/^http/, "ws");
    const socket = new WebSocket(`${base}/ws/${encodeURIComponent(this.client)}?ticket=${encodeURIComponent(ticket)}`);
    this._socket = socket;
    socket.onopen = () => {
      this._tries = 0;
      this._heard = Date.now();
      for (const [topic, known] of this._topics) {
        this._send({ op: "subscribe", topic, since: known.last });
        if (known.meta) this._send({ op: "presence", topic, meta: known.meta });
      }
      clearInterval(this._beat);
      this._beat = setInterval(() => this._heartbeat(), 10000);
      this._onState("open");
    };
    socket.onmessage = (event) => {
      this._heard = Date.now();
      this._take(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (this._socket !== socket || this._closed) return;
      if (event.code >= 4000) this._onError({ code: String(event.code), message: event.reason });
      this._later();
    };
  }

  _later() {
    clearInterval(this._beat);
    if (this._closed) return;
    this._onState("waiting");
    const most = Math.min(500 * 2 ** this._tries++, 30000);
    this._timer = setTimeout(() => this._connect(), most / 2 + (Math.random() * most) / 2);
  }

  _heartbeat() {
    if (Date.now() - this._heard > 25000) this._socket.close(4000, "silent");
    else this._send({ op: "ping" });
  }

  _take(message) {
    const known = this._topics.get(message.topic);
    if (message.op === "error") this._onError(message);
    if (!known) return;
    if (message.op === "subscribed") {
      if (known.last === null) known.last = message.id;
      if (message.gap) this._onError({ code: "gap", message: "messages were missed for too long; load anew", topic: message.topic });
    } else if (message.op === "message") {
      known.last = message.id;
      for (const listener of known.listeners) listener(message);
    } else if (message.op === "present") {
      known.clients = new Map(message.clients.map((one) => [one.client, one]));
      known.present?.([...known.clients.values()]);
    } else if (message.op === "presence") {
      known.last = message.id;
      const { event, client, actor, meta } = message.data;
      if (event === "left") known.clients.delete(client);
      else known.clients.set(client, { client, actor, meta });
      known.present?.([...known.clients.values()]);
    }
  }

  _send(request) {
    if (this._socket?.readyState === WebSocket.OPEN) this._socket.send(JSON.stringify(request));
  }
}
