// A browser without JavaScript: keeps cookies, follows redirects within the server, fills in the pages' forms.

const unescape = (text) => text.replaceAll("&#34;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export class Browser {
  constructor(issuer, person) {
    this.origin = new URL(issuer).origin;
    this.person = person;
    this.cookies = new Map();
  }

  // The page at an address ({ text }), or the address outside to which it leads ({ left }).
  async go(address, form) {
    let method = form ? "POST" : "GET";
    for (let hops = 0; hops < 10; hops += 1) {
      const headers = { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
      if (method === "POST") headers.origin = this.origin;
      const body = method === "POST" ? new URLSearchParams(form) : undefined;
      const answer = await fetch(address, { method, headers, body, redirect: "manual" });
      for (const cookie of answer.headers.getSetCookie()) {
        const [name, value] = cookie.split(";")[0].split("=");
        this.cookies.set(name, value);
      }
      if (answer.status !== 303) return { status: answer.status, text: await answer.text() };
      address = new URL(answer.headers.get("location"), address).href;
      if (!address.startsWith(this.origin)) return { left: new URL(address) };
      method = "GET";
    }
    throw new Error("too many redirects");
  }

  fill(page, values) {
    const fields = {};
    for (const [tag] of page.text.matchAll(/<input[^>]*>/g)) {
      fields[/name="([^"]*)"/.exec(tag)[1]] = unescape(/value="([^"]*)"/.exec(tag)?.[1] ?? "");
    }
    return this.go(unescape(/<form[^>]*action="([^"]*)"/.exec(page.text)[1]), { ...fields, ...values });
  }

  // Open an address, sign in and allow where asked; the last page, or where it left to.
  async allow(address) {
    let page = await this.go(address);
    if (page.text?.includes('name="password"')) page = await this.fill(page, this.person);
    if (page.text?.includes('value="allow"')) page = await this.fill(page, { decision: "allow" });
    return page;
  }
}
