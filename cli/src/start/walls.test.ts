import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../data-layout.ts";
import { installRuntime, type Runtime } from "./install-runtime.ts";
import { prepareFolders } from "./prepare-data.ts";
import { serviceFlags } from "./start-service.ts";
import { type Accounts, asAccount, ensureAccounts } from "./system-users.ts";

// What one process of the runners' user can do to another one, which is in more groups.
describe.runIf(process.getuid?.() === 0)("attack 49: a process of the runners' user", () => {
  const folder = mkdtempSync("/tmp/sonde-walls-");
  const layout = layoutOf(join(folder, "data"));
  let accounts: Accounts;
  let runtime: Runtime;
  let runner: ChildProcess;

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    accounts = ensureAccounts();
    prepareFolders(layout, accounts);
    const dist = join(folder, "dist");
    mkdirSync(dist);
    writeFileSync(join(dist, "runner.js"), `console.log("ready"); setInterval(() => 0, 1000);`);
    runtime = installRuntime(dist, layout.runtime, true);
    const program = join(runtime.folder, "runner.js");
    const argv = [runtime.node, ...serviceFlags("runner"), program];
    const { command, args } = asAccount(accounts, accounts.runner, [6], argv);
    runner = spawn(command, args, { cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
    await once(runner.stdout ?? runner, "data");
  });
  afterAll(() => {
    runner.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  const tryAs = (...command: string[]) => {
    const { command: setpriv, args } = asAccount(accounts, accounts.runner, [], command);
    return spawnSync(setpriv, args, { encoding: "utf8" });
  };

  test.each(["environ", "maps", "mem", "fd", "root", "auxv"])(
    "cannot open %s of the other",
    (file) => {
      const path = `/proc/${runner.pid}/${file}`;
      const opened =
        file === "fd" || file === "root" ? tryAs("ls", `${path}/`) : tryAs("head", "-c", "0", path);
      expect(opened.status, opened.stderr).not.toBe(0);
      expect(opened.stderr).toContain("Permission denied");
    },
  );

  test("cannot open a debugger in it, and does not end it by trying", async () => {
    expect(tryAs("kill", "-USR1", String(runner.pid)).status).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(runner.exitCode ?? runner.signalCode).toBe(null);
    const script = `fetch("http://127.0.0.1:9229/json").then(() => process.exit(7), () => process.exit(0))`;
    expect(tryAs(runtime.node, "-e", script).status).toBe(0);
  });

  test("cannot enter the folder of the runners' sockets", () => {
    const listed = tryAs("ls", "-d", join(layout.runnerSockets, "runner.sock"));
    expect(listed.stderr).toContain("Permission denied");
    expect(tryAs("touch", join(layout.runnerSockets, "runner.sock")).status).not.toBe(0);
  });
});
