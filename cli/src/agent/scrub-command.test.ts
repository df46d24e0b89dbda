import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;
const at = (name: string) => join(folder, name);
const secrets = "port=1\nDB_PASSWORD=hunter2\n  BADGE-123456\n";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-scrub-"));
  writeFileSync(at("app.env"), secrets);
  const badge = { name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" };
  writeFileSync(at("agent.json"), JSON.stringify({ scrub: { patterns: [badge] } }));
  writeFileSync(at("plain.json"), JSON.stringify({ stateDir: "/x" }));
  const wrong = { ...badge, example: "swordfish" };
  writeFileSync(at("wrong.json"), JSON.stringify({ scrub: { patterns: [wrong] } }));
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(args: string[], input = "") {
  const program = join(import.meta.dirname, "../sonde.ts");
  const node = ["--conditions=sonde:source", program, "agent", "scrub", ...args];
  const { stdout, stderr, status } = spawnSync(process.execPath, node, {
    input,
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin" },
  });
  return { stdout, stderr, status };
}

test("a file is printed as it would leave the host, with the patterns of a configuration", () => {
  const clean = "port=1\nDB_PASSWORD=[redacted:password#1]\n  [redacted:own-badge#2]\n\n";
  const shown = run([at("app.env"), "--config", at("agent.json")]);
  expect(shown).toEqual({ stdout: clean, stderr: "", status: 0 });
  expect(run(["-", "--config", at("plain.json")], secrets).stdout).toBe(
    clean.replace("[redacted:own-badge#2]", "BADGE-123456"),
  );
});

test("--explain says rule, line and column, and never a value", () => {
  const args = [at("app.env"), "--config", at("agent.json"), "--explain"];
  expect(run(args).stdout).toBe("2:13  password\n3:3  own-badge\n");
  const { stdout } = run([...args, "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    redactions: { count: 2, rules: { "own-badge": 1, password: 1 } },
    findings: [
      { rule: "password", place: { line: 2, column: 13 } },
      { rule: "own-badge", place: { line: 3, column: 3 } },
    ],
  });
  expect(run(["-", "--explain"], "nothing").stdout).toBe("Nothing would be replaced.\n");
  const numbered = run(["-", "--explain"], '{"b": "x", "1": 2, "password": "hunter2"}');
  expect(numbered.stdout).toBe("somewhere  password\n");
});

test("a wrong pattern, a wrong configuration and a missing file are refused by name", () => {
  const wrong = run(["-", "--config", at("wrong.json")], "x");
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toMatch(/^CONFIG_INVALID: scrub pattern badge: expected .* its example/);
  expect(wrong.stderr).not.toContain("swordfish");
  expect(run(["-", "--config", at("app.env")]).stderr).toContain("CONFIG_INVALID");
  const missing = run([at("missing")]);
  expect(missing.status).toBe(1);
  expect(missing.stderr).toContain(at("missing"));
});
