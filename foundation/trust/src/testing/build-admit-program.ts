import { join } from "node:path";
import { build } from "esbuild";

/**
 * Bundles the admit program as a release does.
 *
 * @param path where to write it; ends in `.cjs`
 */
export async function buildAdmitProgram(path: string): Promise<void> {
  await build({
    entryPoints: [join(import.meta.dirname, "../admit/main.ts")],
    outfile: path,
    bundle: true,
    platform: "node",
    format: "cjs",
    conditions: ["sonde:source"],
    logLevel: "error",
  });
}
