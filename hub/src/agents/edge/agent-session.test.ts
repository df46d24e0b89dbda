import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AuditEntry } from "@sonde/schemas/audit";
import { buildHello } from "@sonde/schemas/testing";
import {
  encodeBody,
  type HelloBody,
  OWN_PROTOCOL,
  parseCertificateBody,
} from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

const WAIT_MS = 15_000;
let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

async function recordsOf(event: string): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as AuditEntry[];
  return entries.map(({ record }) => record).filter((record) => record.event === event);
}

/** Connects with that statement, and waits until the hub has it. */
async function state(hello: HelloBody): Promise<void> {
  const before = (await recordsOf("agent.disconnected")).length;
  const { socket, channel } = await hub.connect();
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  await vi.waitFor(async () => {
    expect((await hub.ask("GET", "/agents/web-1")).answer["os"]).toBe(hello.os);
  }, WAIT_MS);
  socket.close();
  await vi.waitFor(async () => {
    expect((await recordsOf("agent.disconnected")).length).toBe(before + 1);
    expect((await hub.ask("GET", "/agents/web-1")).answer["online"]).toBe(false);
  }, WAIT_MS);
}

test("a connection is recorded with what the host runs and allows, and so is each change of it", async () => {
  const pack = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ signer: null, probes: ["greet"], approved: null, reason: null },
  };
  const hello = buildHello({ packs: [pack], os: "first" });
  await state(hello);
  const { name, version, digest, state: packState } = pack;
  expect((await recordsOf("agent.connected")).at(-1)).toMatchObject({
    agent: "web-1",
    detail: {
      maxCapability: "observe",
      binarySha256: hello.binarySha256,
      configSha256: hello.configSha256,
      packs: [{ name, version, digest, state: packState }],
    },
  });
  expect(await recordsOf("agent.changed")).toEqual([]);
  await state({ ...hello, maxCapability: "manage", os: "second" });
  expect(await recordsOf("agent.changed")).toMatchObject([
    {
      agent: "web-1",
      detail: {
        maxCapability: { from: "observe", to: "manage" },
        os: { from: "first", to: "second" },
      },
    },
  ]);
});

// Attack 11.
test.each([
  ["ahead", 20_000, true],
  ["behind", -20_000, true],
  ["too far ahead, which ends the session", 60_000, false],
])("the hub knows a clock that is %s", async (_what, aheadMs, isOnline) => {
  const { socket, channel } = await hub.connect(undefined, aheadMs);
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
  const ended = once(socket, "close");
  await vi.waitFor(async () => {
    const { answer } = await hub.ask("GET", "/agents/web-1");
    expect(Math.abs(Number(answer["clockSkewMs"]) - aheadMs)).toBeLessThan(5_000);
    expect(answer["online"]).toBe(isOnline);
  }, WAIT_MS);
  socket.close();
  await ended;
  await vi.waitFor(async () => {
    expect((await hub.ask("GET", "/agents/web-1")).answer["online"]).toBe(false);
  }, WAIT_MS);
});

test("attack 9: a session ends with its certificate, unless there is a next one", async () => {
  const { sql, ...database } = await hub.openDatabase();
  const constraint = "full_disk check (event <> 'agent.renewed') not valid";
  await sql.unsafe(`alter table audit_log add constraint ${constraint}`);
  const leftMs = 6_000;
  const start = async () => {
    const session = await hub.connect(await hub.issueCertificate(leftMs));
    const { socket, channel } = session;
    socket.on("message", (data: Buffer) => {
      const { header, body } = channel.open(data);
      if (header.type !== "certificate") return;
      const { serialNumber } = new X509Certificate(parseCertificateBody(body).certificate);
      const { packs, auditHead, registryHead } = buildHello();
      const taken = {
        packs,
        auditHead,
        registryHead,
        certificateSerial: serialNumber.toLowerCase(),
      };
      socket.send(channel.seal({ type: "pack-report", body: encodeBody(taken) }));
    });
    socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
    return socket;
  };
  const cutOff = await start();
  const [code] = (await once(cutOff, "close")) as [number];
  expect(code).toBe(1001);
  await sql.unsafe("alter table audit_log drop constraint full_disk");
  await vi.waitFor(async () => {
    expect((await hub.ask("GET", "/agents/web-1")).answer["online"]).toBe(false);
  }, WAIT_MS);
  // The hub issues the next certificate and the agent takes it, so the session goes on.
  const renewed = await start();
  await new Promise((done) => setTimeout(done, leftMs + 1_500));
  expect(renewed.readyState).toBe(renewed.OPEN);
  expect((await hub.ask("GET", "/agents/web-1")).answer["online"]).toBe(true);
  renewed.terminate();
  await database.close();
});

test("an agent's word on a checkpoint is kept, and one that this hub did not sign is recorded", async () => {
  const { answer } = await hub.ask("POST", "/audit/checkpoints");
  const { size, root } = answer["checkpoint"] as { size: number; root: string };
  const { socket, channel } = await hub.connect();
  const hello = { ...buildHello(), protocol: OWN_PROTOCOL };
  const say = (body: object, type: "hello" | "witness" = "witness") =>
    socket.send(channel.seal({ type, body: encodeBody(body) }));
  say(hello, "hello");
  say({ size, root });
  const witnesses = async () =>
    ((await hub.ask("GET", "/audit/attestation")).answer["witnesses"] as object[]).at(0);
  await vi.waitFor(
    async () => expect(await witnesses()).toMatchObject({ agent: "web-1", size, root }),
    WAIT_MS,
  );
  const other = Buffer.alloc(32, 1).toString("base64");
  say({ size, root: other });
  await vi.waitFor(async () => {
    expect((await recordsOf("envelope.refused")).at(-1)).toMatchObject({
      ...{ agent: "web-1", status: "denied", code: "AUDIT_INCONSISTENT" },
      detail: { root: other },
    });
  }, WAIT_MS);
  expect(await witnesses()).toMatchObject({ size, root });
  socket.close();
});
