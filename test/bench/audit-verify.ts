import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { AuditAttestation } from "@sonde/schemas/audit";
import { createAuthority, openAuthority } from "@sonde/trust/ca";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { createKeyPair, createSigningKey } from "@sonde/trust/envelope";
import { hubLogKey, hubLogLeaf } from "@sonde/trust/hub-log";
import { appendLeaf, EMPTY_FRONTIER, rootOf, signCheckpoint, type Tree } from "@sonde/trust/log";
import { runProgram } from "../product/run-program.ts";
import { buildCall } from "./audit-append.ts";
import { cpuMs } from "./process-figures.ts";
import { round } from "./statistics.ts";

/** Room for the first line, which is known last. JSON may end with blanks. */
const FIRST_LINE = 16_384;
const TOGETHER = 1_000;

/** How long `sonde audit verify` takes for an export of so many entries, signed to the last one. */
export async function measureVerifyLog(entries: number, say: (text: string) => void) {
  const folder = mkdtempSync("/tmp/sonde-bench-");
  const file = join(folder, "export.jsonl");
  try {
    say(`an export of ${entries} entries ...`);
    await writeSampleExport(file, entries);
    say("verify ...");
    const [began, before] = [performance.now(), cpuMs(process.pid)];
    const { code, out, err } = await runProgram("sonde", ["audit", "verify", file, "--json"]);
    const [ms, cpu] = [performance.now() - began, cpuMs(process.pid) - before];
    const { signed } = JSON.parse(out) as { signed: { size: number } | null };
    if (code !== 0 || signed?.size !== entries) throw new Error(`it is not proven: ${out}${err}`);
    return { entries, seconds: round(ms / 1_000), cpuSeconds: round(cpu / 1_000) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function writeSampleExport(path: string, size: number): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.write(`${" ".repeat(FIRST_LINE - 1)}\n`);
    const { tree, head } = await writeEntries(file, size);
    const searched = { from: 1, to: size };
    await file.write(
      `${JSON.stringify({ complete: true, searched, entries: size, filters: {}, head })}\n`,
    );
    await file.write(JSON.stringify({ attestation: await attest(tree) }), 0);
  } finally {
    await file.close();
  }
}

async function writeEntries(file: FileHandle, size: number) {
  let head = EMPTY_HEAD;
  let frontier = EMPTY_FRONTIER;
  let lines: string[] = [];
  while (head.size < size) {
    const entry = chainRecord(head, buildCall());
    head = headAfter(entry);
    frontier = appendLeaf(frontier, hubLogLeaf(entry.hash));
    lines.push(`${JSON.stringify(entry)}\n`);
    if (lines.length < TOGETHER && head.size < size) continue;
    await file.write(lines.join(""));
    lines = [];
  }
  return { head, tree: { size, root: rootOf(frontier) } };
}

async function attest(tree: Tree): Promise<AuditAttestation> {
  const [hubId, at, since] = [randomUUID(), new Date(), new Date().toISOString()];
  const ca = await openAuthority(await createAuthority(hubId, at), () => at);
  const audit = createKeyPair("ed25519");
  const listed = ({ publicKey }: ReturnType<typeof createKeyPair>) => ({
    ...{ publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(), since },
    until: null,
  });
  const keySet = await ca.signKeySet({
    ...{ hubId, epoch: 0, version: 1, expiresAt: since },
    ...{ commandKeys: [listed(createKeyPair("ed25519"))], auditKeys: [listed(audit)] },
  });
  const signer = createSigningKey(audit.privateKey, audit.publicKey);
  const note = signCheckpoint(tree, hubLogKey(hubId, audit.publicKey), signer, at);
  const checkpoint = { size: tree.size, root: tree.root.toString("base64"), at: since, note };
  return {
    ...{ hubId, authority: ca.certificate, keySet, checkpoint },
    ...{ head: EMPTY_HEAD, unattested: 0, problem: null, witnesses: [], cosigned: [] },
  };
}
