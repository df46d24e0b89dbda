import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Database } from "@sonde/database";
import { digestOf } from "@sonde/trust/archive";
import { buildSampleManifest } from "@sonde/trust/testing";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createPackStore } from "../../hub/src/catalog/edge/pack-store.ts";
import { openDirectory } from "../../hub/src/directory/index.ts";
import { type Account, invite, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { startBrowser } from "../../registry/src/testing/browser.ts";
import {
  createOAuthClient,
  createOAuthStore,
  GENERATIONS,
  listenForCode,
  type OAuthStore,
} from "../product/oauth-login.ts";
import { type PlayedAgent, playAgent } from "../product/played-agent.ts";

// The official clients' own OAuth, with a person at a real browser.
let hub: TestHub;
let owner: Account;
let browser: Browser;
let agent: PlayedAgent;
let documents: DocumentServer;

beforeAll(async () => {
  documents = await serveDocuments();
  // As an administrator does it whose clients have certificates of the company's own authority.
  vi.stubEnv("NODE_EXTRA_CA_CERTS", documents.certificate);
  const clients = { documentHosts: [documents.host], documentNetworks: ["127.0.0.0/8", "::1/128"] };
  hub = await startHub(savePack, {}, { config: { oauth: { clients } } });
  owner = await makeOwner(hub);
  browser = await startBrowser();
  agent = await playAgent(
    hub,
    {
      name: hub.agent.name,
      packs: [
        {
          ...{ name: PACK.name, version: PACK.version, digest: PACK_DIGEST, state: "active" },
          ...{ signer: null, probes: ["greet", "restart"], approved: null, reason: null },
        },
      ],
    },
    {},
    hub.agent,
    { answer: () => ({ data: {} }) },
  );
  expect((await hub.ask("POST", "/tool-pins", { packDigest: PACK_DIGEST })).code).toBe(200);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  agent?.close();
  await browser?.close();
  await hub?.close();
  documents?.close();
});

/** A pack of which one probe changes something. */
const SAMPLE = buildSampleManifest();
const PACK = buildSampleManifest({
  probes: {
    ...SAMPLE.probes,
    restart: { ...SAMPLE.probes["greet"], capability: "interact" } as never,
  },
});
const PACK_DIGEST = digestOf(Buffer.from("acme/hello"));
const [GREET, RESTART] = ["acme__hello_greet", "acme__hello_restart"];

async function savePack({ sql }: Database): Promise<void> {
  const directory = await openDirectory(sql, (error) => {
    throw error;
  });
  const { name, version } = PACK;
  const keyId = digestOf(Buffer.from("the key of acme"));
  const signer = { kind: "rsa-sha256", publisher: "acme", keyId } as const;
  await createPackStore(sql, directory).savePack(
    { name, version, digest: PACK_DIGEST, manifest: PACK, signer },
    "",
    new Date(),
  );
  await directory.close();
}

type DocumentServer = {
  host: string;
  /** A file with its certificate, in PEM. */
  certificate: string;
  /** Its documents, by path. */
  documents: Map<string, object>;
  asked: string[];
  close(): void;
};

/** Serves metadata documents of clients over TLS on loopback. */
async function serveDocuments(): Promise<DocumentServer> {
  const folder = mkdtempSync(join(tmpdir(), "sonde-documents-"));
  // The hub's user reads the certificate.
  chmodSync(folder, 0o755);
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
    ...["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost"],
  ]);
  chmodSync(certificate, 0o644);
  const found = new Map<string, object>();
  const asked: string[] = [];
  const pem = { key: readFileSync(key), cert: readFileSync(certificate) };
  const server: Server = createSecureServer(pem, ({ url = "" }, response) => {
    asked.push(url);
    const document = found.get(url);
    response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(document ?? {}));
  });
  server.listen(0);
  await once(server, "listening");
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    ...{ certificate, documents: found, asked },
    close() {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** The person opens the client's address, reads the page and presses the button. */
async function letIn(url: URL, level?: string, person: Account = owner): Promise<string> {
  const context = await browser.newContext();
  await context.addCookies(
    person.cookie.split("; ").map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return { name, value: value.join("="), url: url.origin };
    }),
  );
  const page = await context.newPage();
  await page.goto(url.href);
  const text = await page.locator("main").innerText();
  if (level !== undefined) await page.locator(`input[name=level][value=${level}]`).check();
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("You can close this page.").waitFor();
  await context.close();
  return text;
}

/** As `npm start` prints it. */
const mcpUrl = () => `http://127.0.0.1:${hub.ready.http}/mcp`;

/** Connects a client for the first time. @returns it, and what the person read */
async function connectFirst(
  generation: (typeof GENERATIONS)[number],
  store: OAuthStore,
  listener: Awaited<ReturnType<typeof listenForCode>>,
) {
  const first = createOAuthClient(generation, mcpUrl(), store);
  await expect(first.connect()).rejects.toThrow(/nauthorized/);
  const brought = listener.next();
  const text = await letIn(store.address());
  const { code, iss } = await brought;
  expect(iss).toBe(`http://localhost:${hub.ready.http}`);
  await first.finish(code, iss);
  const client = createOAuthClient(generation, mcpUrl(), store);
  await client.connect();
  return { client, text };
}

test.each(GENERATIONS)(
  "the %s client finds the server, registers, is let in by a person in Chromium, and lists tools",
  async (generation) => {
    const listener = await listenForCode();
    const store = createOAuthStore(listener.url);
    const { client, text } = await connectFirst(generation, store, listener);
    expect(text).toContain(new URL(listener.url).host);
    expect(text).toContain("A terminal");
    expect(store.tokens()?.access_token).toMatch(/^sonde_at_/);
    expect(await client.listTools()).toContain("list_agents");
    await client.close();
    listener.close();
  },
);

describe("a client with a metadata document", () => {
  const publish = (path: string, redirectUrl: string, changes: object = {}): string => {
    const url = `https://${documents.host}${path}`;
    documents.documents.set(path, {
      ...{ client_id: url, client_name: "A documented client", redirect_uris: [redirectUrl] },
      ...{ grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] },
      ...{ token_endpoint_auth_method: "none", ...changes },
    });
    return url;
  };
  const authorizeUrl = (clientId: string, redirectUrl: string): URL => {
    const url = new URL(`http://localhost:${hub.ready.http}/oauth/authorize`);
    const params = {
      ...{ response_type: "code", client_id: clientId, redirect_uri: redirectUrl, state: "s" },
      ...{ code_challenge: "a".repeat(43), code_challenge_method: "S256" },
      resource: `http://localhost:${hub.ready.http}/mcp`,
    };
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
    return url;
  };

  const listClients = async (): Promise<string[]> => {
    const { answer } = await hub.ask("GET", "/oauth/clients");
    return (answer["clients"] as { id: string }[]).map(({ id }) => id);
  };

  test.each(GENERATIONS)(
    "of the %s SDK is let in without a registration, and goes on by its refresh token",
    async (generation) => {
      const listener = await listenForCode();
      const path = `/${generation}.json`;
      const documentUrl = publish(path, listener.url);
      const store = createOAuthStore(listener.url, { documentUrl });
      const before = await listClients();
      const { client, text } = await connectFirst(generation, store, listener);
      expect(text).toContain("A documented client");
      expect(await client.listTools()).toContain(GREET);
      await client.close();
      expect(documents.asked).toContain(path);
      expect(store.clientInformation()?.client_id).toBe(documentUrl);
      // Nothing was registered: the id is the document's address.
      expect((await listClients()).filter((id) => !before.includes(id))).toEqual([documentUrl]);
      const { access_token: old = "", ...rest } = store.tokens() ?? {};
      store.saveTokens({ ...rest, access_token: `${old.slice(0, -1)}x`, token_type: "Bearer" });
      const again = createOAuthClient(generation, mcpUrl(), store);
      await again.connect();
      expect(store.tokens()?.access_token).not.toBe(old);
      await again.close();
      listener.close();
    },
  );

  test.each<[string, object]>([
    ["names another client", { client_id: "https://claude.ai/oauth/client.json" }],
    ["names no address that is allowed", { redirect_uris: ["https://evil.example/callback"] }],
    ["wants a secret", { token_endpoint_auth_method: "client_secret_post" }],
  ])("attack 28: that %s is refused, and no code goes anywhere", async (what, changes) => {
    const redirect = "http://127.0.0.1:4999/callback";
    const clientId = publish(`/${what.replaceAll(" ", "-")}.json`, redirect, changes);
    const answer = await fetch(authorizeUrl(clientId, redirect), { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([400, null]);
    expect(documents.asked).toContain(new URL(clientId).pathname);
  });

  test("attack 31: on a network that the configuration does not name is not asked", async () => {
    const redirect = "http://127.0.0.1:4999/callback";
    const clientId = publish("/not-named.json", redirect);
    const clients = { documentHosts: [documents.host], documentNetworks: [] };
    await hub.reload({ oauth: { clients } });
    const answer = await fetch(authorizeUrl(clientId, redirect), { redirect: "manual" });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.headers.get("location")).toBe(null);
    expect(documents.asked).not.toContain("/not-named.json");
    await hub.reload({});
  });
});

describe("a call that needs more than the token may", () => {
  /** Asks as any client, and returns the refusal. */
  const callRaw = (token: string, tool: string | undefined) =>
    fetch(mcpUrl(), {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({
        ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
        params: { name: tool, arguments: { agent: hub.agent.name } },
      }),
    });

  // The 1.x client uses a refresh token that it has, and does not ask for more then.
  test.each([
    ["1.x", ["authorization_code"]],
    ["current", ["authorization_code", "refresh_token"]],
  ] as const)(
    "gets 403 with the scope to ask for, and the %s client asks the person again and goes on",
    async (generation, grantTypes) => {
      const listener = await listenForCode();
      const store = createOAuthStore(listener.url, { grantTypes: [...grantTypes] });
      const { client } = await connectFirst(generation, store, listener);
      const few = store.tokens()?.access_token ?? "";
      expect(await client.call(GREET ?? "", { agent: hub.agent.name })).toMatchObject({
        isError: false,
      });
      const refusal = await callRaw(few, RESTART);
      expect(refusal.status).toBe(403);
      expect(refusal.headers.get("www-authenticate")).toBe(
        `Bearer realm="sonde", error="insufficient_scope", scope="observe interact", resource_metadata="${new URL(mcpUrl()).origin}/.well-known/oauth-protected-resource/mcp"`,
      );
      await expect(client.call(RESTART ?? "", { agent: hub.agent.name })).rejects.toThrow(
        /nauthorized/,
      );
      const address = store.address();
      expect(address.searchParams.get("scope")?.split(" ")).toContain("interact");
      const brought = listener.next();
      await letIn(address, "interact");
      const { code, iss } = await brought;
      await client.finish(code, iss);
      expect(await client.call(RESTART ?? "", { agent: hub.agent.name })).toMatchObject({
        isError: false,
      });
      // What the person let it have before is no more than it was.
      expect((await callRaw(few, RESTART)).status).toBe(403);
      await client.close();
      listener.close();
    },
  );

  test("is refused without a scope to ask for when the person may not have it either", async () => {
    const member = await invite(hub, owner, "member", "grace");
    const listener = await listenForCode();
    const store = createOAuthStore(listener.url);
    const client = createOAuthClient("current", mcpUrl(), store);
    await expect(client.connect()).rejects.toThrow(/nauthorized/);
    const brought = listener.next();
    await letIn(store.address(), undefined, member);
    const { code, iss } = await brought;
    await client.finish(code, iss);
    const refusal = await callRaw(store.tokens()?.access_token ?? "", RESTART);
    expect([refusal.status, refusal.headers.get("www-authenticate")]).toEqual([200, null]);
    expect(await refusal.text()).toContain("PROBE_UNKNOWN");
    listener.close();
  });
});

/** A port on which nobody listens now. */
async function findPort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("the conformance suite finds the authorization server as the specification demands", async () => {
  const origin = `http://localhost:${hub.ready.http}`;
  const suite = join(
    import.meta.dirname,
    "../node_modules/@modelcontextprotocol/conformance/dist/index.js",
  );
  const child = spawn(
    process.execPath,
    [
      ...[suite, "authorization", "--url", origin, "--client-id", "sonde-cli"],
      ...["--resource", `${origin}/mcp`, "--port", String(await findPort())],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = once(child, "exit");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith(`${origin}/oauth/authorize?`)) await letIn(new URL(line));
  }
  const [code] = (await ended) as [number];
  const said = lines.join("\n");
  expect(code, said).toBe(0);
  expect(said).toMatch(/authorization-server-metadata-endpoint/);
  expect(said).toMatch(/authorization-code-grant/);
  expect(said).not.toMatch(/skipped [1-9]/i);
});
