import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { SondeError } from "@sonde/schemas/errors";
import { build as bundle, type BuildFailure, type OutputFile, type Plugin } from "esbuild";

/** A pack's sources as one script, with the source map. */
export type PackBundle = { code: string; sourceMap: string };

const SDK = fileURLToPath(new URL("../", import.meta.url));

/** Modules that a pack may import besides its own files -> their TypeScript files. */
export const GUEST_MODULES: ReadonlyMap<string, string> = new Map(
  ["author", "parse"].map((name) => [`@sonde/pack-sdk/${name}`, path.join(SDK, name, "index.ts")]),
);

const ENTRY = "src/pack.ts";

/**
 * Bundles `src/pack.ts` of a pack's folder. The text depends only on the sources, not on the
 * folder's path, the date or the user.
 *
 * @throws SondeError BUILD_FAILED naming file and line
 */
export async function bundlePack(folder: string): Promise<PackBundle> {
  try {
    const { outputFiles } = await bundle({
      absWorkingDir: path.resolve(folder),
      entryPoints: [ENTRY],
      outfile: "index.js",
      bundle: true,
      write: false,
      format: "iife",
      globalName: "pack",
      platform: "neutral",
      mainFields: ["module", "main"],
      target: "es2024",
      charset: "utf8",
      legalComments: "none",
      sourcemap: "external",
      logLevel: "silent",
      // The author's compiler options must not change the bytes.
      tsconfigRaw: "{}",
      plugins: [sdkPlugin],
    });
    return { code: textOf(outputFiles, ".js"), sourceMap: textOf(outputFiles, ".js.map") };
  } catch (error) {
    throw new SondeError("BUILD_FAILED", describeFailure(error), { cause: error });
  }
}

// esbuild writes each file's path into a comment. A separate namespace keeps the SDK's path on this
// machine out of the bundle.
const sdkPlugin: Plugin = {
  name: "sonde-pack-sdk",
  setup(build) {
    build.onResolve({ filter: /^@sonde\/pack-sdk\// }, (found) => {
      const file = GUEST_MODULES.get(found.path);
      return file === undefined ? null : { path: path.relative(SDK, file), namespace: "sonde" };
    });
    build.onResolve({ filter: /^\.\/[a-z-]+\.ts$/, namespace: "sonde" }, (found) => ({
      path: path.join(path.dirname(found.importer), found.path),
      namespace: "sonde",
    }));
    build.onLoad({ filter: /./, namespace: "sonde" }, async (found) => ({
      contents: await readFile(path.join(SDK, found.path), "utf8"),
      loader: "ts",
    }));
  },
};

function textOf(files: OutputFile[], ending: string): string {
  const file = files.find((candidate) => candidate.path.endsWith(ending));
  if (file === undefined) throw new Error(`expected a ${ending} from esbuild, got none`);
  return file.text;
}

function describeFailure(error: unknown): string {
  const { errors } = error as Partial<BuildFailure>;
  const [first] = errors ?? [];
  if (first === undefined) {
    return `expected ${ENTRY} to bundle: ${error instanceof Error ? error.message : "unknown"}`;
  }
  const { location, text } = first;
  return location === null ? text : `${location.file}:${location.line}: ${text}`;
}
