import { createHash } from "node:crypto";
import { once } from "node:events";
import { type Evidence, parseEvidence } from "@sonde/schemas/evidence";
import { buildHello, buildResult, buildStatement } from "@sonde/schemas/testing";
import {
  type AgentStatement,
  type AttestBody,
  type CallBody,
  encodeBody,
  OWN_PROTOCOL,
  type PackReport,
} from "@sonde/schemas/wire";
import { contentDigest, readArchive } from "@sonde/trust/archive";
import { type EvidenceVerdict, verifyEvidence } from "@sonde/trust/evidence";
import { buildSampleArchive } from "@sonde/trust/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// The evidence that a running hub gives of a call, with an agent that the test plays.
const WAIT_MS = 15_000;
const read = { name: "motd", what: "file /etc/motd", bytes: 5, ms: 0.2 };
const content = contentDigest(readArchive(buildSampleArchive()));
let hub: TestHub;
let agent: AgentSession;
/** What the agent reads, of which it signs the digest. */
const outcome = { ok: true, samples: [{ at: 1, truncated: false, data: { text: "hello" } }] };
/** Whether the agent signs what it was asked, as one of an earlier release does not. */
let signsQuestion = true;
let answers = 0;

async function play(): Promise<AgentSession> {
  const session = await hub.connect();
  const { socket, channel } = session;
  socket.on("message", (frame: Buffer) => {
    const { header, body } = channel.open(frame);
    if (header.type === "attest") {
      const { nonce } = body as AttestBody;
      return socket.send(
        channel.seal({ type: "attestation", body: encodeBody({ nonce, statement: state() }) }),
      );
    }
    if (header.type !== "call" || header.callId === null || header.probe === null) return;
    const { callId, principal, probe, packDigest, policyHash } = header;
    const asked = signsQuestion ? { principal, probe, packDigest, policyHash } : {};
    const result = buildResult(callId);
    answers += 1;
    const digest = createHash("sha256").update(JSON.stringify(outcome)).digest("hex");
    const answer = encodeBody({ ...result, reads: [{ ...read, sha256: `sha256:${digest}` }] });
    if ((body as CallBody).sendReads === true) {
      const reads = encodeBody({ reads: { motd: outcome } });
      socket.send(channel.seal({ type: "reads", callId, body: reads }));
    }
    socket.send(channel.seal({ type: "result", callId, ...asked, body: answer }));
  });
  const hello = { ...buildHello({ packs: [packOf()] }), protocol: OWN_PROTOCOL };
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  await vi.waitFor(async () => {
    expect((await hub.ask("GET", "/agents/web-1/attestation")).answer["statement"]).toMatchObject({
      packs: [{ digest: hub.digest }],
    });
  }, WAIT_MS);
  return session;
}

const packOf = (): PackReport => ({
  ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
  ...{ signer: null, probes: ["greet"], reason: null },
  approved: { by: "root", at: "2026-01-02T03:04:05.000Z" },
});
const state = (): AgentStatement => ({
  ...buildStatement(),
  packs: [
    {
      ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest },
      ...{ verified: content, content },
    },
  ],
});

beforeAll(async () => {
  hub = await startHub();
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  agent = await play();
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

/** @returns the call's id */
async function call(tool = "acme__hello_greet"): Promise<string> {
  const { answer } = await hub.ask("POST", `/tools/${tool}/call`, { agent: "web-1" });
  return (answer["callIds"] as string[])[0] ?? "";
}

/** Has the agent keep the newest checkpoint. */
async function bearWitness(): Promise<void> {
  const { answer } = await hub.ask("POST", "/audit/checkpoints");
  const { size, root } = answer["checkpoint"] as { size: number; root: string };
  agent.socket.send(agent.channel.seal({ type: "witness", body: encodeBody({ size, root }) }));
  await vi.waitFor(async () => {
    const attestation = (await hub.ask("GET", "/audit/attestation")).answer;
    expect(attestation["witnesses"]).toMatchObject([{ agent: "web-1", size }]);
  }, WAIT_MS);
}

async function evidenceOf(callId: string): Promise<Evidence> {
  const { answer, code } = await hub.ask("GET", `/calls/${callId}/evidence`);
  expect(code).toBe(200);
  return parseEvidence(answer);
}

const listOf = ({ findings }: EvidenceVerdict) =>
  findings.map(({ about, state: is }) => `${about} ${is}`);
const wordsOf = ({ findings }: EvidenceVerdict, about: string) =>
  findings.flatMap((one) => (one.about === about ? [one.says] : [])).join(" / ");

/** What a sound call with all of its parts shows. */
const WHOLE = [
  ...["hub proven", "log proven", "witness proven", "witness stated"],
  ...["request stated", "policy proven"],
  ...["pack proven", "pack stated", "registry proven", "registry stated"],
  ...["answer proven", "answer stated", "order proven"],
  ...["result proven", "reads proven", "attestation proven"],
];

describe("a call with an answer", () => {
  let evidence: Evidence;
  beforeAll(async () => {
    const callId = await call();
    // By then its answer is in the log too.
    expect((await hub.ask("GET", `/calls/${callId}`)).code).toBe(200);
    await bearWitness();
    evidence = await evidenceOf(callId);
  });

  test("is shown by its evidence, without the hub", () => {
    const verdict = verifyEvidence(evidence);
    const noReads = { part: "reads", why: expect.stringContaining("evidence.sendReads") };
    expect([listOf(verdict), verdict.sound, evidence.gaps]).toEqual([WHOLE, true, [noReads]]);
    expect(verdict.result).toMatchObject({ callId: evidence.callId, status: "ok" });
    expect(wordsOf(verdict, "request")).toContain(`acme/hello.greet of ${hub.digest} on web-1`);
    expect(wordsOf(verdict, "answer")).toContain("and the question with it");
    expect(wordsOf(verdict, "registry")).toContain(
      "has acme/hello 1.0.0 with that archive as entry 0",
    );
    expect(wordsOf(verdict, "order")).toContain("and the answer came in the same session");
    expect(wordsOf(verdict, "reads")).toContain("1 digests: file /etc/motd");
    expect(wordsOf(verdict, "attestation")).toContain("with the pack as it was verified");
    expect(JSON.parse(evidence.policy ?? "")).toEqual([["admin", ["own", {}]]]);
  });

  test("that it was read is recorded", async () => {
    const { answer } = await hub.ask("GET", "/audit?event=log.read&limit=20");
    expect(answer["entries"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          record: expect.objectContaining({ detail: { evidence: evidence.callId } }),
        }),
      ]),
    );
  });
});

test("an agent of an earlier release signs the call's id only, and that is said", async () => {
  signsQuestion = false;
  const verdict = verifyEvidence(await evidenceOf(await call()));
  signsQuestion = true;
  expect(verdict.sound).toBe(true);
  expect(wordsOf(verdict, "answer")).toContain("and the call's id only");
});

test("a call that was denied has its reason, and names what there is not", async () => {
  const evidence = await evidenceOf(await call("acme__nothing"));
  const verdict = verifyEvidence(evidence);
  expect(verdict.sound).toBe(true);
  expect(wordsOf(verdict, "request")).toMatch(/was denied \(PROBE_UNKNOWN\)/);
  expect(listOf(verdict)).toContain("answer missing");
  expect(evidence.gaps.map(({ part }) => part)).toEqual(
    expect.arrayContaining(["agent", "order", "pack", "result", "attestation", "policy"]),
  );
});

test("a call that is not there has no evidence", async () => {
  const { code } = await hub.ask("GET", `/calls/${crypto.randomUUID()}/evidence`);
  expect(code).toBe("NOT_FOUND");
});

test("results are kept only as long as the configuration says", async () => {
  await hub.reload({ evidence: { resultDays: 0 } });
  const before = answers;
  const callId = await call();
  expect(answers).toBe(before + 1);
  const { order, result, gaps } = await evidenceOf(callId);
  expect([order, result, gaps.map(({ part }) => part)]).toEqual([
    ...[null, null],
    expect.arrayContaining(["order", "result"]),
  ]);
  await hub.reload({});
  expect((await evidenceOf(await call())).result).not.toBe(null);
});

test("what a pack read is kept when the configuration says so, and the call can be run again", async () => {
  await hub.reload({ evidence: { reads: true } });
  const evidence = await evidenceOf(await call());
  await hub.reload({});
  expect(evidence.gaps.map(({ part }) => part)).not.toContain("reads");
  const verdict = verifyEvidence(evidence);
  expect([verdict.sound, wordsOf(verdict, "reads")]).toEqual([
    true,
    expect.stringContaining("what the pack got of them is in the file, as it was signed"),
  ]);
  expect(verdict.run).toEqual({
    ...{ packDigest: hub.digest, probe: "acme/hello.greet" },
    input: { params: {}, reads: { motd: outcome }, now: expect.any(Number) },
  });
  // The running hub took it back.
  expect((await evidenceOf(await call())).reads).toBe(null);
});

test("keys that are no more are still known: of an agent that was removed, and of the hub", async () => {
  const callId = await call();
  agent.socket.close();
  await once(agent.socket, "close");
  expect((await hub.ask("DELETE", "/agents/web-1")).code).toBe(200);
  const { keySet } = (await evidenceOf(callId)).hub;
  const rotation = { key: "command", overlapDays: 0 };
  expect((await hub.ask("POST", "/signing-keys/rotations", rotation)).code).toBe(201);
  const evidence = await evidenceOf(callId);
  expect(evidence.agent).toMatchObject({ name: "web-1", agentId: hub.agent.id });
  const verdict = verifyEvidence(evidence);
  expect([verdict.sound, listOf(verdict)]).toEqual([
    true,
    expect.arrayContaining(["answer proven", "order proven", "attestation proven"]),
  ]);
  expect(evidence.hub.keySet).not.toEqual(keySet);
}, 60_000);
