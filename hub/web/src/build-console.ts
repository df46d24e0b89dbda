import { createHash } from "node:crypto";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { SIGN, TOKENS } from "@sonde/service/tokens";
import { build, type Plugin } from "esbuild";

const folder = join(import.meta.dirname, "page");
const PATH = "/console/assets/";

/** One file of the console in three encodings; the compressed two in base64. */
export type ConsoleFile = { type: string; text: string; gzip: string; brotli: string };

/** The document that every page of the console begins with, and what it loads, by path. */
export type Console = { page: ConsoleFile; assets: Record<string, ConsoleFile> };

/** The colours and the type that all pages of the product have. */
const tokens: Plugin = {
  name: "tokens",
  setup(bundler) {
    bundler.onResolve({ filter: /^sonde:tokens$/ }, ({ path }) => ({ path, namespace: "tokens" }));
    bundler.onLoad({ filter: /./, namespace: "tokens" }, () => ({
      contents: TOKENS,
      loader: "css",
    }));
  },
};

/**
 * Builds the console. Nothing in it comes from elsewhere, and no script or style is in a document. A
 * path has the hash of its bytes; the same sources give the same bytes.
 *
 * @throws when a source does not compile
 */
export async function buildConsole(): Promise<Console> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ["./main.tsx", "./style.css"],
    outdir: "out",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    // Browsers of 2024, which know light-dark().
    target: ["chrome123", "firefox120", "safari17.5"],
    conditions: ["sonde:source"],
    jsx: "automatic",
    jsxImportSource: "preact",
    plugins: [tokens],
    charset: "utf8",
    legalComments: "none",
    logLevel: "error",
  });
  const textOf = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? "";
  const assets: Console["assets"] = {};
  const add = (name: string, extension: string, type: string, text: string): string => {
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
    const path = `${PATH}${name}-${hash}.${extension}`;
    assets[path] = compress(type, text);
    return path;
  };
  const script = add("console", "js", "text/javascript; charset=utf-8", textOf(".js"));
  const style = add("console", "css", "text/css; charset=utf-8", textOf(".css"));
  const icon = add("sign", "svg", "image/svg+xml", SIGN);
  return {
    page: compress("text/html; charset=utf-8", writePage({ script, style, icon })),
    assets,
  };
}

function writePage({ script, style, icon }: Record<"script" | "style" | "icon", string>): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sonde</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body>
<div id="console"><noscript>The console needs JavaScript. The command <code>sonde</code> does all that it does.</noscript></div>
</body>
</html>
`;
}

function compress(type: string, text: string): ConsoleFile {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: Buffer.byteLength(text),
  };
  return {
    type,
    text,
    gzip: gzipSync(text, { level: constants.Z_BEST_COMPRESSION }).toString("base64"),
    brotli: brotliCompressSync(text, { params }).toString("base64"),
  };
}
