import { readFileSync, statSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { type EvidenceFinding, MAX_EVIDENCE_BYTES, parseEvidence } from "@sonde/schemas/evidence";
import { parseJson } from "@sonde/schemas/parse";
import { toPlainLine } from "@sonde/schemas/plain-text";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { type EvidenceVerdict, verifyEvidence } from "@sonde/trust/evidence";
import { describeAuthority, type JudgedAuthority, judgeAuthority } from "./judge-authority.ts";
import { recompute } from "./recompute.ts";

export type VerifyOptions = {
  /** Of the hub's CA, as the user knows it. */
  fingerprint?: string;
  /** A file with the pack's archive, to compute the answer again. */
  pack?: string;
};

/** What a file of evidence proves, and by whose CA. */
export type VerifiedEvidence = Omit<EvidenceVerdict, "run"> & {
  authority: JudgedAuthority;
  /** Whether the answer can be computed again, with the pack's archive. */
  isRepeatable: boolean;
};

/**
 * Verifies a file of evidence with nothing but the file, and the pack's archive if it is given.
 *
 * @throws SondeError BAD_REQUEST for what is no readable file, EVIDENCE_INVALID for another format,
 *   HUB_UNTRUSTED for another hub's, DIGEST_MISMATCH for another pack
 */
export async function verifyFile(
  file: string,
  { fingerprint, pack }: VerifyOptions,
): Promise<VerifiedEvidence> {
  const evidence = parseEvidence(
    parseJson(readFile(file, MAX_EVIDENCE_BYTES), file, "EVIDENCE_INVALID"),
  );
  const authority = judgeAuthority(evidence.hub.authority, fingerprint);
  const verdict = verifyEvidence(evidence);
  const { run, ...verified } = verdict;
  const { sound, findings } = verified;
  const judged = { ...verified, authority, isRepeatable: run !== null };
  if (pack === undefined || !sound) return judged;
  const found = await recompute(verdict, readFile(pack, MAX_ARCHIVE_BYTES));
  return { ...judged, findings: [...findings, found], sound: found.state !== "broken" };
}

const STATE: Record<EvidenceFinding["state"], string> = {
  proven: "PROVEN ",
  stated: "STATED ",
  missing: "MISSING",
  broken: "BROKEN ",
};

/** Words for people: one line for each finding, and what that means. */
export function describeEvidence(verified: VerifiedEvidence): string {
  const { callId, sound, findings, authority, isRepeatable } = verified;
  const lines = findings.map(
    ({ about, state, by, says }) => `${STATE[state]} ${about}: ${toPlainLine(`${by}: ${says}`)}.`,
  );
  const only = findings.filter(({ state }) => state === "stated").length;
  return [
    `Call ${callId}`,
    ...lines,
    describeAuthority(authority),
    ...(isRepeatable && findings.every(({ about }) => about !== "recomputed")
      ? ["Its reads are in the file: --pack ARCHIVE computes the answer again."]
      : []),
    sound
      ? `Nothing in it contradicts the rest. ${only} of it is the hub's word alone (STATED).`
      : "It contradicts itself: do not rely on any of it.",
  ].join("\n");
}

function readFile(file: string, most: number): Buffer<ArrayBuffer> {
  let bytes: number;
  try {
    bytes = statSync(file).size;
    if (bytes <= most) return readFileSync(file);
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected a file that can be read, got ${file}`, { cause });
  }
  throw new SondeError(
    "EVIDENCE_INVALID",
    `expected a file of at most ${most} bytes, got ${bytes}`,
  );
}
