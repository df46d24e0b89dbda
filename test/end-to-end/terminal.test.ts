import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { findLeftovers } from "../product/processes.ts";
import { createDataFolder, until, workspace } from "../product/start-product.ts";

// What a person at a terminal sees of `npm start`.

const START_MS = 120_000;
const ESCAPE = "\u001b[";
const data = createDataFolder();
const started: ChildProcess[] = [];
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await until("every process to end", () => findLeftovers(data).length === 0, START_MS);
  rmSync(data, { recursive: true, force: true });
});

function startInTerminal(env: NodeJS.ProcessEnv = {}) {
  const line = `exec npm start -s -- --data ${data} --port 0`;
  const child = spawn("script", ["-qefc", line, "/dev/null"], {
    cwd: workspace,
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm", ...env },
  });
  started.push(child);
  let seen = "";
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  const type = (keys: string) => child.stdin.write(keys);
  const declined = new Set(["sonde/system"]);
  const declineOthers = () => {
    for (const [, pack = ""] of seen.matchAll(/Grant this to (\S+) on this host\?/g)) {
      if (!declined.has(pack)) type("n\r");
      declined.add(pack);
    }
  };
  return {
    ...{ type, seen: () => seen },
    /** Waits for a text. Meanwhile it says no to every pack but sonde/system. */
    async sees(text: string) {
      const look = () => {
        declineOthers();
        return seen.includes(text);
      };
      await until(text, look, START_MS).catch((problem: Error) => {
        throw new Error(`${problem.message}; the terminal shows:\n${seen}`, { cause: problem });
      });
    },
    ended: once(child, "close").then(([code]) => code as number | null),
  };
}

const stripColours = (text: string) => text.replaceAll(/\p{Cc}\[[0-9;]*m/gu, "");

test("Ctrl-C at a question ends everything in one sentence, and grants nothing", async () => {
  const terminal = startInTerminal();
  await terminal.sees("Grant this to sonde/system on this host?");
  const before = terminal.seen();
  expect(before).toMatch(/files +.*\/proc \([0-9]+\)/);
  expect(before).not.toContain("/proc/meminfo");
  if (!existsSync("/var/run/docker.sock")) {
    expect(before).not.toContain("Grant this to sonde/docker on this host?");
    expect(before).toContain("this host has no /var/run/docker.sock");
  }
  terminal.type("d\r");
  await terminal.sees("/proc/meminfo");
  terminal.type("\u0003");
  expect(await terminal.ended).toBe(130);
  expect(terminal.seen()).toContain("Stopped at the question");
  expect(terminal.seen()).not.toMatch(/INTERNAL|node:internal/);
  await until("every process to end", () => findLeftovers(data).length === 0, START_MS);
});

test("yes gives a table in colour; address and Claude's command are last", async () => {
  const terminal = startInTerminal({ NO_COLOR: "" });
  await terminal.sees("Grant this to sonde/system on this host?");
  terminal.type("y\r");
  await terminal.sees("claude mcp add");
  await terminal.sees("client-key)");
  expect(stripColours(terminal.seen())).toMatch(/\[#*-*\] +[0-9]+ % {2}[0-9.]+ [KMGTP]?i?B of/);
  expect(terminal.seen()).toContain(ESCAPE);
  const lines = terminal.seen().trimEnd().split("\n");
  expect(lines.at(-2)).toContain("MCP ");
  expect(lines.at(-1)).toContain("Claude ");
  terminal.type("\u0003");
  expect(await terminal.ended).toBe(0);
});

test("NO_COLOR is honoured", async () => {
  const terminal = startInTerminal({ NO_COLOR: "1" });
  await terminal.sees("claude mcp add");
  expect(terminal.seen()).not.toContain(`${ESCAPE}3`);
  expect(terminal.seen()).not.toContain(`${ESCAPE}1m`);
  terminal.type("\u0003");
  expect(await terminal.ended).toBe(0);
});
