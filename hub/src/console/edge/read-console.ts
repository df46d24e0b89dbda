import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildParser } from "@sonde/schemas/parse";
import { readConfiguredJson } from "@sonde/service";
import { Type } from "typebox";

const MAX_TEXT = 1_048_576;
const Encoded = Type.String({ maxLength: MAX_TEXT, pattern: "^[A-Za-z0-9+/]+={0,2}$" });
const closed = { additionalProperties: false } as const;
const File = Type.Object(
  {
    type: Type.String({ pattern: "^[a-z]+/[a-z+]+(; charset=utf-8)?$" }),
    text: Type.String({ maxLength: MAX_TEXT }),
    gzip: Encoded,
    brotli: Encoded,
  },
  closed,
);
const parseConsole = buildParser(
  Type.Object({ page: File, assets: Type.Record(Type.String(), File) }, closed),
  "console.json",
  "CONFIG_INVALID",
);
const ASSET = /^\/console\/assets\/[a-z]+-[0-9a-f]{16}\.(js|css|svg)$/;

/** A file of the console. A client gets the first of the encodings that it takes. */
export type ConsoleFile = {
  type: string;
  encodings: readonly { name: "br" | "gzip" | null; bytes: Buffer }[];
};

/** The console of this release. */
export type Console = { page: ConsoleFile; assets: ReadonlyMap<string, ConsoleFile> };

/**
 * Reads the console. The build writes it beside the hub's program, whose owner is root; in a source
 * tree there is none.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readConsole(program: string): Console | null {
  const path = join(dirname(program), "console.json");
  if (!existsSync(path)) return null;
  const { page, assets } = parseConsole(readConfiguredJson(path, "console.json"));
  return {
    page: decode(page),
    assets: new Map(
      Object.entries(assets)
        .filter(([name]) => ASSET.test(name))
        .map(([name, file]) => [name, decode(file)]),
    ),
  };
}

function decode(file: { type: string; text: string; gzip: string; brotli: string }): ConsoleFile {
  return {
    type: file.type,
    encodings: [
      { name: "br", bytes: Buffer.from(file.brotli, "base64") },
      { name: "gzip", bytes: Buffer.from(file.gzip, "base64") },
      { name: null, bytes: Buffer.from(file.text) },
    ],
  };
}
