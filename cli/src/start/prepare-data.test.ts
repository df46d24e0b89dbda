import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { AgentName } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { layoutOf } from "../data-layout.ts";
import { fitAgentName, prepareFolders } from "./prepare-data.ts";
import type { Account, Accounts } from "./system-users.ts";

const parseAgentName = buildParser(AgentName, "agent name", "BAD_REQUEST");

test.each([
  ["web-1", "web-1"],
  ["Web_1.Example.COM", "web-1.example.com"],
  ["-.web.-", "web"],
  [`${"a".repeat(59)}.example.com`, "a".repeat(59)],
  [`${"a".repeat(58)}--b`, "a".repeat(58)],
  [`...${"a".repeat(80)}`, "a".repeat(60)],
])("the host %j has an agent called %j", (host, name) => {
  expect(fitAgentName(host)).toBe(name);
  expect(parseAgentName(name)).toBe(name);
});

test("an unusable host name gives null", () => {
  expect(fitAgentName("___")).toBeNull();
});

describe.runIf(process.getuid?.() === 0)("prepared by root", () => {
  const NOBODY = 65_534;
  const account: Account = { user: "nobody", uid: NOBODY, gid: NOBODY };
  const users = { hub: account, registry: account, agent: account, runner: account };
  const accounts: Accounts = { separate: true, ...users };
  let root: string;
  beforeEach(() => {
    root = mkdtempSync("/tmp/sonde-prepare-");
    chmodSync(root, 0o755);
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const refused = expect.objectContaining({ code: "RIGHT_MISSING" });

  test("the folders belong to their services, also after a second start", () => {
    prepareFolders(layoutOf(root), accounts);
    prepareFolders(layoutOf(root), accounts);
    expect(statSync(join(root, "hub")).uid).toBe(NOBODY);
    expect(statSync(join(root, "config")).uid).toBe(0);
  });

  test("attack 71: a link in the place of a folder is not followed", () => {
    const elsewhere = join(root, "elsewhere");
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(root, "hub"));
    expect(() => prepareFolders(layoutOf(root), accounts)).toThrow(refused);
    expect(statSync(elsewhere).uid).toBe(0);
  });

  test.each(["config", "hub"])("a folder of another user is not taken over: %s", (name) => {
    mkdirSync(join(root, name));
    chownSync(join(root, name), 1, 1);
    expect(() => prepareFolders(layoutOf(root), accounts)).toThrow(refused);
    expect(statSync(join(root, name)).uid).toBe(1);
  });
});
