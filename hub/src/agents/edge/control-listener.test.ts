import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { buildHello } from "@sonde/schemas/testing";
import { AGENT_CERTIFICATE_MS, encodeBody, parseCertificateBody } from "@sonde/schemas/wire";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { type Incoming, keyIdOf } from "@sonde/trust/envelope";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

const HELLO = buildHello();
let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

/** Connects as the agent, says hello, and gives the first message of a kind that the hub sends. */
async function meet(certificate: string, wanted: Incoming["header"]["type"]): Promise<Incoming> {
  const { socket, channel } = await hub.connect(certificate);
  try {
    return await new Promise<Incoming>((done, fail) => {
      socket.on("close", () => fail(new Error("the hub ended the session")));
      socket.on("message", (data: Buffer) => {
        const message = channel.open(data);
        if (message.header.type === wanted) done(message);
      });
      socket.send(channel.seal({ type: "hello", body: encodeBody(HELLO) }));
    });
  } finally {
    socket.terminate();
  }
}

test("of a burst of reports the newest is saved, with few writes", async () => {
  const { socket, channel } = await hub.connect();
  const revisions = async () => {
    const { answer } = await hub.ask("GET", `/agents/${hub.agent.name}`);
    return (answer["packs"] as { version: string }[]).map(({ version }) => version);
  };
  socket.send(channel.seal({ type: "hello", body: encodeBody(HELLO) }));
  for (let index = 1; index <= 500; index++) {
    const pack = {
      ...{
        name: "acme/hello",
        version: `1.0.${index}`,
        digest: hub.digest,
        state: "active",
        signer: null,
      },
      ...{ probes: [], approved: null, reason: null },
    };
    const body = { packs: [pack], auditHead: EMPTY_HEAD, registryHead: null };
    socket.send(channel.seal({ type: "pack-report", body: encodeBody(body) }));
  }
  await expect.poll(revisions).toEqual(["1.0.500"]);
  socket.terminate();
  const opened = await hub.openDatabase();
  const countRows = async () => {
    const rows = await opened.sql`select 1 from changes where id = ${hub.agent.id}`;
    return rows.length;
  };
  // What is still waiting to be kept is kept by then.
  let before = -1;
  const isQuiet = async () => before === (before = await countRows());
  await vi.waitUntil(isQuiet, { timeout: 10_000, interval: 500 });
  await opened.close();
  expect(before).toBeLessThan(250);
});

test("an agent with a half-expired certificate is sent the next one, which connects", async () => {
  const { body } = await meet(await hub.issueCertificate(20_000), "certificate");
  const { certificate } = parseCertificateBody(body);
  const next = new X509Certificate(certificate);
  expect(keyIdOf(next.publicKey)).toBe(keyIdOf(hub.agent.key.publicKey));
  const left = next.validToDate.getTime() - Date.now();
  expect(left).toBeGreaterThan(0.9 * AGENT_CERTIFICATE_MS);
  expect((await meet(certificate, "desired-state")).header.agentId).toBe(hub.agent.id);
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as { record: { event: string } }[];
  const renewed = entries.filter(({ record }) => record.event === "agent.renewed");
  expect(renewed.slice(-1)).toMatchObject([
    {
      record: {
        agent: hub.agent.name,
        detail: {
          serial: next.serialNumber.toLowerCase(),
          keyId: keyIdOf(next.publicKey),
          expiresAt: next.validToDate.toISOString(),
        },
      },
    },
  ]);
});

/** An upgrade request as it is written, with the agent's certificate or none. */
async function knock(
  change: {
    path?: string;
    headers?: object;
    withCertificate?: boolean;
    localAddress?: string;
  } = {},
) {
  const { path = "/control", headers = {}, withCertificate = true } = change;
  const { localAddress = "127.0.0.1" } = change;
  const { certificate, key } = hub.agent;
  const request = httpsRequest({
    ...{ host: "127.0.0.1", servername: "localhost", port: hub.ready.control, localAddress },
    ...{ path, agent: false, ca: hub.ca },
    ...(withCertificate && {
      cert: certificate,
      key: key.privateKey.export({ format: "pem", type: "pkcs8" }),
    }),
    headers: {
      ...{ Connection: "Upgrade", Upgrade: "websocket", "Sonde-Nonce": "n".repeat(43) },
      ...{ "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" },
      ...headers,
    },
  });
  request.end();
  return await new Promise<number | "ended">((done) => {
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      done(response.statusCode ?? 0);
    });
    request.on("response", ({ statusCode = 0 }) => done(statusCode));
    request.on("error", () => done("ended"));
  });
}

const codesOfRefusals = async () => {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as { record: { event: string; code: string } }[];
  return entries.flatMap(({ record: { event, code } }) =>
    event === "agent.refused" ? [code] : [],
  );
};

test.each([
  ["no nonce", 401, { headers: { "Sonde-Nonce": "" } }],
  ["a nonce of another length", 401, { headers: { "Sonde-Nonce": "n".repeat(44) } }],
  ["another path", 401, { path: "/" }],
  ["no certificate", "ended", { withCertificate: false }],
  ["all that is asked for", 101, {}],
])("an upgrade with %s is answered with %s", async (_what, answer, change) => {
  expect(await knock(change)).toBe(answer);
});

test("attack 9: a certificate that was revoked opens nothing, and the log says so", async () => {
  expect(await codesOfRefusals()).not.toContain("CERTIFICATE_REFUSED");
  const { sql, ...database } = await hub.openDatabase();
  await sql`update agent_certificates set revoked_at = now() where agent_id = ${hub.agent.id}`;
  expect(await knock()).toBe(401);
  await sql`update agent_certificates set revoked_at = null where agent_id = ${hub.agent.id}`;
  expect(await knock()).toBe(101);
  await database.close();
  expect(await codesOfRefusals()).toContain("CERTIFICATE_REFUSED");
});

test("a certificate whose agent is another than the allow-list says opens nothing", async () => {
  const { sql, ...database } = await hub.openDatabase();
  const [other] = await sql<{ id: string }[]>`
    insert into agents (id, name, public_key, enrolled_at)
    select gen_random_uuid(), 'web-3', public_key, now() from agents returning id`;
  await sql`insert into changes (kind, id) values ('agent', ${other?.id ?? ""})`;
  await expect.poll(async () => (await hub.ask("GET", "/agents/web-3")).code).toBe(200);
  const point = async (id: string | undefined) => {
    await sql`update agent_certificates set agent_id = ${id ?? ""}`;
  };
  await point(other?.id);
  expect(await knock()).toBe(401);
  await point(hub.agent.id);
  await database.close();
});

test("a refused connection is closed fully, also when the peer keeps its half open", async () => {
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host: "127.0.0.1",
    servername: "localhost",
    port: hub.ready.control,
    ca: hub.ca,
    cert: hub.agent.certificate,
    key: hub.agent.key.privateKey.export({ format: "pem", type: "pkcs8" }),
    allowHalfOpen: true,
  };
  const socket = connectTls(options);
  await once(socket, "secureConnect");
  const gone = new Promise<void>((done) => {
    socket.on("error", () => done());
    socket.on("close", () => done());
  });
  const upgrade = ["Host: localhost", "Connection: Upgrade", "Upgrade: websocket"].join("\r\n");
  socket.write(`GET /control HTTP/1.1\r\n${upgrade}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 401 /);
  // What is written to a connection that is gone is answered with its end.
  const writing = setInterval(() => socket.write("x"), 50);
  const late = new Promise((done) => setTimeout(done, 5000, "still open"));
  expect(await Promise.race([gone.then(() => "ended"), late])).toBe("ended");
  clearInterval(writing);
  socket.destroy();
});

test("a certificate above its limit of refusals is dropped unread", async () => {
  const answers: (number | "ended")[] = [];
  for (let index = 0; index < 25; index++) {
    answers.push(await knock({ path: "/nowhere" }));
  }
  // Those before this test were refused some times too.
  expect(answers[0]).toBe(401);
  expect(answers.at(-1)).toBe("ended");
  expect(await codesOfRefusals()).toContain("TOO_MANY_ATTEMPTS");
  // Whoever stole it, elsewhere, locks nobody out here.
  expect(await knock({ path: "/nowhere", localAddress: "127.0.0.2" })).toBe(401);
});
