import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Workshop, createWorkshop } from "@sonde/privileges/testing";

// Runs the reads as an unprivileged user. Needs root, to create another user's files.
let workshop: Workshop;
let script: string;
const isRoot = process.getuid?.() === 0;
const server = createServer();

beforeAll(async () => {
  workshop = await createWorkshop();
  script = await workshop.bundle(
    "read",
    `import { performReads } from "./agent/runner/src/powers/powers.ts";
     const { outcomes } = await performReads(JSON.parse(process.argv[2]), 3000, { denyPaths: [], onOverdue() {} });
     console.log(outcomes.toString("utf8"));`,
  );
  const mode = isRoot ? 0o640 : 0;
  writeFileSync(join(workshop.folder, "log"), "x");
  chmodSync(join(workshop.folder, "log"), mode);
  mkdirSync(join(workshop.folder, "closed"), { mode: 0o700 });
  if (!isRoot) chmodSync(join(workshop.folder, "closed"), 0);
  symlinkSync("/etc/hostname", join(workshop.folder, "link"));
  const socket = join(workshop.folder, "socket");
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  chmodSync(socket, isRoot ? 0o660 : 0);
});
afterAll(() => {
  server.close();
  workshop.close();
});

test("a refused read names the path and the group that may read it", () => {
  const limits = { timeoutMs: 2000, maxBytes: 1000 };
  const at = (name: string) => join(workshop.folder, name);
  const sources = {
    log: { kind: "file", path: at("log"), ...limits },
    closed: { kind: "file", path: at("closed/x"), ...limits },
    listing: { kind: "directory", path: at("closed"), names: "all", maxEntries: 9, ...limits },
    socket: { kind: "http", socket: at("socket"), path: "/", ...limits },
    children: {
      kind: "directory",
      path: workshop.folder,
      names: "all",
      child: "x",
      maxEntries: 99,
      ...limits,
    },
  };
  const reads = Object.entries(sources).map(([name, source]) => ({ name, source, values: {} }));
  const [command, ...argv] = workshop.unprivileged([script, JSON.stringify(reads)]);
  const { stdout } = spawnSync(command ?? "", argv, { encoding: "utf8" });
  const outcomes = JSON.parse(stdout) as Record<
    string,
    { failure?: { code: string; message: string } }
  >;
  for (const name of ["log", "closed", "listing", "socket"]) {
    expect(outcomes[name]?.failure).toMatchObject({ code: "PERMISSION_NEEDED" });
    expect(outcomes[name]?.failure?.message).toContain(workshop.folder);
  }
  expect(outcomes["log"]?.failure?.message).toContain(isRoot ? "needs the group root" : "group");
  expect(JSON.stringify(outcomes["children"])).toContain(
    '{"name":"closed","failure":{"code":"PERMISSION_NEEDED"',
  );
});

test("a journal that may be read in part only is a missing right, not an empty journal", async () => {
  const check = await workshop.bundle(
    "journal",
    `import { requireWholeJournal } from "./agent/runner/src/powers/journal.ts";
     for (const folder of JSON.parse(process.argv[2])) {
       try { requireWholeJournal([folder]); console.log("whole"); }
       catch (error) { console.log(error.code); }
     }`,
  );
  const at = (name: string) => join(workshop.folder, name);
  const closed = isRoot ? 0o640 : 0;
  const write = (machine: string, name: string, mode: number): void => {
    mkdirSync(at(machine), { recursive: true });
    writeFileSync(at(`${machine}/${name}`), "");
    chmodSync(at(`${machine}/${name}`), mode);
  };
  write("whole/m", "system.journal", 0o644);
  write("foreign/m", "user-1000.journal", closed);
  write("part/m", "user-1000.journal", 0o644);
  write("part/m", "system.journal", closed);
  write("archived/m", "system.journal", 0o644);
  write("archived/m", "system@1-2.journal", closed);
  const folders = ["none", "foreign", "whole", "part", "archived", "closed"].map(at);
  const [command, ...argv] = workshop.unprivileged([check, JSON.stringify(folders)]);
  const { stdout } = spawnSync(command ?? "", argv, { encoding: "utf8" });
  expect(stdout.trim().split("\n")).toEqual([
    ...["SOURCE_NOT_FOUND", "SOURCE_NOT_FOUND", "whole"],
    ...["PERMISSION_NEEDED", "PERMISSION_NEEDED", "PERMISSION_NEEDED"],
  ]);
});
