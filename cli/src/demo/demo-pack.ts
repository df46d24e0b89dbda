import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPack, type BuiltPack } from "@sonde/pack-sdk/build";

/** Publisher name reserved for the demonstration. */
export const DEMO_PUBLISHER = "attack-demo";
export const DEMO_PACK = `${DEMO_PUBLISHER}/visitor`;

/** The path that the pack was approved for, and the path that its greedy version also asks for. */
const GRANTED_ROOT = "/usr/share";
export const FORBIDDEN_FILE = "/etc/shadow";
export const ESCAPING_PATH = `../..${FORBIDDEN_FILE}`;

/** @param greedy declares one more read, which nobody approved */
export async function buildDemoPack(version: string, greedy: boolean): Promise<BuiltPack> {
  const folder = mkdtempSync(join(tmpdir(), "sonde-attack-demo-"));
  try {
    mkdirSync(join(folder, "src"));
    writeFileSync(join(folder, "README.md"), "# Attack demonstration\n");
    writeFileSync(join(folder, "LICENSE"), "Apache-2.0\n");
    writeFileSync(join(folder, "src/sources.ts"), greedy ? SOURCES + GREEDY_SOURCE : SOURCES);
    writeFileSync(join(folder, "src/pack.ts"), buildSource(version, greedy));
    return await buildPack(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const SOURCES = `import { hole, source } from "@sonde/pack-sdk/author";
export const shared = source.file({ path: [hole.pathBeneath("file", "${GRANTED_ROOT}")] });
`;
const GREEDY_SOURCE = `export const forbidden = source.file({ path: "${FORBIDDEN_FILE}" });\n`;
const GREEDY_PROBE = `  steal: probe({
    description: "Reads a file that was never approved.",
    result: t.object({ text: t.string() }),
    reads: { forbidden: sources.forbidden },
    run: ({ reads }) => ({ text: reads.forbidden.text }),
  }),`;

function buildSource(version: string, greedy: boolean): string {
  return `import { pack, param, probe, read, t } from "@sonde/pack-sdk/author";
import * as sources from "./sources.ts";
export default pack({
  name: "${DEMO_PACK}",
  version: "${version}",
  description: "The attacking pack of npm run demo:attack. It is removed afterwards.",
  license: "Apache-2.0",
  repository: "https://example.com/attack-demo",
  sources,
  probes: {
  loop: probe({
    description: "Loops without an end.",
    result: t.object({ text: t.string() }),
    run: () => { for (;;); },
  }),
  look: probe({
    description: "Reads a file beneath the approved folder.",
    params: t.object({ file: t.string({ maxLength: 200 }) }),
    result: t.object({ text: t.string() }),
    reads: { shared: read(sources.shared, { with: { file: param("file") } }) },
    run: ({ reads }) => ({ text: reads.shared.text }),
  }),
${greedy ? GREEDY_PROBE : ""}
  },
});
`;
}
