import { openGuestProcess } from "@sonde/pack-sdk/guest-process";
import { SondeError } from "@sonde/schemas/errors";
import type { EvidenceFinding } from "@sonde/schemas/evidence";
import { splitProbeId } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { MARKER_IN_TEXT, scrub } from "@sonde/scrub";
import { archiveDigest, readArchive } from "@sonde/trust/archive";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { EvidenceVerdict, SignedRun } from "@sonde/trust/evidence";

/** An auditor's machine may be slower than the host, which gives a pack 5 s. */
const MOST_MS = 60_000;
/** As on a host. */
const MEMORY_MB = 64;

/**
 * Runs the pack once more, in the isolate, with what it got when the call was answered, and compares
 * its answer with the one that was signed.
 *
 * @param verdict of a file that does not contradict itself
 * @param archive of the pack
 * @throws SondeError DIGEST_MISMATCH for another archive than the call's, ARCHIVE_INVALID,
 *   PACK_TIMEOUT, PACK_CRASHED
 */
export async function recompute(
  { run, result }: EvidenceVerdict,
  archive: Uint8Array,
): Promise<EvidenceFinding> {
  const find = (state: EvidenceFinding["state"], says: string): EvidenceFinding => ({
    ...{ about: "recomputed", state, by: "this program", says },
  });
  if (run === null || result === null) {
    return find("missing", "the answer's order and reads are not both in the file");
  }
  const answer = await runAgain(run, archive);
  if (!answer.ok) {
    const { code, message } = answer.failure;
    if (code === "PACK_FAILED") {
      return find("broken", `with these reads the pack gives no answer: ${code} ${message}`);
    }
    const needs = "to run a pack needs guest-child.js beside this program, and isolated-vm";
    throw new SondeError(code, `${message}; ${needs}`);
  }
  const again = parseJson(answer.result, "the pack's answer", "RESULT_INVALID");
  if (canonicalJson(again) === canonicalJson(result.data)) {
    return find("proven", "with these reads and parameters the pack gives this answer");
  }
  // The host scrubs what the pack answers. Its markers have numbers, which begin anew here.
  const [ours, signed] = [toText(scrubAsHost(again)), toText(result.data)];
  if (ours === signed) {
    return find("proven", "with these reads and parameters the pack gives this answer, scrubbed");
  }
  const known = rulesIn(ours);
  const own = [...rulesIn(signed)].filter((rule) => !known.has(rule));
  return own.length > 0
    ? find("missing", `the host replaced values by rules of its own (${own.join(", ")})`)
    : find("broken", "with these reads and parameters the pack gives another answer");
}

async function runAgain({ packDigest, probe, input }: SignedRun, archive: Uint8Array) {
  const digest = archiveDigest(archive);
  if (digest !== packDigest) {
    throw new SondeError("DIGEST_MISMATCH", `expected the archive ${packDigest}, got ${digest}`);
  }
  const file = readArchive(archive).find(({ path }) => path === "index.js");
  if (file === undefined) throw new SondeError("ARCHIVE_INVALID", "expected index.js, got none");
  const code = Buffer.from(file.bytes).toString("utf8");
  const guest = openGuestProcess({ code, memoryMb: MEMORY_MB });
  try {
    return await guest.run(splitProbeId(probe).probe, JSON.stringify(input), MOST_MS);
  } finally {
    guest.close();
  }
}

function scrubAsHost(value: unknown): unknown {
  const deadline = performance.now() + MOST_MS;
  return scrub(value, { deadline, now: () => performance.now(), counts: new Map() });
}

const toText = (value: unknown): string =>
  canonicalJson(value).replaceAll(MARKER_IN_TEXT, "[redacted:$1]");

const rulesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(MARKER_IN_TEXT)].map(([, rule = ""]) => rule));
