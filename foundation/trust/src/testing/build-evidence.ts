import { createHash, randomUUID } from "node:crypto";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import type { ErrorCode } from "@sonde/schemas/errors";
import type { Evidence } from "@sonde/schemas/evidence";
import type { Digest } from "@sonde/schemas/names";
import type { PublishEntry } from "@sonde/schemas/registry";
import type { PackLogProof, PackProof, Signer } from "@sonde/schemas/trust";
import { buildResult, buildStatement } from "@sonde/schemas/testing";
import {
  decodeFrame,
  encodeBody,
  type LogHead,
  type MessageType,
  parseDsseEnvelope,
  type ResultBody,
} from "@sonde/schemas/wire";
import { archiveDigest, contentDigest, readArchive } from "../archive/index.ts";
import { canonicalJson } from "../canonical-json.ts";
import { createAuthority, openAuthority } from "../ca/index.ts";
import { chainRecord, EMPTY_HEAD, headAfter } from "../chain/index.ts";
import {
  createChannel,
  createKeyPair,
  createSigningKey,
  keyIdOf,
  type KeptMessage,
  type Outgoing,
} from "../envelope/index.ts";
import { hubLogKey, hubLogLeaf } from "../hub-log/index.ts";
import {
  appendLeaf,
  EMPTY_FRONTIER,
  formatNoteKey,
  proveConsistency,
  proveInclusion,
  rootOf,
  signCheckpoint,
} from "../log/index.ts";
import { createSampleLog } from "./sample-log.ts";
import { buildSampleArchive, createSampleKey, signSample } from "./sample-pack.ts";

type SignedPack = Pick<PackProof, "bundle" | "publicKey"> & { signer: Signer };

/** What a hub or an agent with all its keys may do otherwise. */
export type EvidenceLies = {
  /** Members of the header with which the agent signs its answer. */
  header?: Partial<Record<keyof Outgoing, unknown>>;
  /** Members of the header with which the hub signs its order, its session, and the parameters in it. */
  order?: Partial<Record<keyof Outgoing, unknown>>;
  orderSession?: string;
  orderParams?: object;
  /** When the hub signs it, and when its CA says that the key was in use. */
  orderedAt?: Date;
  commandKey?: { since: Date; until: Date | null };
  /** The bundle of the pack, and the signer that the hub recorded; by default an RSA key's. */
  pack?: (archive: Uint8Array) => Promise<SignedPack>;
  /** What the hub records of the pack's name. */
  recordedPack?: object;
  /** Members of the entry in the registry's log. */
  published?: Partial<PublishEntry>;
  /** Members of the header with which the agent signs what it read, and another reading. */
  reads?: Partial<Record<keyof Outgoing, unknown>>;
  otherReads?: object;
  /** Members of the answer's body, and what the hub records of it. */
  result?: Partial<ResultBody>;
  recorded?: { status: "failure"; code: ErrorCode };
  /** What the hub records of the reads: by default what the agent signed. */
  recordedReads?: object[];
  /** Whether the hub records that it denied the call. */
  denied?: true;
  /** Whether the hub has an entry of an answer. */
  answered?: false;
  /** Digest of the content that the agent verified. */
  content?: Digest;
  /** When the agent signed its statement about itself. */
  attestedAt?: Date;
  /** Entries that the witness has: by default all but the last one; null for no witness. */
  witnessed?: number | null;
};

const SESSION = "s".repeat(43);
const AT = new Date("2026-01-02T03:04:05.000Z");
const sha256 = (data: string | Uint8Array) =>
  `sha256:${createHash("sha256").update(data).digest("hex")}` as const;

/** Builds the evidence of one call, with new keys of a CA, a hub and an agent. */
export async function buildEvidence(lies: EvidenceLies = {}): Promise<Evidence> {
  const [hubId, agentId, callId] = [randomUUID(), randomUUID(), randomUUID()];
  const [audit, command, own] = [
    createKeyPair("ed25519"),
    createKeyPair("ed25519"),
    createKeyPair("ed25519"),
  ];
  const toPem = ({ publicKey }: typeof audit) =>
    publicKey.export({ type: "spki", format: "pem" }).toString();
  let agentTime = AT;
  const channel = createChannel({
    ...{ hubId, agentId, sessionId: SESSION, side: "agent" },
    signer: createSigningKey(own.privateKey, own.publicKey),
    peerKey: command.publicKey,
    now: () => agentTime.getTime(),
  });
  const hubChannel = createChannel({
    ...{ hubId, agentId, sessionId: lies.orderSession ?? SESSION, side: "hub" },
    signer: createSigningKey(command.privateKey, command.publicKey),
    peerKey: own.publicKey,
    now: () => (lies.orderedAt ?? AT).getTime(),
  });
  const say = (
    type: MessageType,
    body: Uint8Array,
    more: Partial<Outgoing> = {},
    by = channel,
  ): KeptMessage => {
    const frame = by.seal({ type, body, ...more });
    const parts = decodeFrame(frame, 16_384, "ENVELOPE_INVALID");
    return { envelope: parseDsseEnvelope(parts.head), body: parts.body.toString("base64") };
  };

  const policy = '[["member",["own",{"tools":{"allow":["system.*"]}}]]]';
  const archive = buildSampleArchive({ manifest: { name: "sonde/system" } });
  const content = lies.content ?? contentDigest(readArchive(archive));
  const maker = createSampleKey();
  const byKey = {
    bundle: signSample(archive, maker),
    publicKey: maker.publicKeyPem,
    signer: {
      ...{ kind: "rsa-sha256" as const, publisher: "sonde" },
      keyId: keyIdOf(maker.privateKey),
    },
  };
  const signed: SignedPack = (await lies.pack?.(archive)) ?? byKey;
  const asked = {
    ...{ callId, principal: "key:1", probe: "system.memory" },
    packDigest: archiveDigest(archive),
  };
  const statement = {
    ...buildStatement(),
    packs: [
      {
        ...{ name: "sonde/system", version: "1.0.0", digest: asked.packDigest },
        ...{ verified: content, content },
      },
    ],
  };
  const nonce = Buffer.alloc(32, 1).toString("base64url");
  agentTime = lies.attestedAt ?? AT;
  const attestation = say("attestation", encodeBody({ nonce, statement }));
  agentTime = AT;
  const text = "MemTotal: 8000000 kB\n";
  const meminfo = { ok: true, samples: [{ at: 1, truncated: false, data: { text } }] };
  const reads = [
    {
      ...{ name: "meminfo", what: "file /proc/meminfo", bytes: text.length, ms: 0.4 },
      sha256: sha256(JSON.stringify(meminfo)),
    },
  ];
  const read = say("reads", encodeBody({ reads: lies.otherReads ?? { meminfo } }), {
    ...{ callId, ...(lies.reads as Partial<Outgoing>) },
  });
  const result = encodeBody({ ...buildResult(callId), reads, ...lies.result });
  const policyHash = sha256(policy);
  const answer = say("result", result, {
    ...asked,
    policyHash,
    ...(lies.header as Partial<Outgoing>),
  });

  const order = say(
    "call",
    encodeBody({ probe: asked.probe, params: lies.orderParams ?? {}, timeoutMs: 1_000 }),
    { ...asked, policyHash, ...(lies.order as Partial<Outgoing>) },
    hubChannel,
  );

  const known = { ...asked, agent: "web-1", status: "ok" as const };
  const filler = (index: number) => buildAuditRecord(AT, "log.opened", { detail: { index } });
  const request = buildAuditRecord(AT, lies.denied ? "call.denied" : "call.request", {
    ...known,
    detail: {
      ...{ decision: "allow", params: {}, policyHash, signer: signed.signer },
      pack: lies.recordedPack ?? { name: "sonde/system", version: "1.0.0" },
    },
  });
  const response = buildAuditRecord(AT, "call.response", {
    ...{ ...known, durationMs: 12.5, ...lies.recorded },
    detail: { reads: lies.recordedReads ?? reads, envelope: answer.envelope },
  });
  const records = [filler(1), filler(2), request, filler(3), response, filler(4), filler(5)];
  const entries: AuditEntry[] = [];
  let head: LogHead = EMPTY_HEAD;
  for (const record of records) {
    const entry = chainRecord(head, record);
    entries.push(entry);
    head = headAfter(entry);
  }
  const leaves = entries.map(({ hash }) => hubLogLeaf(hash));
  const rootAt = (size: number) => rootOf(leaves.slice(0, size).reduce(appendLeaf, EMPTY_FRONTIER));
  const readTile = ({ index, width }: { index: number; width: number }) =>
    Promise.resolve(Buffer.concat(leaves.slice(index * 256, index * 256 + width)));
  const inBase64 = (path: Buffer[]) => path.map((hash) => hash.toString("base64"));
  const size = entries.length;
  const prove = async (entry: AuditEntry | undefined) => {
    if (entry === undefined) throw new RangeError("expected an entry");
    return { entry, path: inBase64(await proveInclusion(entry.seq - 1, size, readTile)) };
  };

  const since = AT.toISOString();
  const ca = await openAuthority(await createAuthority(hubId, AT), () => AT);
  const keySet = await ca.signKeySet({
    ...{ hubId, epoch: 0, version: 1, expiresAt: since },
    commandKeys: [
      {
        publicKey: toPem(command),
        since: lies.commandKey?.since.toISOString() ?? since,
        until: lies.commandKey?.until?.toISOString() ?? null,
      },
    ],
    auditKeys: [{ publicKey: toPem(audit), since, until: null }],
  });
  const signer = createSigningKey(audit.privateKey, audit.publicKey);
  const tree = { size, root: rootAt(size) };
  const note = signCheckpoint(tree, hubLogKey(hubId, audit.publicKey), signer, AT);
  const witnessed = lies.witnessed ?? size - 1;
  const answers = lies.answered === false ? [] : [await prove(entries[4])];
  const seen = { size: witnessed, root: rootAt(witnessed).toString("base64") };
  return {
    ...{ format: "sonde-evidence/1", callId, policy },
    hub: { hubId, authority: ca.certificate, keySet },
    checkpoint: { size, root: tree.root.toString("base64"), at: since, note },
    entries: [await prove(entries[2]), ...answers],
    agent: { name: "web-1", agentId, publicKey: toPem(own), since },
    pack: {
      bundle: signed.bundle,
      publicKey: signed.publicKey,
      log: await publish({
        ...{ type: "publish", at: since, name: "sonde/system", version: "1.0.0" },
        ...{ digest: asked.packDigest, contentDigest: contentDigest(readArchive(archive)) },
        ...{ engines: { agent: "*" }, signer: signed.signer, ...lies.published },
      }),
    },
    ...{ order: { ...order, keySet }, result: answer.body, reads: read, attestation },
    witnesses:
      lies.witnessed === null
        ? []
        : [
            {
              ...{ ...seen, agent: "web-1", agentId, at: since, publicKey: toPem(own) },
              message: say("witness", encodeBody(seen)),
              path: inBase64(await proveConsistency(witnessed, size, readTile)),
            },
          ],
    gaps: [],
  };
}

/** Puts the entry into a new log of two, and proves that it is there. */
async function publish(entry: PublishEntry): Promise<PackLogProof> {
  const log = createSampleLog();
  const bytes = Buffer.from(canonicalJson(entry), "utf8");
  log.append(Buffer.from("{}"));
  const index = log.append(bytes);
  const path = await proveInclusion(index, log.frontier.size, log.readTile);
  return {
    ...{ key: formatNoteKey(log.key), note: log.checkpoint({ at: AT }), index },
    entry: bytes.toString("base64"),
    path: path.map((hash) => hash.toString("base64")),
  };
}
