import { readFileSync, statSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { type EvidenceFinding, MAX_EVIDENCE_BYTES, parseEvidence } from "@sonde/schemas/evidence";
import { parseJson } from "@sonde/schemas/parse";
import { toPlainLine } from "@sonde/schemas/plain-text";
import { type EvidenceVerdict, verifyEvidence } from "@sonde/trust/evidence";
import { describeAuthority, type JudgedAuthority, judgeAuthority } from "./judge-authority.ts";

/** What a file of evidence proves, and by whose CA. */
export type VerifiedEvidence = EvidenceVerdict & { authority: JudgedAuthority };

/**
 * Verifies a file of evidence with nothing but the file.
 *
 * @param fingerprint of the hub's CA, as the user knows it
 * @throws SondeError BAD_REQUEST for what is no readable file, EVIDENCE_INVALID for another format,
 *   HUB_UNTRUSTED for another hub's
 */
export function verifyFile(file: string, fingerprint: string | undefined): VerifiedEvidence {
  const evidence = parseEvidence(parseJson(readFile(file), file, "EVIDENCE_INVALID"));
  const authority = judgeAuthority(evidence.hub.authority, fingerprint);
  return { ...verifyEvidence(evidence), authority };
}

const STATE: Record<EvidenceFinding["state"], string> = {
  proven: "PROVEN ",
  stated: "STATED ",
  missing: "MISSING",
  broken: "BROKEN ",
};

/** Words for people: one line for each finding, and what that means. */
export function describeEvidence({ callId, sound, findings, authority }: VerifiedEvidence): string {
  const lines = findings.map(
    ({ about, state, by, says }) => `${STATE[state]} ${about}: ${toPlainLine(`${by}: ${says}`)}.`,
  );
  const only = findings.filter(({ state }) => state === "stated").length;
  return [
    `Call ${callId}`,
    ...lines,
    describeAuthority(authority),
    sound
      ? `Nothing in it contradicts the rest. ${only} of it is the hub's word alone (STATED).`
      : "It contradicts itself: do not rely on any of it.",
  ].join("\n");
}

function readFile(file: string): Buffer {
  let bytes: number;
  try {
    bytes = statSync(file).size;
    if (bytes <= MAX_EVIDENCE_BYTES) return readFileSync(file);
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected a file that can be read, got ${file}`, { cause });
  }
  throw new SondeError(
    "EVIDENCE_INVALID",
    `expected a file of at most ${MAX_EVIDENCE_BYTES} bytes, got ${bytes}`,
  );
}
