// Entry of `sonde-evidence`, which verifies a file of evidence and does nothing else. It is bundled
// into dist/cli/sonde-evidence.js: one file that needs Node and no network. Only to run a pack again it
// needs guest-child.js beside it, and isolated-vm.
import { parseArgs } from "node:util";
import { SondeError } from "@sonde/schemas/errors";
import { printVerdict } from "./evidence/print-verdict.ts";
import { verifyFile } from "./evidence/verify-file.ts";
import { createTerminal } from "./terminal.ts";

const USAGE = `Usage: sonde-evidence FILE [--fingerprint SHA256] [--pack ARCHIVE] [--json]
Says what a file of evidence proves, by whom, and what not.
With the pack's archive it also computes the answer again, where the reads are in the file.
Exit code: 0 when nothing in it contradicts the rest, and the answer is the same again where that was
asked; 1 otherwise.`;

const terminal = createTerminal((text) => text);

async function verify(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.help === true) return terminal.print(USAGE);
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new SondeError("BAD_REQUEST", USAGE);
  printVerdict(await verifyFile(file, values), values, terminal.print);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        fingerprint: { type: "string" },
        pack: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `${String(cause)}\n${USAGE}`);
  }
}

void terminal.run(verify);
