import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../product/run-program.ts";
import { cpuMs } from "./process-figures.ts";
import { writeSampleExport } from "./sample-export.ts";
import { round } from "./statistics.ts";

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
