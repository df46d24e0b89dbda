import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let root: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  root = mkdtempSync("/tmp/sonde-owner-");
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
  rmSync(root, { recursive: true });
});

type Attempt = { pid: number; said: string; kill(): Promise<void> };

/** A process that takes the data folder, says so or why not, and then stays. */
async function attempt(hub?: string, user?: { uid: number; gid: number }): Promise<Attempt> {
  const script = `
    import { ownDataFolder } from ${JSON.stringify(join(import.meta.dirname, "own-data-folder.ts"))};
    import { layoutOf } from ${JSON.stringify(join(import.meta.dirname, "../data-layout.ts"))};
    try {
      const announce = await ownDataFolder(layoutOf(${JSON.stringify(root)}));
      ${hub === undefined ? "" : `announce(${JSON.stringify(hub)});`}
      console.log("owns");
    } catch (error) { console.log(error.code + ": " + error.message); }
    setInterval(() => undefined, 1000);`;
  const flags = ["--conditions=sonde:source", "--input-type=module", "-e", script];
  const child = spawn(process.execPath, flags, {
    stdio: ["ignore", "pipe", "inherit"],
    ...user,
  });
  started.push(child);
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return {
    pid: child.pid ?? 0,
    said: chunk.toString().trim(),
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

test("attack 73: the second one learns who owns the folder, until that one was killed", async () => {
  const first = await attempt("http://127.0.0.1:4310");
  expect(first.said).toBe("owns");
  const second = await attempt();
  expect(second.said).toMatch(/^ALREADY_RUNNING: /);
  expect(second.said).toContain(`in use by process ${first.pid} since 20`);
  expect(second.said).toContain("its hub answers at http://127.0.0.1:4310");
  await first.kill();
  const third = await attempt();
  expect(third.said).toBe("owns");
  expect((await attempt()).said).toContain(`process ${third.pid}`);
  expect(readdirSync(root)).toEqual(["owner.lock"]);
});

test("of several at the same moment exactly one owns the folder", async () => {
  const all = await Promise.all(Array.from({ length: 4 }, () => attempt()));
  const [owner, ...more] = all.filter(({ said }) => said === "owns");
  expect(more).toEqual([]);
  for (const other of all.filter((one) => one !== owner)) {
    expect(other.said).toContain(`process ${owner?.pid}`);
  }
});

test.runIf(process.getuid?.() === 0).each([
  ["another's folder", 65_533, 0o777],
  ["an own folder that everybody may write to", 65_534, 0o777],
])("a start of an ordinary user writes nothing into %s", async (_what, owner, mode) => {
  chmodSync(root, mode);
  chownSync(root, owner, owner);
  const { said } = await attempt(undefined, { uid: 65_534, gid: 65_534 });
  expect(said).toMatch(/^RIGHT_MISSING: expected .* to belong to this user alone/);
  expect(readdirSync(root)).toEqual([]);
});
