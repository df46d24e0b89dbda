import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

// Attack 8: what comes from outside is read by parseJson, which refuses a name twice and misreads
// none. The other readers are listed here with what they read.

const root = join(import.meta.dirname, "..");
const READERS: Record<string, string> = {
  "schemas/src/parse/read-json.ts": "parseJson itself",
  "cli/src/demo/stage.ts": "an answer that is only shown",
  "cli/src/operator/call-command.ts": "a value that the person typed, which the hub checks",
  "cli/src/start/child.ts": "the line of a service that the supervisor started",
  "foundation/database/src/find-binaries.ts": "files of an installed package",
  "foundation/scrub/src/explain-text.ts": "single strings and numbers of a text, to compare them",
  "foundation/scrub/src/scrub.ts": "text inside data, to find secrets in it",
  "foundation/trust/src/hub-log/read-line.ts": "a line that must be the very text of its value",
  "hub/src/directory/edge/to-storable.ts": "a statement that the hub parsed before",
  "hub/src/people/edge/vault.ts": "what the hub sealed",
  "hub/src/people/page/people.ts": "the hub's answer, in a page of it",
  "hub/src/rest/edge/sealed-answer.ts": "what the hub sealed",
  "pack-sdk/src/build/build-pack.ts": "the bundler's source map",
  "pack-sdk/src/parse/json.ts": "what a pack reads, inside its isolate",
  "pack-sdk/src/runtime/create-guest.ts": "an error of a guest, for its author",
  "registry/src/edge/store/life-store.ts": "rows that the registry wrote",
  "registry/src/edge/store/log-store.ts": "entries that the registry wrote or verified",
  "registry/src/edge/store/pack-search.ts": "rows that the registry wrote",
  "registry/src/edge/store/pack-store.ts": "rows that the registry wrote",
  "registry/src/edge/store/publisher-reader.ts": "rows that the registry wrote",
  "registry/src/edge/store/import-store.ts": "rows that the registry wrote",
  "registry/src/edge/store/trusted-publisher-store.ts": "rows that the registry wrote",
  "registry/src/edge/store/version-store.ts": "rows that the registry wrote",
};

test("JSON from outside has one reader", () => {
  const files = globSync("{agent/*,cli,foundation/*,hub,pack-sdk,registry,schemas}/src/**/*.ts", {
    cwd: root,
  }).filter((file) => !file.endsWith(".test.ts") && !file.includes("/testing/"));
  const found = files.filter((file) =>
    /JSON\.parse\(|\bawait \w+\.json\(\)/.test(readFileSync(join(root, file), "utf8")),
  );
  expect(found.toSorted()).toEqual(Object.keys(READERS).toSorted());
});
