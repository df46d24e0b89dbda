import { spawn } from "node:child_process";
import { X509Certificate, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect } from "node:tls";
import { type EnrolRequest, KEY_ALGORITHMS, TOKEN_PREFIX } from "@sonde/schemas/wire";
import { type Authority, createAuthority, openAuthority } from "@sonde/trust/ca";
import { algorithmOf, isSignedBy } from "@sonde/trust/envelope";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildCsr } from "./edge/enrol/build-csr.ts";
import { parseToken } from "./edge/enrol/parse-token.ts";
import { buildProofText, requestIdentity } from "./edge/enrol/request-identity.ts";
import { createHubKeys } from "./testing/test-hub.ts";
import { readIdentity } from "./edge/store/identity.ts";

const hubId = randomUUID();
const challenge = randomBytes(32).toString("base64url");
let folder: string;
let authority: Authority;
let asked: { path: string; body: EnrolRequest | null; exporter: Buffer; socket: TLSSocket }[];
let refusal: { status: number; body: object } | null;
/** When true, the hub closes the connection after its first answer. */
let isHalfWay: boolean;
/** How far the hub's clock is ahead. */
let aheadMs: number;
const hubKeys = createHubKeys();
const cleanups: (() => void)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-enrol-"));
  mkdirSync(join(folder, "state"));
  authority = await openAuthority(await createAuthority(hubId, new Date()), () => new Date());
  asked = [];
  refusal = null;
  isHalfWay = false;
  aheadMs = 0;
});
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a hub's enrol listener: a real TLS server that certifies any key that is proven. */
async function startHub(issuer: Authority, names = ["127.0.0.1"]): Promise<number> {
  const leaf = await issuer.issueServerCertificate(names);
  const server = createServer({
    key: leaf.privateKey,
    cert: `${leaf.certificate}\n${issuer.certificate}`,
    minVersion: "TLSv1.3",
  });
  server.on("request", (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const socket = request.socket as TLSSocket;
      const exporter = socket.exportKeyingMaterial(32, "EXPORTER-sonde-enrol", Buffer.alloc(0));
      const body = text === "" ? null : (JSON.parse(text) as EnrolRequest);
      asked.push({ path: request.url ?? "", body, exporter, socket });
      void answer(issuer, body).then(({ status, body: answerBody }) => {
        const date = new Date(Date.now() + aheadMs).toUTCString();
        response.writeHead(status, { "content-type": "application/json", date });
        response.end(JSON.stringify(answerBody));
        if (isHalfWay) socket.destroySoon();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function answer(issuer: Authority, body: EnrolRequest | null) {
  if (body === null) return { status: 200, body: { challenge } };
  if (refusal !== null) return refusal;
  const agentId = randomUUID();
  const { certificate } = await issuer.issueAgentCertificate({
    publicKey: await issuer.readPublicKey(body.csr),
    hubId,
    agentId,
  });
  const hubKey = hubKeys.publicKey.export({ format: "pem", type: "spki" }).toString();
  return {
    status: 200,
    body: {
      hubId,
      agentId,
      certificate,
      controlAddress: "127.0.0.1:1",
      hubKey,
      registryHead: null,
    },
  };
}

const buildToken = (fingerprint: string) =>
  `${TOKEN_PREFIX}${randomBytes(32).toString("base64url")}.${fingerprint}`;

async function runEnrol(port: number, token: string, more: object = {}) {
  const config = join(folder, "enrol.json");
  const stateDir = join(folder, "state");
  const options = { stateDir, host: "127.0.0.1", port, agentName: "web-1", ...more };
  writeFileSync(config, JSON.stringify(options));
  const program = join(import.meta.dirname, "enrol.ts");
  const child = spawn(process.execPath, ["--conditions=sonde:source", program, config]);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stdin.end(token);
  const code = await new Promise<number>((resolve) => child.on("close", resolve));
  return { code, output };
}

test.each(KEY_ALGORITHMS)(
  "a token becomes an identity: %s key proven on this connection, files whole and private",
  async (keyAlgorithm) => {
    const token = buildToken(authority.fingerprint);
    const { code, output } = await runEnrol(await startHub(authority), `${token}\n`, {
      keyAlgorithm,
    });
    expect(output).toContain('"enrolled":true');
    expect(code).toBe(0);
    expect(output).not.toContain(token);

    const [first, second] = asked;
    expect([first?.path, second?.path]).toEqual(["/enrol/challenge", "/enrol"]);
    expect(first?.socket).toBe(second?.socket);
    const body = second?.body as EnrolRequest;
    expect(body).toMatchObject({ token, agentName: "web-1" });
    const key = await authority.readPublicKey(body.csr);
    const proofText = buildProofText(challenge, token, second?.exporter as Buffer);
    expect(algorithmOf(key)).toBe(keyAlgorithm);
    expect(isSignedBy(key, proofText, Buffer.from(body.proof, "base64"))).toBe(true);

    const path = join(folder, "state", "identity");
    const identity = readIdentity(path);
    expect(identity).toMatchObject({ hubId, agentName: "web-1", controlAddress: "127.0.0.1:1" });
    expect(new X509Certificate(identity.certificate).checkPrivateKey(identity.key)).toBe(true);
    expect(statSync(join(path, "key.pem")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(path, "key.pem"), "utf8")).toContain("PRIVATE KEY");
  },
);

test("the token can come from a file, and a second enrolment replaces the first whole", async () => {
  const port = await startHub(authority);
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, buildToken(authority.fingerprint));
  expect((await runEnrol(port, "", { tokenFile })).code).toBe(0);
  const before = readIdentity(join(folder, "state", "identity"));
  expect((await runEnrol(port, "", { tokenFile })).code).toBe(0);
  const after = readIdentity(join(folder, "state", "identity"));
  expect(after.agentId).not.toBe(before.agentId);
  expect(readdirSync(join(folder, "state")).sort()).toEqual(["identity", "identity.previous"]);
});

test.each([
  ["at once", 0],
  ["while the second question waits", 200],
])("a hub that ends the connection half-way is refused, %s", async (_when, delayMs) => {
  isHalfWay = true;
  await expect(enrolSlowly(await startHub(authority), delayMs)).rejects.toMatchObject({
    code: "HUB_UNTRUSTED",
  });
});

test("an answer that arrives before its request's write callback is not lost", async () => {
  expect(await enrolSlowly(await startHub(authority), 200)).toMatchObject({ hubId });
});

/** Enrols over a socket whose write callbacks come late. */
async function enrolSlowly(port: number, delayMs: number) {
  const socket = connect({ host: "127.0.0.1", port, ca: [authority.certificate] });
  cleanups.push(() => socket.destroy());
  await once(socket, "secureConnect");
  const write = socket["_write"].bind(socket);
  socket["_write"] = (chunk, encoding, done) =>
    write(chunk, encoding, (error) => setTimeout(() => done(error), delayMs));
  const { privateKey: key, publicKey } = generateKeyPairSync("ed25519");
  const ask = { token: parseToken(buildToken(authority.fingerprint)), agentName: "web-1" };
  const csr = await buildCsr(key, publicKey);
  return await requestIdentity(socket, { ...ask, csr, key });
}

test("attack 18: a hub under another CA gets neither token nor request", async () => {
  const stranger = await openAuthority(await createAuthority(hubId, new Date()), () => new Date());
  const port = await startHub(stranger);
  const { code, output } = await runEnrol(port, buildToken(authority.fingerprint));
  expect(code).toBe(1);
  expect(output).toContain("HUB_UNTRUSTED");
  expect(asked).toEqual([]);
  expect(readdirSync(join(folder, "state"))).toEqual([]);
});

test("attack 18: the right CA with a certificate for another name is refused", async () => {
  const port = await startHub(authority, ["hub.example"]);
  const { output } = await runEnrol(port, buildToken(authority.fingerprint));
  expect(output).toContain("HUB_UNTRUSTED");
  expect(asked).toEqual([]);
});

test("attack 18: the right CA shown beside a leaf that it did not issue is refused", async () => {
  const stranger = await openAuthority(await createAuthority(hubId, new Date()), () => new Date());
  const forged: Authority = { ...stranger, certificate: authority.certificate };
  const port = await startHub(forged);
  const { output } = await runEnrol(port, buildToken(authority.fingerprint));
  expect(output).toContain("HUB_UNTRUSTED");
  expect(asked).toEqual([]);
});

test("a refusal by the hub keeps its code and leaves no files", async () => {
  refusal = { status: 401, body: { error: { code: "TOKEN_REFUSED", message: "no" } } };
  const { code, output } = await runEnrol(
    await startHub(authority),
    buildToken(authority.fingerprint),
  );
  expect(code).toBe(1);
  expect(output).toContain("TOKEN_REFUSED");
  expect(readdirSync(join(folder, "state"))).toEqual([]);
});

test("a malformed token is refused, and the message does not repeat it", async () => {
  const { code, output } = await runEnrol(1, "sonde_et_abc");
  expect(code).toBe(1);
  expect(output).toContain("TOKEN_REFUSED");
  expect(output).not.toContain("sonde_et_abc");
});

test.each([3_600_000, -3_600_000])("a hub whose clock is %i ms ahead gets no token", async (ms) => {
  aheadMs = ms;
  const { output } = await runEnrol(await startHub(authority), buildToken(authority.fingerprint));
  expect(output).toContain("CLOCK_WRONG");
  expect(output).toMatch(ms > 0 ? /3[56]\d\d s behind/ : /3[56]\d\d s ahead/);
  expect(asked.map(({ path }) => path)).toEqual(["/enrol/challenge"]);
});

test("a hub whose certificate is of another year shows that a clock is wrong", async () => {
  const files = await createAuthority(hubId, new Date());
  const later = await openAuthority(files, () => new Date(Date.now() + 3 * 365 * 86_400_000));
  const { output } = await runEnrol(await startHub(later), buildToken(later.fingerprint));
  expect(output).toContain("CLOCK_WRONG");
  expect(asked).toEqual([]);
});

test("a port where nobody listens, and a name without an address, are called so", async () => {
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const token = buildToken(authority.fingerprint);
  expect((await runEnrol(port, token)).output).toMatch(/HUB_UNREACHABLE.*ECONNREFUSED/);
  const nowhere = await runEnrol(port, token, { host: "hub.invalid" });
  expect(nowhere.output).toMatch(/HUB_UNREACHABLE.*the name hub\.invalid/);
});
