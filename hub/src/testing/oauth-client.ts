import { createHash, randomBytes } from "node:crypto";

/** Where a test client waits for its code. Nothing listens there: the test reads the redirect. */
export const CALLBACK = "http://127.0.0.1:4999/callback";

type Answer = { status: number; body: Record<string, unknown>; headers: Headers };

/** A browser without scripts: it keeps cookies and follows no redirect by itself. */
export class Browser {
  readonly #cookies = new Map<string, { value: string; path: string }>();

  /** @param cookie of somebody who is signed in, as in a Cookie header */
  constructor(cookie?: string) {
    for (const pair of cookie?.split(/; */) ?? []) {
      const [name = "", ...value] = pair.split("=");
      this.#cookies.set(name, { value: value.join("="), path: "/" });
    }
  }

  setCookie(name: string, value: string): void {
    this.#cookies.set(name, { value, path: "/" });
  }

  async get(url: string | URL, headers: Record<string, string> = {}): Promise<Response> {
    return await this.#send(url, { headers });
  }

  /** Sends a form as a page of that host does. */
  async post(
    url: string | URL,
    form: Record<string, string>,
    headers: Record<string, string> = {
      origin: new URL(url).origin,
      "sec-fetch-site": "same-origin",
    },
  ): Promise<Response> {
    return await this.#send(url, { method: "POST", body: new URLSearchParams(form), headers });
  }

  /** Follows redirects as long as they stay on the host. @returns the last answer, and where it came from */
  async follow(url: string | URL): Promise<{ url: URL; response: Response }> {
    let at = new URL(url);
    for (;;) {
      const response = await this.get(at);
      const location = response.headers.get("location");
      if (location === null) return { url: at, response };
      const next = new URL(location, at);
      if (next.host !== at.host) return { url: next, response };
      at = next;
    }
  }

  async #send(
    url: string | URL,
    init: Omit<RequestInit, "headers"> & { headers: Record<string, string> },
  ) {
    const { pathname } = new URL(url);
    const cookie = [...this.#cookies]
      .filter(
        ([, { path }]) => pathname === path || pathname.startsWith(path === "/" ? "/" : `${path}/`),
      )
      .map(([name, { value }]) => `${name}=${value}`)
      .join("; ");
    const headers = { ...init.headers, ...(cookie !== "" && { cookie }) };
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const set of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = set.split("; ");
      const [name = "", ...value] = pair.split("=");
      const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? "/";
      this.#cookies.set(name, { value: value.join("="), path });
    }
    return response;
  }
}

/** Verifier and challenge of PKCE. */
export function createPkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

/** An OAuth client without a browser of its own, at one hub. */
export function createOAuthClient(origin: string) {
  const send = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${origin}${path}`, init);
    const text = await response.text();
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    return { status: response.status, body, headers: response.headers };
  };
  const postForm = (path: string, form: Record<string, string>) =>
    send(path, {
      method: "POST",
      body: new URLSearchParams(form),
      headers: { accept: "application/json" },
    });

  let registered: Promise<string> | null = null;
  const client = {
    register: (metadata: object) =>
      send("/oauth/register", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(metadata),
      }),
    /** The id of a client of a terminal, always the same one: an address may register a few only. */
    async terminal(): Promise<string> {
      registered ??= client.registerTerminal();
      return await registered;
    },
    /** The id of a new client of a terminal. */
    async registerTerminal(): Promise<string> {
      const { body } = await client.register({
        client_name: "Terminal",
        redirect_uris: [CALLBACK],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "none",
      });
      return String(body["client_id"]);
    },
    authorizeUrl(
      clientId: string,
      challenge: string,
      more: Record<string, string | null> = {},
    ): URL {
      const url = new URL("/oauth/authorize", origin);
      const params = {
        response_type: "code",
        client_id: clientId,
        redirect_uri: CALLBACK,
        code_challenge: challenge,
        code_challenge_method: "S256",
        state: "the-state",
        resource: `${origin}/mcp`,
        ...more,
      };
      for (const [name, value] of Object.entries(params)) {
        if (value !== null) url.searchParams.set(name, value);
      }
      return url;
    },
    /** Opens the page of a request in a browser that is signed in. */
    async openConsent(browser: Browser, url: URL) {
      const { url: at, response } = await browser.follow(url);
      const html = await response.text();
      const ticket = /name="ticket" value="([^"]+)"/.exec(html)?.[1] ?? "";
      return { at, html, ticket, response };
    },
    /** Sends the decision of a person, and follows to the client. @returns the redirect to it */
    async decide(
      browser: Browser,
      { at, ticket }: { at: URL; ticket: string },
      form: Record<string, string> = { decision: "allow", level: "observe", agents: "all" },
    ): Promise<URL> {
      const answer = await browser.post(at, { ticket, ...form });
      const location = answer.headers.get("location");
      if (location === null) throw new Error(`expected a redirect, got ${await answer.text()}`);
      return (await browser.follow(new URL(location, at))).url;
    },
    exchange: (form: Record<string, string>) =>
      postForm("/oauth/token", {
        grant_type: "authorization_code",
        redirect_uri: CALLBACK,
        resource: `${origin}/mcp`,
        ...form,
      }),
    refresh: (clientId: string, refreshToken: string) =>
      postForm("/oauth/token", {
        grant_type: "refresh_token",
        client_id: clientId,
        refresh_token: refreshToken,
      }),
    revoke: (clientId: string, token: string) =>
      postForm("/oauth/revoke", { client_id: clientId, token }),
    postForm,
    /** The whole way of a person who allows everything that is asked for. */
    async connect(cookie: string, more: Record<string, string | null> = {}, id?: string) {
      const clientId = id ?? (await client.terminal());
      const browser = new Browser(cookie);
      const { verifier, challenge } = createPkce();
      const page = await client.openConsent(
        browser,
        client.authorizeUrl(clientId, challenge, more),
      );
      const levels = [...page.html.matchAll(/name="level" value="([^"]+)"/g)];
      const level = levels.at(-1)?.[1] ?? "";
      const back = await client.decide(browser, page, { decision: "allow", level, agents: "all" });
      const code = back.searchParams.get("code") ?? "";
      const resource = more["resource"];
      const { body } = await client.exchange({
        ...{ client_id: clientId, code, code_verifier: verifier },
        ...(typeof resource === "string" && { resource }),
      });
      const read = (name: string) => String(body[name]);
      return {
        ...{ clientId, code, verifier, body },
        accessToken: read("access_token"),
        refreshToken: read("refresh_token"),
      };
    },
  };
  return client;
}
