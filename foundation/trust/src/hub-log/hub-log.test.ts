import { randomUUID } from "node:crypto";
import type {
  AuditAttestation,
  AuditEntry,
  AuditRecord,
  AuditWitness,
  ChainEntry,
} from "@sonde/schemas/audit";
import { buildAuditRecord } from "@sonde/schemas/audit";
import { decodeFrame, encodeBody, type LogHead, parseDsseEnvelope } from "@sonde/schemas/wire";
import { beforeAll, describe, expect, test } from "vitest";
import { type Authority, createAuthority, openAuthority } from "../ca/index.ts";
import { chainRecord, EMPTY_HEAD, headAfter } from "../chain/chain.ts";
import { createChannel } from "../envelope/channel.ts";
import { createKeyPair, createSigningKey } from "../envelope/keys.ts";
import { signCheckpoint } from "../log/checkpoint.ts";
import { cosignCheckpoint, readForeignCheckpoint } from "../log/cosignature.ts";
import { appendLeaf, EMPTY_FRONTIER, rootOf, type Tree } from "../log/merkle.ts";
import { stretchesOf } from "../testing/stretches-of.ts";
import { compareAgentLog } from "./compare-agent-log.ts";
import { hubLogKey, hubLogLeaf } from "./hub-log.ts";
import { verifyHubLog } from "./verify-hub-log.ts";

const AT = new Date("2026-01-02T03:04:05.000Z");
const hubId = randomUUID();
const agentId = randomUUID();
const [audit, command, agentKey] = [1, 2, 3].map(() => createKeyPair("ed25519")) as [
  ReturnType<typeof createKeyPair>,
  ReturnType<typeof createKeyPair>,
  ReturnType<typeof createKeyPair>,
];
let ca: Authority;
beforeAll(async () => {
  ca = await openAuthority(await createAuthority(hubId, AT), () => AT);
});

const toPem = (key: typeof audit) =>
  key.publicKey.export({ type: "spki", format: "pem" }).toString();

function buildLog(size: number, from: LogHead = EMPTY_HEAD, word = "as it was"): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let head = from;
  for (let index = 0; index < size; index++) {
    const entry = chainRecord(
      head,
      buildAuditRecord(AT, "log.opened", { detail: { index, word } }),
    );
    entries.push(entry);
    head = headAfter(entry);
  }
  return entries;
}

function treeOf(entries: readonly AuditEntry[]): Tree {
  let frontier = EMPTY_FRONTIER;
  for (const { hash } of entries) frontier = appendLeaf(frontier, hubLogLeaf(hash));
  return { size: frontier.size, root: rootOf(frontier) };
}

function witness({ size, root }: Tree, key = agentKey): AuditWitness {
  const body = { size, root: root.toString("base64") };
  const channel = createChannel({
    ...{ hubId, agentId, sessionId: "s".repeat(43), side: "agent" },
    signer: createSigningKey(key.privateKey, key.publicKey),
    peerKey: key.publicKey,
    now: () => AT.getTime(),
  });
  const frame = channel.seal({ type: "witness", body: encodeBody(body) });
  const parts = decodeFrame(frame, 16_384, "ENVELOPE_INVALID");
  const message = {
    envelope: parseDsseEnvelope(parts.head),
    body: parts.body.toString("base64"),
  };
  const publicKey = toPem(agentKey);
  return { ...body, agent: "web-1", agentId, at: AT.toISOString(), message, publicKey };
}

async function attest(
  signed: readonly AuditEntry[],
  seen: readonly AuditWitness[] = [],
  by = audit,
): Promise<AuditAttestation> {
  const since = AT.toISOString();
  const keySet = await ca.signKeySet({
    ...{ hubId, epoch: 0, version: 1, expiresAt: since },
    commandKeys: [{ publicKey: toPem(command), since, until: null }],
    auditKeys: [{ publicKey: toPem(audit), since, until: null }],
  });
  const tree = treeOf(signed);
  const signer = createSigningKey(by.privateKey, by.publicKey);
  const note = signCheckpoint(tree, hubLogKey(hubId, by.publicKey), signer, AT);
  const checkpoint = { size: tree.size, root: tree.root.toString("base64"), at: since, note };
  return {
    ...{ hubId, authority: ca.certificate, keySet, checkpoint },
    ...{ head: EMPTY_HEAD, unattested: 0, problem: null, witnesses: [...seen], cosigned: [] },
  };
}

const read = (entries: readonly ChainEntry[]) => stretchesOf(entries, 7);
const verify = async (entries: readonly ChainEntry[], attested: AuditAttestation) =>
  await verifyHubLog(read(entries), attested);

describe("a hub's log", () => {
  const log = buildLog(50);

  test("is proven to its newest checkpoint, and what comes after is an unattested tail", async () => {
    const verdict = await verify(log, await attest(log.slice(0, 40)));
    expect(verdict).toMatchObject({
      ...{ bad: null, signed: { size: 40, at: AT.toISOString() }, unattested: 10 },
      head: { size: 50, hash: log[49]?.hash },
    });
    const seen = [witness(treeOf(log.slice(0, 45)))];
    const more = await verify(log, await attest(log.slice(0, 40), seen));
    expect(more).toMatchObject({ bad: null, unattested: 5, witnesses: [{ says: "same" }] });
  });

  // Attack 59.
  test("an edited, removed, inserted, moved or doubled entry is named", async () => {
    const at = (index: number) => log[index] as AuditEntry;
    const other = buildAuditRecord(AT, "log.read", {});
    const changes: [string, AuditEntry[]][] = [
      ["edited", log.with(20, { ...at(20), record: other })],
      ["edited with its hash", log.with(20, chainRecord(headAfter(at(19)), other))],
      ["removed", log.toSpliced(20, 1)],
      ["inserted", log.toSpliced(20, 0, chainRecord(headAfter(at(19)), other))],
      ["doubled", log.toSpliced(20, 0, at(19))],
      ["moved", log.with(20, at(21)).with(21, at(20))],
    ];
    const attested = await attest(log.slice(0, 40));
    for (const [what, entries] of changes) {
      const { bad } = await verify(entries, attested);
      // The entry after the one that was written anew with its hash is the first that shows it.
      expect([what, bad?.seq]).toEqual([what, /with|inserted/.test(what) ? 22 : 21]);
    }
  });

  test("a chain that was computed anew after an edit is not the one that was signed or seen", async () => {
    const anew = [...log.slice(0, 20), ...buildLog(30, headAfter(log[19] as AuditEntry), "edited")];
    const bySignature = await verify(anew, await attest(log.slice(0, 40)));
    expect(bySignature.bad).toMatchObject({ seq: 40, proves: expect.stringMatching(/signed at/) });
    // Whoever has the audit key signs the new one. The agent still has the old one.
    const seen = [witness(treeOf(log.slice(0, 30)))];
    const byAgent = await verify(anew, await attest(anew.slice(0, 40), seen));
    expect(byAgent.bad).toMatchObject({
      seq: 30,
      proves: expect.stringMatching(/agent web-1 saw/),
    });
    expect(byAgent.witnesses).toMatchObject([{ says: "another" }]);
    const unseen = await verify(anew, await attest(anew.slice(0, 40)));
    expect(unseen.bad).toBe(null);
  });

  test("of several bad entries the first one is named, by whatever shows it", async () => {
    const anew = [...log.slice(0, 20), ...buildLog(30, headAfter(log[19] as AuditEntry), "edited")];
    const broken = anew.toSpliced(44, 1);
    expect((await verify(broken, await attest(log))).bad).toMatchObject({ seq: 45 });
    expect((await verify(broken, await attest(log.slice(0, 40)))).bad).toMatchObject({ seq: 40 });
  });

  test("where all after the first bad one were written anew, heads that were seen say in which part it is", async () => {
    const anew = [...log.slice(0, 20), ...buildLog(30, headAfter(log[19] as AuditEntry), "edited")];
    const seen = [witness(treeOf(log.slice(0, 15))), witness(treeOf(log.slice(0, 30)))];
    const { bad } = await verify(anew, await attest(log, seen));
    expect(bad).toMatchObject({ seq: 30, proves: expect.stringMatching(/one of 16 to 30 was/) });
  });

  test("a stretch that does not follow the one before it is named, as within one", async () => {
    const attested = await attest(log);
    for (const place of [6, 7, 8, 13, 14, 49]) {
      const removed = await verify(log.toSpliced(place, 1), attested);
      expect(removed.bad?.seq).toBe(place + 1);
      const at = log[place] as AuditEntry;
      const edited = log.with(place, { ...at, record: { ...at.record, status: "failure" } });
      const { bad, head } = await verify(edited, attested);
      expect([bad?.seq, bad?.proves, head.size]).toEqual([
        ...[place + 1, expect.stringMatching(/it was changed/), place],
      ]);
      const other = chainRecord({ size: place, hash: EMPTY_HEAD.hash }, at.record);
      expect((await verify(log.with(place, other), attested)).bad).toMatchObject({
        ...{ seq: place + 1, proves: expect.stringMatching(/after another/) },
      });
    }
  });

  test("a tail that was cut is missed by the signature and by agents", async () => {
    const cut = log.slice(0, 30);
    const bySignature = await verify(cut, await attest(log.slice(0, 40)));
    expect(bySignature.bad).toMatchObject({ seq: 31, proves: expect.stringMatching(/signed 40/) });
    const seen = [witness(treeOf(log.slice(0, 40)))];
    const byAgent = await verify(cut, await attest(cut, seen));
    expect(byAgent.bad).toMatchObject({ seq: 31, proves: expect.stringMatching(/web-1 saw 40/) });
    expect(byAgent.witnesses).toMatchObject([{ says: "ahead" }]);
  });

  test("a message that another key signed, or with other words, is no agent's word", async () => {
    const tree = treeOf(log.slice(0, 40));
    const forged = witness(tree, command);
    const changed = { ...witness(tree), size: 39 };
    const verdict = await verify(log, await attest(log.slice(0, 10), [forged, changed]));
    expect(verdict.witnesses.map(({ says }) => says)).toEqual(["unsigned", "unsigned"]);
    expect([verdict.bad, verdict.unattested]).toEqual([null, 40]);
  });

  test("a checkpoint of another key, and keys of another CA, are refused", async () => {
    await expect(verify(log, await attest(log, [], command))).rejects.toMatchObject({
      code: "HUB_UNTRUSTED",
    });
    const other = await openAuthority(await createAuthority(hubId, AT), () => AT);
    const foreign = { ...(await attest(log)), authority: other.certificate };
    await expect(verify(log, foreign)).rejects.toMatchObject({ code: "HUB_UNTRUSTED" });
  });

  test("entries without content are in the chain and in the tree, and no entry speaks for these", async () => {
    const at = (index: number) => log[index] as AuditEntry;
    const gone = ({ seq, previous, hash }: AuditEntry): ChainEntry => ({
      ...{ seq, previous, hash, dropped: true },
    });
    const attested = await attest(log.slice(0, 40));
    const removed = await verify([gone(at(0)), ...log.slice(1)], attested);
    expect(removed.bad).toMatchObject({ seq: 1, proves: expect.stringMatching(/part of/) });
    const all = await verify(log.map(gone), attested);
    expect(all.signed).toMatchObject({ size: 40 });
    expect(all.bad).toMatchObject({ proves: expect.stringMatching(/part of a segment/) });
    // A hash in its place that does not lead to the next entry.
    const other = { ...gone(at(0)), hash: at(5).hash };
    const broken = await verify([other, ...log.slice(1).map(gone)], attested);
    expect(broken.bad).toMatchObject({ seq: 2, proves: expect.stringMatching(/after another/) });
  });

  test("without a checkpoint all of it is an unattested tail", async () => {
    const attested = { ...(await attest(log)), checkpoint: null };
    expect(await verify(log, attested)).toMatchObject({ bad: null, signed: null, unattested: 50 });
  });
});

describe("the word of a witness outside", () => {
  const log = buildLog(50);
  const pair = createKeyPair("ed25519");
  const key = { name: "witness.example/w1", publicKey: pair.publicKey };

  async function cosigned(
    seen: readonly AuditEntry[],
    { by = pair, of = hubId, signedBy = audit } = {},
  ): Promise<AuditAttestation["cosigned"][number]> {
    const tree = treeOf(seen);
    const signer = createSigningKey(signedBy.privateKey, signedBy.publicKey);
    const note = signCheckpoint(tree, hubLogKey(of, signedBy.publicKey), signer, AT);
    const cosigner = createSigningKey(by.privateKey, by.publicKey);
    const line = cosignCheckpoint(
      readForeignCheckpoint(note),
      { name: key.name, publicKey: by.publicKey },
      cosigner,
      AT,
    );
    return {
      ...{ witness: "outside", note: `${note}${line}`, size: tree.size, at: AT.toISOString() },
    };
  }
  const judge = async (
    entries: readonly AuditEntry[],
    signed: readonly AuditEntry[],
    ...words: AuditAttestation["cosigned"]
  ) =>
    await verifyHubLog(
      read(entries),
      { ...(await attest(signed)), cosigned: words },
      { witnessKeys: [key] },
    );

  test("confirms entries that the hub alone speaks for", async () => {
    const verdict = await judge(log, log.slice(0, 10), await cosigned(log.slice(0, 45)));
    expect(verdict).toMatchObject({
      ...{ bad: null, unattested: 5 },
      cosignatures: [{ witness: key.name, size: 45, at: AT.toISOString(), says: "same" }],
    });
  });

  test("counts after the hub's key was rotated, since the witness has verified it", async () => {
    const word = await cosigned(log.slice(0, 45), { signedBy: command });
    expect(await judge(log, log.slice(0, 10), word)).toMatchObject({
      cosignatures: [{ says: "same" }],
    });
  });

  test("attack 59: names the entry when the hub's keys have signed another log", async () => {
    const anew = [...log.slice(0, 20), ...buildLog(30, headAfter(log[19] as AuditEntry), "edited")];
    const verdict = await judge(anew, anew, await cosigned(log.slice(0, 30)));
    expect(verdict.cosignatures).toMatchObject([{ size: 30, says: "another" }]);
    expect(verdict.bad).toMatchObject({
      seq: 30,
      proves: expect.stringMatching(/the witness witness\.example\/w1 cosigned/),
    });
  });

  test("attack 59: tells a log that was cut and signed again", async () => {
    const cut = log.slice(0, 30);
    const verdict = await judge(cut, cut, await cosigned(log.slice(0, 40)));
    expect(verdict.cosignatures).toMatchObject([{ says: "ahead" }]);
    expect(verdict.bad).toMatchObject({ seq: 31, proves: expect.stringMatching(/saw 40 entries/) });
  });

  test("is absent without one by its key over a checkpoint of this hub", async () => {
    const forged = await cosigned(log.slice(0, 30), { by: agentKey });
    const foreign = await cosigned(log.slice(0, 30), { of: randomUUID() });
    for (const words of [[], [forged], [foreign]]) {
      const verdict = await judge(log, log.slice(0, 10), ...words);
      expect(verdict).toMatchObject({
        ...{ bad: null, unattested: 40 },
        cosignatures: [{ witness: key.name, size: 0, at: null, says: "absent" }],
      });
    }
  });

  test("does not count when nobody named its key", async () => {
    const attested = await attest(log.slice(0, 10));
    const words = [await cosigned(log.slice(0, 45))];
    const verdict = await verify(log, { ...attested, cosigned: words });
    expect(verdict).toMatchObject({ unattested: 40, cosignatures: [] });
  });
});

describe("the log of an agent beside the hub's", () => {
  const calls = Array.from({ length: 4 }, () => randomUUID());
  const known = (callId: string) => ({
    ...{ callId, agent: "web-1", probe: "acme/a.b.c", principal: "key:1" },
  });
  /** @param change what is written otherwise */
  function write(
    records: ReturnType<typeof buildAuditRecord>[],
    change: (record: AuditRecord) => AuditRecord = (record) => record,
  ): AuditEntry[] {
    const entries: AuditEntry[] = [];
    let head: LogHead = EMPTY_HEAD;
    for (const record of records) {
      const entry = chainRecord(head, change(record));
      entries.push(entry);
      head = headAfter(entry);
    }
    return entries;
  }
  const recordsOf = (callId: string) => [
    buildAuditRecord(AT, "call.request", known(callId)),
    buildAuditRecord(AT, "call.response", { ...known(callId), status: "ok" }),
  ];
  const own = write(calls.flatMap(recordsOf));
  const hub = write(
    calls.flatMap((callId, index) => {
      const { seq: size, hash } = own[2 * index + 1] as AuditEntry;
      const [request, answer] = recordsOf(callId) as [AuditRecord, AuditRecord];
      return [request, { ...answer, detail: { agentHead: { size, hash } } }];
    }),
  );
  const compare = (
    there: readonly AuditEntry[],
    here: readonly AuditEntry[],
    droppedUntil: string | null = null,
  ) => {
    const comparison = compareAgentLog("web-1", here);
    for (const entry of there) comparison.see(entry);
    return comparison.end(droppedUntil);
  };

  test("the same calls agree, and those of other agents are left", () => {
    expect(compare(hub, own)).toEqual([]);
    const other = write([
      buildAuditRecord(AT, "call.request", { ...known(randomUUID()), agent: "db-1" }),
    ]);
    expect(compare([...hub, ...other], own)).toEqual([]);
  });

  test("a call that the hub has not, and one that the agent has not, is named", () => {
    const ofOthers = (index: number) => (entry: AuditEntry) => entry.record.callId !== calls[index];
    expect(compare(hub.filter(ofOthers(1)), own)).toMatchObject([
      { callId: calls[1], hubSeq: null, agentSeq: 3, proves: expect.stringMatching(/hub's entry/) },
    ]);
    // Another call was written in its place.
    const instead = randomUUID();
    const replaced = write(calls.with(2, instead).flatMap(recordsOf));
    expect(compare(hub, replaced)).toMatchObject([
      {
        callId: calls[2],
        hubSeq: 6,
        agentSeq: null,
        proves: expect.stringMatching(/agent's entry/),
      },
      { callId: calls[3], proves: expect.stringMatching(/another entry 8/) },
      { callId: instead, hubSeq: null },
    ]);
  });

  test("a call that they tell differently is named, with both entries", () => {
    const retold = write(calls.flatMap(recordsOf), (record) => ({
      ...record,
      principal: record.callId === calls[3] ? "key:2" : record.principal,
    }));
    expect(compare(hub, retold)).toMatchObject([
      {
        ...{ callId: calls[3], hubSeq: 7, agentSeq: 7 },
        proves: "the hub's principal is key:1, the agent's is key:2",
      },
      { callId: calls[3], hubSeq: 8, proves: expect.stringMatching(/another entry 8/) },
    ]);
  });

  test("a call that the agent refused agrees, and so does one that it could not record", () => {
    const refused = randomUUID();
    const denied = { ...known(refused), status: "denied", code: "PACK_NOT_ACTIVE" } as const;
    const [there] = write([buildAuditRecord(AT, "call.denied", denied)]) as [AuditEntry];
    const answer = (callId: string, code: string) =>
      buildAuditRecord(AT, "call.response", {
        ...{ ...known(callId), status: "failure", code },
        detail: { agentHead: { size: there.seq, hash: there.hash } },
      });
    const unrecorded = randomUUID();
    const asked = [refused, unrecorded].map((callId) =>
      buildAuditRecord(AT, "call.request", known(callId)),
    );
    const answers = [answer(refused, "PACK_NOT_ACTIVE"), answer(unrecorded, "AUDIT_UNAVAILABLE")];
    expect(compare(write([...asked, ...answers]), [there])).toEqual([]);
    expect(compare(write([...asked, answer(unrecorded, "CALL_TIMEOUT")]), [there])).toMatchObject([
      { callId: unrecorded, proves: expect.stringMatching(/agent's entry is missing/) },
    ]);
    expect(compare([], [there])).toMatchObject([{ callId: refused, hubSeq: null }]);
  });

  test("what the agent no longer keeps, or wrote after the copy, is not held against it", () => {
    expect(compare(hub.slice(4), own.slice(4))).toEqual([]);
    expect(compare(hub, own.slice(4))).toEqual([]);
    expect(compare(hub, own.slice(0, 4))).toEqual([]);
  });

  test("a call of before what the hub dropped is not held against the hub, and a later one is", () => {
    const hubs = hub.slice(4);
    expect(compare(hubs, own)).toHaveLength(2);
    expect(compare(hubs, own, AT.toISOString())).toEqual([]);
    const hourAgo = new Date(AT.getTime() - 3_600_000).toISOString();
    expect(compare(hubs, own, hourAgo)).toHaveLength(2);
  });

  test("entries that do not follow one another are no log", () => {
    expect(() => compareAgentLog("web-1", own.toSpliced(3, 1))).toThrowError(
      expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }),
    );
  });
});
