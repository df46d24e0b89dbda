import {
  type AuditAttestation,
  type AuditEntry,
  type ChainEntry,
  parseAuditAttestation,
} from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  compareAgentLog,
  type Difference,
  type HubLogVerdict,
  type Stretch,
  verifyHubLog,
} from "@sonde/trust/hub-log";
import type { NoteKey } from "@sonde/trust/log";
import { type JudgedAuthority, judgeAuthority } from "../evidence/judge-authority.ts";
import { checkPieces, type Threads } from "./check-pieces.ts";
import { type Piece, readPieces, splitLines } from "./read-lines.ts";

/** What `sonde audit verify` found. */
export type Verified = HubLogVerdict & {
  authority: JudgedAuthority;
  differences: (Difference & { agent: string })[];
};

/** With what the export is compared. */
export type Known = {
  /** Of the hub's CA. */
  fingerprint: string | undefined;
  witnessKeys: readonly NoteKey[];
  agentLogs: readonly { agent: string; own: readonly AuditEntry[] }[];
};

/**
 * Verifies an export of the whole log of a hub.
 *
 * @param threads as `checkPieces` has them when this is not given
 * @throws SondeError AUDIT_UNAVAILABLE for an export that is not whole, or has a line that cannot be
 *   read, unless an entry before that is bad; what `verifyHubLog` and `checkPieces` throw
 */
export async function verifyExport(
  chunks: AsyncIterable<Buffer>,
  { fingerprint, witnessKeys, agentLogs }: Known,
  onProgress: (seq: number) => void,
  threads: Partial<Threads> = {},
): Promise<Verified> {
  const compared = agentLogs.map(({ agent, own }) => ({
    agent,
    comparison: compareAgentLog(agent, own),
  }));
  const { attestation, pieces } = await readAttestation(readPieces(chunks));
  const authority = judgeAuthority(attestation.authority, fingerprint);
  const agents = new Set(compared.map(({ agent }) => agent));
  const stretches = demandWhole(checkPieces(pieces, agents, threads), (entry) => {
    for (const { comparison } of compared) comparison.see(entry);
  });
  const verdict = await verifyHubLog(stretches, attestation, { onProgress, witnessKeys });
  const differences = compared.flatMap(({ agent, comparison }) =>
    comparison.end(verdict.dropped?.until ?? null).map((difference) => ({ agent, ...difference })),
  );
  return { ...verdict, authority, differences };
}

/** Reads the first line, and gives the others back. */
async function readAttestation(
  pieces: AsyncGenerator<Piece>,
): Promise<{ attestation: AuditAttestation; pieces: AsyncGenerator<Piece> }> {
  const { value: first } = await pieces.next();
  if (first === undefined) {
    throw new SondeError("AUDIT_UNAVAILABLE", "expected an export, got no line");
  }
  const [text = first] = splitLines(first);
  const line = parseJson(text, "first line of the export", "AUDIT_UNAVAILABLE");
  if (typeof line !== "object" || line === null || !("attestation" in line)) {
    throw new SondeError(
      "AUDIT_UNAVAILABLE",
      "expected an export of the whole log, which begins with its attestation; one with filters proves nothing",
    );
  }
  const others = first.slice(text.length + 1);
  return {
    attestation: parseAuditAttestation(line.attestation),
    pieces: others.length === 0 ? pieces : prepend(others, pieces),
  };
}

async function* prepend<Item>(first: Item, others: AsyncIterable<Item>): AsyncGenerator<Item> {
  yield first;
  yield* others;
}

/** @param see is given each entry that the stretches name, before they are judged */
async function* demandWhole(
  stretches: AsyncIterable<Stretch>,
  see: (entry: ChainEntry) => void,
): AsyncGenerator<Stretch> {
  let isWhole = false;
  for await (const stretch of stretches) {
    if (isWhole) throw new SondeError("AUDIT_UNAVAILABLE", "expected no line after the last one");
    for (const entry of stretch.seen.values()) see(entry);
    yield stretch;
    isWhole = stretch.end.is === "complete";
  }
  if (!isWhole) throw new SondeError("AUDIT_UNAVAILABLE", "the export ended before its last line");
}
