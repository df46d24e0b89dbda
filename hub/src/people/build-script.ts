import { join } from "node:path";
import { build } from "esbuild";

const folder = join(import.meta.dirname, "page");

/**
 * Builds the script of the pages on which people get in, as one file. The same sources give the same
 * bytes.
 *
 * @throws when a source does not compile
 */
export async function buildScript(): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ["./people.ts"],
    outdir: "out",
    write: false,
    bundle: true,
    minify: true,
    format: "iife",
    platform: "browser",
    // Browsers of 2024, which know light-dark().
    target: ["chrome123", "firefox120", "safari17.5"],
    charset: "ascii",
    legalComments: "none",
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
