import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Account, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";

// The official clients' own OAuth, with a person at a real browser.
let hub: TestHub;
let owner: Account;
let browser: Browser;

beforeAll(async () => {
  hub = await startHub();
  owner = await makeOwner(hub);
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  await hub?.close();
});

/** Where a program of a terminal waits for its code. */
async function listenForCode() {
  const server = createServer((_request, response) => response.end("You can close this page."));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  const code = once(server, "request").then(([request]) => {
    const { searchParams } = new URL((request as { url: string }).url, url);
    return { code: searchParams.get("code") ?? "", iss: searchParams.get("iss") };
  });
  return { url, code, close: () => server.close() };
}

/** What a client keeps of its authorization. */
function createStore(redirectUrl: string) {
  const kept = new Map<string, unknown>();
  return {
    kept,
    redirectUrl,
    clientMetadata: {
      client_name: "A terminal",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
    clientInformation: () => kept.get("client") as { client_id: string } | undefined,
    saveClientInformation: (client: unknown) => void kept.set("client", client),
    tokens: () => kept.get("tokens") as { access_token: string; token_type: string } | undefined,
    saveTokens: (tokens: unknown) => void kept.set("tokens", tokens),
    redirectToAuthorization: (url: URL) => void kept.set("url", url),
    saveCodeVerifier: (verifier: string) => void kept.set("verifier", verifier),
    codeVerifier: () => kept.get("verifier") as string,
  };
}

/** The person opens the client's address, reads the page and presses the button. */
async function letIn(url: URL): Promise<string> {
  const context = await browser.newContext();
  await context.addCookies(
    owner.cookie.split("; ").map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return { name, value: value.join("="), url: url.origin };
    }),
  );
  const page = await context.newPage();
  await page.goto(url.href);
  const text = await page.locator("main").innerText();
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("You can close this page.").waitFor();
  await context.close();
  return text;
}

const info = { name: "test", version: "1.0.0" };
const CLIENTS = {
  "1.x": (store: ReturnType<typeof createStore>) => ({
    client: new OlderClient(info),
    transport: () => new OlderTransport(new URL(mcpUrl()), { authProvider: store as never }),
  }),
  current: (store: ReturnType<typeof createStore>) => ({
    client: new Client(info),
    transport: () =>
      new StreamableHTTPClientTransport(new URL(mcpUrl()), { authProvider: store as never }),
  }),
};
/** As `npm start` prints it. */
const mcpUrl = () => `http://127.0.0.1:${hub.ready.http}/mcp`;

test.each(["1.x", "current"] as const)(
  "the %s client finds the server, registers, is let in by a person in Chromium, and lists tools",
  async (generation) => {
    const callback = await listenForCode();
    const store = createStore(callback.url);
    const { client, transport } = CLIENTS[generation](store);
    const first = transport();
    await expect(client.connect(first as never)).rejects.toThrow(/nauthorized/);
    const text = await letIn(store.kept.get("url") as URL);
    expect(text).toContain(new URL(callback.url).host);
    expect(text).toContain("A terminal");
    const { code, iss } = await callback.code;
    expect(iss).toBe(`http://localhost:${hub.ready.http}`);
    await (first as { finishAuth: (code: string, iss?: string) => Promise<void> }).finishAuth(
      code,
      iss ?? undefined,
    );
    expect(store.tokens()?.access_token).toMatch(/^sonde_at_/);
    const second = CLIENTS[generation](store);
    await second.client.connect(second.transport() as never);
    const { tools } = (await second.client.listTools()) as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toContain("list_agents");
    await second.client.close();
    callback.close();
  },
);
