import { createHash } from "node:crypto";
import { join } from "node:path";
import { build } from "esbuild";
import { VIEW_NAMES, type ViewName } from "../core/views.ts";

const folder = join(import.meta.dirname, "page");

/** Beside the client's own policy, which a picture cannot see: nothing but its script and its style. */
function writePolicy(script: string, style: string): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/**
 * Builds the pictures, each as one document that loads nothing. The same sources give the same bytes.
 *
 * @throws when a source does not compile
 */
export async function buildViews(): Promise<Record<ViewName, string>> {
  const documents = await Promise.all(
    VIEW_NAMES.map(async (name) => [name, await buildView(name)] as const),
  );
  return Object.fromEntries(documents) as Record<ViewName, string>;
}

async function buildView(name: ViewName): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: [`./${name}.ts`, "./style.css"],
    outdir: "out",
    write: false,
    bundle: true,
    minify: true,
    format: "iife",
    platform: "browser",
    // Browsers of 2024, which know light-dark().
    target: ["chrome123", "firefox120", "safari17.5"],
    conditions: ["sonde:source"],
    charset: "ascii",
    legalComments: "none",
    logLevel: "error",
  });
  const textOf = (end: string) => {
    const file = outputFiles.find(({ path }) => path.endsWith(end));
    // A script ends at this text, wherever it stands.
    return file?.text.trim().replaceAll("</", "<\\/") ?? "";
  };
  const script = textOf(".js");
  const style = textOf(".css");
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${writePolicy(script, style)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>Sonde: ${name}</title>`,
    `<style>${style}</style></head>`,
    `<body><script>${script}</script></body></html>`,
    "",
  ].join("\n");
}
