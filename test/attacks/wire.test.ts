import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDatabase, type TestDatabase } from "@sonde/database/testing";
import type { AuditEntry } from "@sonde/schemas/audit";
import { buildHello } from "@sonde/schemas/testing";
import { KEY_ALGORITHMS, type MessageType, encodeBody } from "@sonde/schemas/wire";
import { createAuthority, openAuthority } from "@sonde/trust/ca";
import { algorithmOf, createKeyPair } from "@sonde/trust/envelope";
import { buildCsr } from "../../agent/daemon/src/edge/enrol/build-csr.ts";
import { parseToken } from "../../agent/daemon/src/edge/enrol/parse-token.ts";
import { requestIdentity } from "../../agent/daemon/src/edge/enrol/request-identity.ts";
import { type Identity, readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import { readVerifiedAudit } from "../product/audit.ts";
import { enrolRawAgent, knock, openSession, type RawSession } from "../product/raw-agent.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

// Attack classes 1 to 5, 9, 14 and 19 against the running hub's listeners, with each algorithm
// of the keys of hub and agents.

describe.each(KEY_ALGORITHMS)("%s", (keyAlgorithm) => {
  let product: Product;
  let database: TestDatabase;
  let raw: Identity;

  beforeAll(async () => {
    // A database that the test can also open, to revoke a certificate.
    database = await startTestDatabase();
    product = await startProduct({
      args: ["--yes", "--key-algorithm", keyAlgorithm],
      env: { DATABASE_URL: database.url },
    });
    raw = await enrolRawAgent(product, "raw-agent", keyAlgorithm);
  });
  afterAll(async () => {
    await product?.stop();
    await database?.close();
  });

  const hello = () => buildHello({ name: "raw-agent" });
  const sealHello = ({ channel }: RawSession) =>
    channel.seal({ type: "hello", body: encodeBody(hello()) });

  const rowsOf = async (event: string, agent: string | null) =>
    (await readVerifiedAudit(product)).filter(
      ({ record }: AuditEntry) => record.event === event && record.agent === agent,
    );

  async function keyPair() {
    const { privateKey, publicKey } = createKeyPair(keyAlgorithm);
    return { key: privateKey, publicKey, csr: await buildCsr(privateKey, publicKey) };
  }

  /** The hub's own CA key, as a thief or a careless operator would use it. */
  const openHubAuthority = (now: () => Date) => {
    const at = (name: string) => readFileSync(join(product.data, "hub", "keys", name), "utf8");
    return openAuthority({ certificate: at("ca.pem"), privateKey: at("ca-key.pem") }, now);
  };

  test("the keys of hub and agents are of the chosen algorithm", () => {
    const real = readIdentity(join(product.data, "agent", "identity"));
    const keys = [raw.hubKey, createPublicKey(raw.key), createPublicKey(real.key)];
    expect(keys.map(algorithmOf)).toEqual(Array(3).fill(keyAlgorithm));
  });

  test("attack 9: a connection needs a certificate of this hub's CA", async () => {
    const none = await knock(raw, { cert: undefined, key: undefined });
    expect(none.kind).toBe("refused");

    const { hubId, agentId } = raw;
    const files = await createAuthority(hubId, new Date());
    // A different CA with the same name.
    const other = await openAuthority(files, () => new Date());
    const { key, publicKey } = await keyPair();
    const pem = key.export({ type: "pkcs8", format: "pem" });
    const foreign = await other.issueAgentCertificate({ publicKey, hubId, agentId });
    expect((await knock(raw, { cert: foreign.certificate, key: pem })).kind).toBe("refused");
    // The CA's own self-signed certificate, used as a client certificate.
    expect((await knock(raw, { cert: files.certificate, key: files.privateKey })).kind).toBe(
      "refused",
    );
  });

  test("attack 9: a certificate of the right CA is refused if expired, for another purpose or not listed", async () => {
    const { hubId, agentId } = raw;
    const { key, publicKey } = await keyPair();
    const pem = key.export({ type: "pkcs8", format: "pem" });
    const past = await openHubAuthority(() => new Date(Date.now() - 30 * 86_400_000));
    const expired = await past.issueAgentCertificate({ publicKey, hubId, agentId });
    expect((await knock(raw, { cert: expired.certificate, key: pem })).kind).toBe("refused");

    const present = await openHubAuthority(() => new Date());
    const server = await present.issueServerCertificate(["localhost"]);
    const asServer = await knock(raw, { cert: server.certificate, key: server.privateKey });
    expect(asServer.kind).toBe("refused");

    const unlisted = await present.issueAgentCertificate({ publicKey, hubId, agentId });
    expect(await knock(raw, { cert: unlisted.certificate, key: pem })).toEqual({
      kind: "status",
      status: 401,
    });
    await until("the refusal's row", async () =>
      (await rowsOf("agent.refused", "raw-agent")).some(
        ({ record }) => record.code === "CERTIFICATE_REFUSED",
      ),
    );
  });

  test("attack 9: a revoked serial is refused, at once", async () => {
    const revoked = await enrolRawAgent(product, "revoked-agent", keyAlgorithm);
    const first = await openSession(revoked);
    first.socket.terminate();
    const { searchParams, pathname, username } = new URL(database.url);
    const host = searchParams.get("host") ?? "";
    const sql = postgres({ host, database: pathname.slice(1), username });
    const { agentId } = revoked;
    await sql`update hub.agent_certificates set revoked_at = now() where agent_id = ${agentId}`;
    await sql.end();
    expect(await knock(revoked)).toEqual({ kind: "status", status: 401 });
  });

  test("attack 9: neither TLS 1.2 nor plain HTTP gets an answer", async () => {
    expect((await knock(raw, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" })).kind).toBe(
      "refused",
    );
    const { hostname, port } = new URL(`https://${raw.controlAddress}`);
    const answer = await new Promise<string>((done) => {
      const socket = connectTcp(Number(port), hostname);
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      socket.on("close", () => done(text)).on("error", () => undefined);
      socket.write("GET /control HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n");
    });
    expect(answer).not.toContain("HTTP/1.1 101");
    expect(answer).not.toContain("HTTP/1.1 200");
  });

  let earlier: Buffer;
  const flip = (frame: Buffer, at: number) => {
    const copy = Buffer.from(frame);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  test.each<[string, string, (session: RawSession) => (Buffer | string)[]]>([
    [
      "attack 4: a changed body",
      "ENVELOPE_SIGNATURE",
      (s) => {
        const frame = sealHello(s);
        // Changes a digit of the agent's version, so that the body stays well-formed.
        return [flip(frame, frame.indexOf('"0.1.0"') + 1)];
      },
    ],
    [
      "attack 4: a changed envelope",
      "ENVELOPE_SIGNATURE",
      (s) => {
        const frame = sealHello(s);
        return [flip(frame, frame.indexOf('"payload":"') + 40)];
      },
    ],
    [
      "attack 1: a message sent twice",
      "ENVELOPE_SEQUENCE",
      (s) => {
        earlier = sealHello(s);
        return [earlier, earlier];
      },
    ],
    ["attack 2: a message of an earlier session", "ENVELOPE_MISDIRECTED", () => [earlier]],
    ["attack 3: the hub's own message", "ENVELOPE_MISDIRECTED", (s) => [s.welcome]],
    [
      "attack 6: a message too many before it",
      "ENVELOPE_SEQUENCE",
      (s) => {
        sealHello(s);
        return [sealHello(s)];
      },
    ],
    [
      "attack 8: a message that has a member twice",
      "ENVELOPE_INVALID",
      ({ channel }) => {
        const body = encodeBody(hello()).toString().replace("{", '{"name":"another",');
        return [channel.seal({ type: "hello", body: Buffer.from(body) })];
      },
    ],
    [
      "a message only the hub may send",
      "ENVELOPE_INVALID",
      (s) => [
        s.channel.seal({ type: "desired-state", body: encodeBody({ revision: 9, packs: [] }) }),
      ],
    ],
    ["text instead of an envelope", "ENVELOPE_INVALID", () => ["{}"]],
  ])("%s ends the session, on record", async (_, code, attack) => {
    const before = (await rowsOf("envelope.refused", "raw-agent")).length;
    const session = await openSession(raw);
    for (const frame of attack(session)) session.socket.send(frame);
    await session.closed;
    const rows = await until("the refusal's row", async () => {
      const found = await rowsOf("envelope.refused", "raw-agent");
      return found.length > before && found;
    });
    expect(rows.at(-1)?.record).toMatchObject({ code, status: "denied" });
    // Other sessions are unaffected.
    const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
    expect(body).toMatchObject({ online: true });
    expect(body["desired"]).toHaveLength(product.packs.length);
  });

  test("attack 19: of two connections with one identity the first stays", async () => {
    const session = await openSession(raw);
    session.socket.send(sealHello(session));
    await until("the hub to know it", async () => {
      const { body } = await product.hub.send("GET", "/agents/raw-agent");
      return body["online"] === true;
    });
    expect(await knock(raw)).toEqual({ kind: "status", status: 401 });
    expect(session.isOpen()).toBe(true);
    session.socket.terminate();

    // A copy of the real agent's state folder, while the real agent is connected.
    const copied = readIdentity(join(product.data, "agent", "identity"));
    expect(await knock(copied)).toEqual({ kind: "status", status: 401 });
    const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
    expect(body).toMatchObject({ online: true });
  });

  test("attack 14: of 20 concurrent enrolments with one token exactly one gets a certificate", async () => {
    const answer = await product.hub.send("POST", "/enrolment-tokens", { body: {} });
    const { token, enrolAddress } = answer.body as { token: string; enrolAddress: string };
    const { port } = new URL(`https://${enrolAddress}`);
    // From 20 addresses, so that the rate limit per address does not interfere.
    const enrol = async (index: number) => {
      // Before it connects: a client that is silent for long is put out.
      const { key, csr } = await keyPair();
      const socket = connectTls({
        socket: connectTcp({
          host: "127.0.0.1",
          port: Number(port),
          localAddress: `127.0.0.${index + 2}`,
        }),
        ca: [raw.ca],
        minVersion: "TLSv1.3",
      });
      await new Promise<void>((done, fail) =>
        socket.once("secureConnect", done).once("error", fail),
      );
      return exchange(socket, { token: parseToken(token), agentName: `twin-${index}`, csr, key });
    };
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => enrol(index)));
    expect(outcomes.filter((outcome) => outcome === "enrolled")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "TOKEN_REFUSED")).toHaveLength(19);
    const { body } = await product.hub.send("GET", "/agents");
    const twins = (body["agents"] as { name: string }[]).filter(({ name }) =>
      name.startsWith("twin-"),
    );
    expect(twins).toHaveLength(1);
  });

  test("a later agent's known messages are accepted; an unknown one is refused and recorded, and the session continues", async () => {
    const session = await openSession(raw);
    const { channel, socket } = session;
    expect(channel.open(session.welcome).body).toMatchObject({ protocol: { min: 1, max: 2 } });
    const later = {
      ...hello(),
      protocol: { min: 2, max: 7, features: ["levitation"] },
      mood: "calm",
    };
    const answers: string[] = [];
    socket.on("message", (frame: Buffer) => answers.push(channel.open(frame).header.type));
    socket.send(channel.seal({ type: "hello", body: encodeBody(later) }));
    socket.send(channel.seal({ type: "horoscope" as MessageType, body: encodeBody({ stars: 3 }) }));
    await until("the answers", () => Promise.resolve(answers.length === 2));
    expect(answers.toSorted()).toEqual(["desired-state", "refused"]);
    await until("the refusal's row", async () =>
      (await rowsOf("envelope.refused", "raw-agent")).some(
        ({ record }) => record.code === "PROTOCOL_UNSUPPORTED",
      ),
    );
    expect(session.isOpen()).toBe(true);
    socket.terminate();
    await session.closed;
  });
});

async function exchange(
  socket: TLSSocket,
  ask: Parameters<typeof requestIdentity>[1],
): Promise<string> {
  try {
    await requestIdentity(socket, ask);
    return "enrolled";
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  } finally {
    socket.destroy();
  }
}
