import { GUEST_MODULES } from "@sonde/pack-sdk/build";
import { UNWRITTEN_README } from "@sonde/trust/archive";

/** The files of a new pack, by path: one probe that reads two small files. */
export function buildTemplate(name: string): ReadonlyMap<string, string> {
  return new Map([
    ["src/pack.ts", PACK.replaceAll("NAME", name)],
    ["src/sources.ts", SOURCES],
    ["src/greet.ts", GREET],
    ["fixtures/greet.json", `${JSON.stringify(FIXTURE, null, 2)}\n`],
    ["tsconfig.json", `${JSON.stringify(buildTsconfig(), null, 2)}\n`],
    ["README.md", README.replaceAll("NAME", name)],
    ["LICENSE", LICENSE.replaceAll("PUBLISHER", name.slice(0, name.indexOf("/")))],
    [".gitignore", "dist/\n*.key\n"],
  ]);
}

const PACK = `import { pack } from "@sonde/pack-sdk/author";
import { greet } from "./greet.ts";
import * as sources from "./sources.ts";

export default pack({
  name: "NAME",
  version: "0.1.0",
  description: "Says hello from a host and how long it has been up.",
  license: "MIT",
  repository: "https://example.com/NAME",
  sources,
  probes: { greet },
});
`;

const SOURCES = `import { source } from "@sonde/pack-sdk/author";

// Everything that this pack can read. Users see exactly this list before they approve it.
export const hostName = source.file({ path: "/proc/sys/kernel/hostname", maxBytes: 256 });
export const uptime = source.file({ path: "/proc/uptime", maxBytes: 256 });
`;

const GREET = `import { probe, t } from "@sonde/pack-sdk/author";
import { parseNumber, splitWords } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const greet = probe({
  // For an AI reader: what the probe answers and when to call it. It must end with a period.
  description: "Greets by name and says how long the host has been up.",
  params: t.object({
    name: t.optional(t.string({ maxLength: 40, description: "whom to greet" })),
  }),
  result: t.object({
    greeting: t.string(),
    uptimeHours: t.number(),
  }),
  reads: { hostName: sources.hostName, uptime: sources.uptime },
  // A pure function of the data that the agent has read. It can reach nothing else.
  run({ params, reads }) {
    const seconds = parseNumber(splitWords(reads.uptime.text)[0], "uptime");
    return {
      greeting: \`Hello \${params.name ?? "you"}, this is \${reads.hostName.text.trim()}.\`,
      uptimeHours: Math.round(seconds / 360) / 10,
    };
  },
});
`;

const AT = Date.UTC(2026, 0, 1);
const recorded = (text: string) => ({
  ok: true,
  samples: [{ at: AT, truncated: false, data: { text } }],
});

const FIXTURE = {
  captured: { tool: "Linux 6.1", distribution: "Debian 12 (bookworm)" },
  probe: "greet",
  params: { name: "Ada" },
  now: AT,
  reads: { hostName: recorded("web-1\n"), uptime: recorded("9000.00 17000.00\n") },
  expected: { result: { greeting: "Hello Ada, this is web-1.", uptimeHours: 2.5 } },
};

/** No Node and no DOM types: the compiler knows exactly what exists in the isolate. */
function buildTsconfig() {
  return {
    compilerOptions: {
      target: "es2024",
      lib: ["es2024"],
      types: [],
      module: "esnext",
      moduleResolution: "bundler",
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      allowImportingTsExtensions: true,
      noEmit: true,
      // Where this machine has the SDK; \`sonde-pack build\` finds it without this.
      paths: Object.fromEntries([...GUEST_MODULES].map(([name, file]) => [name, [file]])),
    },
    include: ["src"],
  };
}

const README = `# NAME

${UNWRITTEN_README}

    sonde-pack build      # dist/*.tgz, the same bytes for the same sources
    sonde-pack test       # every fixtures/*.json in the real isolate
    sonde-pack sign ...   # then publish

A new probe is one file in \`src/\` and one line in \`src/pack.ts\`.
`;

const LICENSE = `MIT License

Copyright (c) the authors of PUBLISHER

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;
