import { createHash, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventsOf, readVerifiedAudit } from "../product/audit.ts";
import { BAD_BODIES, BAD_CALLS, BAD_PATHS } from "./bad-input-cases.ts";
import { connectBoth, type McpClient } from "../product/mcp-clients.ts";
import { codeOf, sendRaw } from "../product/raw-http.ts";
import { askProgram } from "../product/run-program.ts";
import { type Product, startProduct } from "../product/start-product.ts";

let product: Product;
let clients: McpClient[];
let json: Record<string, string>;

beforeAll(async () => {
  product = await startProduct();
  clients = await connectBoth(product.mcpUrl, product.apiKey);
  json = { authorization: `Bearer ${product.apiKey}`, "content-type": "application/json" };
});
afterAll(async () => {
  for (const client of clients ?? []) await client.close();
  await product?.stop();
});
/** After all of it, the product still answers and its log still verifies. */
afterEach(async () => {
  const [client] = clients;
  const answer = await client?.call("system_kernel_version", { agent: product.agent });
  if (answer?.results[0]?.status !== "ok") throw new Error("the product no longer answers");
  await readVerifiedAudit(product);
});

const api = (path: string) => `${product.hubUrl}/api/v1${path}`;

describe("a call", () => {
  test.each(BAD_CALLS)(
    "%s has a code and one row, and is sent to no agent",
    async (_what, tool, args, code) => {
      for (const client of clients) {
        const answer = await client.call(tool, args(product.agent));
        expect(answer.isError).toBe(true);
        expect(answer.results).toMatchObject([{ status: "failure", failure: { code } }]);
        expect(answer.results[0]?.failure?.hint).toBeTruthy();
        const entries = await readVerifiedAudit(product);
        expect(eventsOf(entries, answer.callId)).toEqual([`call.denied ${code}`]);
      }
    },
  );
});

describe("at the MCP endpoint, as a JSON-RPC error", () => {
  const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
    sendRaw(product.mcpUrl, {
      method: "POST",
      headers: { ...json, accept: "application/json, text/event-stream", ...headers },
      body,
    });
  const call = (args: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"system_disk_usage","arguments":${args}}}`;

  test.each<[string, string, Record<string, string>, number, number]>([
    ["malformed JSON", "{bad", {}, 400, -32700],
    ["another media type", call("{}"), { "content-type": "text/plain" }, 415, -32000],
    ["no message at all", "null", {}, 400, -32600],
    ["an empty batch", "[]", {}, 400, -32600],
    ["an unknown revision", call("{}"), { "mcp-protocol-version": "1999-01-01" }, 400, -32000],
    ["a body over the limit", call(`{"agent":"${"a".repeat(300_000)}"}`), {}, 413, -32000],
  ])("%s", async (_what, body, headers, status, code) => {
    const answer = await post(body, headers);
    expect(answer.status).toBe(status);
    expect((JSON.parse(answer.text) as { error: { code: number } }).error.code).toBe(code);
  });

  test("arguments that are not an object, and a method that does not exist", async () => {
    expect((await post(call("[1]"))).text).toContain('"code":-32602');
    expect((await post('{"jsonrpc":"2.0","id":1,"method":"no/such"}')).text).toContain(
      '"code":-32601',
    );
  });

  // Attack 8.
  test("a parameter set through __proto__ has no effect", async () => {
    const plain = await post(call(`{"agent":"${product.agent}"}`));
    const odd = await post(call(`{"agent":"${product.agent}","__proto__":{"all":true}}`));
    // With `all`, it would list proc, sysfs and the like.
    expect(plain.text).not.toContain('"type\\":\\"proc');
    expect(odd.text).not.toContain('"type\\":\\"proc');
    const [last] = (await readVerifiedAudit(product))
      .filter(({ record }) => record.event === "call.request")
      .slice(-1);
    expect(last?.record.detail["params"]).toEqual({});
  });
});

describe("over REST, as an error body", () => {
  test.each(BAD_BODIES)("%s", async (_what, path, body, headers, code) => {
    const before = await countKeys();
    const answer = await sendRaw(api(path), {
      method: "POST",
      headers: { ...json, ...headers },
      body,
    });
    expect(codeOf(answer)).toBe(code);
    expect(await countKeys()).toBe(before);
  });

  test.each(BAD_PATHS)("%s", async (_what, path, headers, code) => {
    const { authorization } = json;
    const answer = await sendRaw(api(path), {
      headers: { authorization: authorization ?? "", ...headers },
    });
    expect(codeOf(answer)).toBe(code);
  });

  test("a foreign Host or Origin is refused at the MCP endpoint too", async () => {
    for (const odd of [{ host: "evil.example" }, { origin: "https://evil.example" }]) {
      const answer = await sendRaw(product.mcpUrl, {
        method: "POST",
        headers: { ...json, ...odd },
        body: "{}",
      });
      expect(codeOf(answer)).toBe("ORIGIN_REFUSED");
    }
  });

  /** Sends bytes to a service and returns its answer. */
  const exchange = (url: string, bytes: string): Promise<string> =>
    new Promise((done, fail) => {
      let heard = "";
      const socket = connectTcp(Number(new URL(url).port), "127.0.0.1", () => socket.end(bytes));
      socket.on("data", (chunk) => (heard += chunk.toString()));
      socket.on("error", fail).on("close", () => done(heard));
    });

  test("bytes that are not an HTTP request", async () => {
    const text = await exchange(product.hubUrl, "\x16\x03\x01 hello\r\n\r\n");
    expect(text).toContain('"code":"BAD_REQUEST"');
  });

  test.each(["hubUrl", "registryUrl"] as const)("two hosts in a request to %s", async (which) => {
    const url = product[which];
    const { host } = new URL(url);
    const key = `Authorization: Bearer ${product.apiKey}\r\n`;
    for (const [target, ...hosts] of [
      ["/health", host, "evil.example"],
      ["/health", "evil.example", host],
      ["http://evil.example/health", host],
    ]) {
      const lines = hosts.map((name) => `Host: ${name}\r\n`).join("");
      const answer = await exchange(url, `GET ${target} HTTP/1.1\r\n${lines}${key}\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('"code":"BAD_REQUEST"');
    }
    const same = `GET ${url}/health HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    expect(await exchange(url, same)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("a DELETE with a type and without a body deletes", async () => {
    const { body } = await product.hub.send("POST", "/api-keys", {
      body: { name: "short", policy: { role: "auditor", agents: "*", probes: "*" } },
    });
    const answer = await sendRaw(api(`/api-keys/${String(body["id"])}`), {
      method: "DELETE",
      headers: json,
    });
    expect(answer.status).toBe(200);
  });

  async function countKeys(): Promise<number> {
    const { body } = await product.hub.send("GET", "/api-keys");
    const created = (await readVerifiedAudit(product)).filter(
      ({ record }) => record.event === "key.created",
    );
    const keys = (body["keys"] as unknown[]).length;
    // The log records that each key was made, and nothing else about it.
    expect(created.length).toBe(keys);
    return keys;
  }
});

describe("a publication", () => {
  let token: string;
  const url = () => `${product.registryUrl}/api/v1/packs/acme/hello/1.0.0`;
  const parts = (...files: [string, string][]) =>
    `${files
      .map(
        ([name, content]) =>
          `--b\r\ncontent-disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n${content}\r\n`,
      )
      .join("")}--b--\r\n`;

  beforeAll(async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const keyFile = join(product.data, "acme.pub");
    writeFileSync(keyFile, publicKey.export({ type: "spki", format: "pem" }));
    const added = [
      "registry",
      "publisher",
      "add",
      "acme",
      "--key",
      keyFile,
      "--data",
      product.data,
    ];
    ({ token } = await askProgram<{ token: string }>("sonde", added));
  });
  /** A refused publish leaves nothing visible. */
  afterEach(async () => {
    const { text } = await sendRaw(`${product.registryUrl}/api/v1/packs`);
    const isThere = (await sendRaw(url())).status !== 404 || text.includes("acme/");
    if (isThere) throw new Error("what was refused is published");
  });
  const publish = (body: string | Buffer, headers: Record<string, string> = {}) =>
    sendRaw(url(), {
      method: "PUT",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "multipart/form-data; boundary=b",
        "content-length": String(Buffer.byteLength(body)),
        ...headers,
      },
      body,
    });

  test.each<[string, () => string, string]>([
    ["that is no multipart body", () => "garbage", "BAD_REQUEST"],
    ["that breaks off", () => parts(["bundle", "{}"]).slice(0, 60), "BAD_REQUEST"],
    ["with the archive alone", () => parts(["archive", "x"]), "BAD_REQUEST"],
    [
      "with its files in the wrong order",
      () => parts(["archive", "x"], ["bundle", "{}"]),
      "BAD_REQUEST",
    ],
    [
      "with a file too many",
      () => parts(["bundle", "{}"], ["archive", "x"], ["more", "x"]),
      "BODY_TOO_LARGE",
    ],
    [
      "of bytes that are no archive",
      () => parts(["bundle", "{}"], ["archive", "x"]),
      "ARCHIVE_INVALID",
    ],
  ])("%s is refused", async (_what, body, code) => {
    expect(codeOf(await publish(body()))).toBe(code);
  });

  test("with another token, media type or size is refused before it is read", async () => {
    const body = parts(["bundle", "{}"], ["archive", "x"]);
    const forged = createHash("sha256").update(token).digest("base64url");
    const other = { authorization: `Bearer sonde_pt_${forged}` };
    expect(codeOf(await publish(body, other))).toBe("UNAUTHENTICATED");
    // A key of the hub is not accepted as a publisher's token.
    expect(codeOf(await publish(body, { authorization: json["authorization"] ?? "" }))).toBe(
      "UNAUTHENTICATED",
    );
    expect(codeOf(await publish("{}", { "content-type": "application/json" }))).toBe("BAD_REQUEST");
    const huge = await publish(Buffer.alloc(64 * 1024 * 1024));
    expect(codeOf(huge)).toBe("BODY_TOO_LARGE");
  });
});
