import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CreatedPublishToken } from "@sonde/schemas/registry";
import {
  type SampleKey,
  buildSampleArchive,
  createSampleKey,
  signSample,
} from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

// A request is authorized by its header. What it then sends may take a minute to come, and the
// right may end meanwhile (attack 39).

const TOKENS = "/api/v1/publishers/acme/tokens";
let registry: TestRegistry;
let acme: SampleKey;
let owner: string;

beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = createSampleKey();
  owner = await registry.addPublisher("acme", acme);
  expect((await publish("1.0.0")).status).toBe(201);
}, 120_000);
afterAll(() => registry.close());

const sample = (version: string) =>
  buildSampleArchive({ manifest: { name: "acme/hello", version } });
const publish = (version: string) =>
  registry.publish(signUpload(sample(version), `acme/hello/${version}`, acme, owner));

async function makeToken(): Promise<CreatedPublishToken> {
  const { body } = await registry.send("POST", TOKENS, owner, { role: "owner", label: "a test" });
  return body as CreatedPublishToken;
}

const revoke = async (id: string): Promise<void> => {
  expect((await registry.operate("DELETE", `${TOKENS}/${id}`)).status).toBe(200);
};
const expire = (id: string): Promise<unknown> =>
  registry.inDatabase(
    (sql) => sql`update publisher_tokens set expires_at = now() where id = ${id}`,
  );

type Slow = { method: string; path: string; bearer: string; type: string; body: Buffer };

/** Sends a request, and its last byte after `meanwhile`. @returns status line and body */
function sendSlowly(request: Slow, meanwhile: () => Promise<unknown>): Promise<string> {
  const { method, path, bearer, type, body } = request;
  return new Promise((done, fail) => {
    const socket = connect(registry.port, "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.on("error", fail).on("close", () => done(answer));
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
        `Authorization: Bearer ${bearer}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, -1));
    sleep(300)
      .then(meanwhile)
      .then(() => socket.write(body.subarray(-1)), fail);
  });
}

function buildParts(archive: Uint8Array, bundle: string): Buffer {
  const head = (name: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n`;
  const before = `${head("bundle")}${bundle}\r\n${head("archive")}`;
  return Buffer.concat([Buffer.from(before), archive, Buffer.from("\r\n--b--\r\n")]);
}

test.each([
  ["is revoked", revoke],
  ["expires", expire],
])("a token that %s while an upload comes publishes nothing", async (_how, end) => {
  const { token, about } = await makeToken();
  const archive = sample("2.0.0");
  const path = "/api/v1/packs/acme/hello/2.0.0";
  const answer = await sendSlowly(
    {
      ...{ method: "PUT", path, bearer: token, type: "multipart/form-data; boundary=b" },
      body: buildParts(archive, signSample(archive, acme)),
    },
    () => end(about.id),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 401 [^]*UNAUTHENTICATED/);
  expect(codeOf(await registry.read(path))).toBe("NOT_FOUND");
});

test.each([
  ["PUT", "/api/v1/packs/acme/hello/1.0.0/yank", { yanked: true, reason: "It ended." }],
  ["PUT", "/api/v1/packs/acme/hello/deprecation", { message: "It ended." }],
  [
    ...(["PUT", "/api/v1/packs/acme/hello/advisories/ACME-1"] as const),
    { range: "*", severity: "critical", text: "It ended.", withdrawn: false },
  ],
  ["POST", TOKENS, { role: "owner", label: "it ended" }],
])("a token that ends while a body comes changes nothing: %s %s", async (method, path, wish) => {
  const { token, about } = await makeToken();
  const body = Buffer.from(JSON.stringify(wish));
  const type = "application/json";
  const answer = await sendSlowly({ method, path, bearer: token, type, body }, () =>
    revoke(about.id),
  );
  expect(answer).toMatch(/^HTTP\/1\.1 401 [^]*UNAUTHENTICATED/);
  expect((await registry.read("/api/v1/packs/acme/hello")).body).toMatchObject({
    deprecated: null,
    advisories: [],
    versions: [{ state: { yanked: null } }],
  });
});

test.each([
  ["PUT", "/api/v1/packs/acme/hello/1.0.0/yank", { yanked: true, reason: "It ended." }],
  ["POST", TOKENS, { role: "owner", label: "it ended" }],
])(
  "a token whose revocation is being stored changes nothing: %s %s",
  async (method, path, wish) => {
    const { token, about } = await makeToken();
    const { promise: isStored, resolve: stored } = Promise.withResolvers<void>();
    const revoked = registry.inDatabase((sql) =>
      sql.begin(async (tx) => {
        await tx`update publisher_tokens set revoked_at = now() where id = ${about.id}`;
        stored();
        await sleep(500);
      }),
    );
    await isStored;
    // Until the commit the token still authenticates.
    const answer = await registry.send(method, path, token, wish);
    await revoked;
    expect([answer.status, codeOf(answer)]).toEqual([401, "UNAUTHENTICATED"]);
  },
);

test("a key that is removed while its signature is checked publishes nothing", async () => {
  const { keyIds } = await readPublisher();
  const [checker = 0] = registry.checkers();
  process.kill(checker, "SIGSTOP");
  const published = publish("3.0.0");
  const uploads = join(registry.dataDir, "uploads");
  while (readdirSync(uploads).length === 0) await sleep(10);
  // Long enough for the keys to be read and the check to begin.
  await sleep(500);
  await registry.operate("DELETE", `/publishers/acme/keys/${keyIds[0]}`);
  process.kill(checker, "SIGCONT");
  expect(codeOf(await published)).toBe("SIGNER_UNTRUSTED");
  expect(codeOf(await registry.read("/api/v1/packs/acme/hello/3.0.0"))).toBe("NOT_FOUND");
});

async function readPublisher(): Promise<{ keyIds: string[] }> {
  const { body } = await registry.operate("GET", "/publishers");
  const [publisher] = (body as { publishers: { keyIds: string[] }[] }).publishers;
  return publisher ?? { keyIds: [] };
}
