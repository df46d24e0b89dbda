import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Requests and answers that a file's table of routes names: `Request -> Answer`. */
function bodiesOf(file: string): string[] {
  const text = readFileSync(join(import.meta.dirname, file), "utf8");
  const routes = text.split("\n").filter((line) => /^\/\/ +(GET|PUT|POST|DELETE) +\//.test(line));
  return routes.flatMap((line) => {
    const [, request, answer] = /(?: ([A-Z]\w+))? +-> +([A-Z]\w+)/.exec(line) ?? [];
    return [request, answer].filter((name) => name !== undefined);
  });
}

test.each([
  ["hub-api.ts", 10],
  ["policy.ts", 6],
  ["registry/registry-api.ts", 5],
  ["agent-api.ts", 3],
  ["wire/enrolment.ts", 3],
])("every body of %s is published as JSON Schema", (file, least) => {
  const bodies = new Set(bodiesOf(file));
  expect(bodies.size).toBeGreaterThanOrEqual(least);
  const missing = [...bodies].filter((name) => {
    const kebab = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
    return !existsSync(join(import.meta.dirname, `../json/${kebab}.json`));
  });
  expect(missing).toEqual([]);
});
