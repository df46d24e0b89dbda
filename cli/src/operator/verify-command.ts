import { createReadStream, readFileSync } from "node:fs";
import { type AuditAttestation, type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { toPlainLine } from "@sonde/schemas/plain-text";
import type { CosignatureVerdict, WitnessVerdict } from "@sonde/trust/hub-log";
import { type NoteKey, parseNoteKey } from "@sonde/trust/log";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import { describeAuthority } from "../evidence/judge-authority.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { showProgress } from "./start-command.ts";
import { type Verified, verifyExport } from "./verify-export.ts";

type Options = HubOptions & {
  fingerprint?: string;
  agentLog?: [string, string][];
  witness?: NoteKey[];
};

/** `sonde audit verify`: checks the hub's log by what its keys and its agents say of it. */
export function addVerify(audit: Command, print: Print): void {
  startHubCommand(
    audit,
    "verify [export]",
    "check every entry against the hub's signatures and its agents' words: of a hub, or of an export",
  )
    .option("--fingerprint <sha256>", "of the hub's CA, as the hosts pinned it at enrolment")
    .option(
      "--agent-log <agent=file>",
      "compare with an agent's own log: sonde-agent audit tail --last 100000 --json > file",
      addAgentLog,
    )
    .option(
      "--witness <vkey>",
      "the key of a witness outside, whose newest cosignature must fit; may be repeated",
      addWitness,
    )
    .action((file: string | undefined, options: Options) => verifyAndPrint(file, options, print));
}

/** @param file an export; without it the log of a hub, which signs it first */
export async function verifyAndPrint(
  file: string | undefined,
  options: Options,
  print: Print,
): Promise<void> {
  const chunks = file === undefined ? readOnline(options) : readFile(file);
  const known = {
    fingerprint: options.fingerprint,
    witnessKeys: options.witness ?? [],
    agentLogs: (options.agentLog ?? []).map(([agent, path]) => ({
      agent,
      own: readAgentLog(path),
    })),
  };
  const verified = await verifyExport(chunks, known, (seq) => showProgress(`${seq} entries`));
  showProgress(null);
  print(options.json ? JSON.stringify(verified) : describe(verified));
  if (!isSound(verified)) process.exitCode = 1;
}

/** The first line of an export of the whole log: what proves it. */
export function attestationLine(attestation: AuditAttestation): string {
  return `${JSON.stringify({ attestation })}\n`;
}

function addAgentLog(text: string, before: [string, string][] = []): [string, string][] {
  const at = text.indexOf("=");
  if (at > 0 && at < text.length - 1) return [...before, [text.slice(0, at), text.slice(at + 1)]];
  throw new SondeError("BAD_REQUEST", `expected --agent-log AGENT=FILE, got ${text}`);
}

function addWitness(text: string, before: NoteKey[] = []): NoteKey[] {
  try {
    return [...before, parseNoteKey(text, "cosignature")];
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected --witness NAME+KEYID+BASE64, got ${text}`, {
      cause,
    });
  }
}

/** Has the log signed first, so that the unattested tail is the question itself. */
async function* readOnline(options: Options): AsyncGenerator<Buffer> {
  const { client } = connectHub(options);
  yield Buffer.from(attestationLine(await client.signAudit()));
  yield* await client.exportAudit({});
}

async function* readFile(file: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected a file that can be read, got ${file}`, { cause });
  }
}

function readAgentLog(file: string): AuditEntry[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected --agent-log that can be read, got ${file}`, {
      cause,
    });
  }
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => parseAuditEntry(parseJson(line, file, "AUDIT_UNAVAILABLE")));
}

function isSound({ bad, differences, witnesses, cosignatures }: Verified): boolean {
  const seen = [...witnesses, ...cosignatures];
  return bad === null && differences.length === 0 && seen.every(({ says }) => says === "same");
}

function describe(verified: Verified): string {
  const { authority, bad, differences, dropped, head, signed, unattested, witnesses } = verified;
  const lines: string[] = [];
  if (bad !== null) lines.push(`BROKEN at entry ${bad.seq}: ${bad.proves}.`);
  lines.push(
    head.size === 0
      ? "No entry follows from the first one."
      : `Entries 1 to ${head.size} follow one another. The last one's hash is ${head.hash}.`,
  );
  if (dropped !== null) {
    const { entries, to, until, saidBy } = dropped;
    lines.push(
      `${entries} of them, up to entry ${to} and until ${until}, have no content any more: entry ${saidBy} (log.dropped) says that the hub dropped it.`,
    );
  }
  lines.push(
    signed === null
      ? "No signature of the hub's audit key covers them."
      : `The hub's audit key signed entries 1 to ${signed.size} at ${signed.at}.`,
  );
  const same = witnesses.filter(({ says }) => says === "same");
  const from = same.map(({ size }) => size);
  lines.push(
    same.length === 0
      ? "No agent's word confirms them."
      : `${same.length} of ${witnesses.length} agents keep a checkpoint of them, the newest of ${Math.max(...from)} entries.`,
  );
  lines.push(...witnesses.filter(({ says }) => says !== "same").map(describeWitness));
  lines.push(...verified.cosignatures.map(describeCosignature));
  lines.push(
    ...differences.map(
      ({ agent, callId, hubSeq, agentSeq, proves }) =>
        `Call ${callId} differs (entry ${hubSeq ?? "none"} here, ${agentSeq ?? "none"} at ${toPlainLine(agent)}): ${toPlainLine(proves)}.`,
    ),
  );
  if (unattested > 0) {
    lines.push(
      `Unattested tail of ${unattested}: nobody but the hub speaks for these entries yet.`,
    );
  }
  lines.push(describeAuthority(authority));
  return lines.join("\n");
}

const WITNESS: Record<WitnessVerdict["says"], string> = {
  same: "has the same",
  another: "has another log",
  ahead: "has seen more entries than there are",
  unsigned: "is said to have one, and its key did not sign that",
};

function describeWitness({ agent, size, says }: WitnessVerdict): string {
  return `Agent ${toPlainLine(agent)}, checkpoint of ${size} entries: it ${WITNESS[says]}.`;
}

const COSIGNATURE: Record<CosignatureVerdict["says"], string> = {
  same: "it cosigned the same",
  another: "it cosigned another log",
  ahead: "it cosigned more entries than there are",
  absent: "nothing here is cosigned by its key",
};

function describeCosignature({ witness, size, at, says }: CosignatureVerdict): string {
  const what = at === null ? "" : `, ${size} entries at ${at}`;
  return `Witness ${witness}${what}: ${COSIGNATURE[says]}.`;
}
