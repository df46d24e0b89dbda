import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import { connectHub, type HubOptions, startHubCommand } from "../operator/connect-hub.ts";
import { printVerdict } from "./print-verdict.ts";
import { type VerifyOptions, verifyFile } from "./verify-file.ts";

type ExportOptions = HubOptions & { out?: string };

/** `sonde evidence export | verify`: all that proves one call, in one file. */
export function addEvidenceCommand(program: Command, print: Print): void {
  const evidence = program
    .command("evidence")
    .description("all that proves one call, in a file that anybody can verify");
  startHubCommand(evidence, "export <call-id>", "write the evidence of a call, and verify it")
    .option("--out <file>", "by default evidence-CALL_ID.json in this folder")
    .action((callId: string, options: ExportOptions) => exportEvidence(callId, options, print));
  evidence
    .command("verify <file>")
    .description("say what a file of evidence proves, by whom, and what not; needs no network")
    .option("--fingerprint <sha256>", "of the hub's CA, as the hosts pinned it at enrolment")
    .option("--pack <archive>", "compute the answer again with this archive of the pack")
    .option("--json", "print JSON")
    .action(async (file: string, options: VerifyOptions & { json?: boolean }) => {
      printVerdict(await verifyFile(file, options), options, print);
    });
}

async function exportEvidence(callId: string, options: ExportOptions, print: Print): Promise<void> {
  const { client } = connectHub(options);
  const evidence = await client.readEvidence(callId);
  const file = options.out ?? `evidence-${callId}.json`;
  try {
    replaceFile(file, `${JSON.stringify(evidence, null, 1)}\n`, 0o600);
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected --out where a file can be made, got ${file}`, {
      cause,
    });
  }
  const verified = { file, ...(await verifyFile(file, {})) };
  if (!options.json) print(`The evidence is in ${file}.`);
  printVerdict(verified, options, print);
}
