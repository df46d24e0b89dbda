import { spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { asAccount, ensureAccounts } from "../../cli/src/start/system-users.ts";
import type { Product } from "./start-product.ts";
import { findProgram } from "./test-packs.ts";

/** A registry beside the product's own. Its data folder is for `--data` of the commands. */
export type StartedRegistry = {
  data: string;
  url: string;
  logKey: string;
  stop(): Promise<void>;
};

/**
 * Starts the installed registry program with its own PostgreSQL, as the registry's user if there is
 * one. After a stop, starts it again on the same data.
 *
 * @param data a folder that service users can enter
 * @param settings further members of its configuration
 */
export async function startRegistry(
  product: Product,
  data: string,
  settings: object = {},
): Promise<StartedRegistry> {
  const accounts = ensureAccounts();
  const dataDir = join(data, "registry");
  chmodSync(data, 0o755);
  if (!existsSync(dataDir)) {
    mkdirSync(dataDir);
    if (accounts.separate) chownSync(dataDir, accounts.registry.uid, accounts.registry.gid);
  }
  const config = {
    dataDir,
    http: { host: "127.0.0.1", port: 0, behindProxy: false },
    admitPath: findProgram(product, "admit.js")[1],
    maxCapability: "observe",
    supervised: true,
    ...settings,
  };
  const configFile = join(data, "registry.json");
  writeFileSync(configFile, JSON.stringify(config), { mode: 0o644 });
  const [node, program] = findProgram(product, "registry.js");
  const line = [node, program, configFile];
  const { command, args } = asAccount(accounts, accounts.registry, [], line);
  const child = spawn(command, args, {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ready = await new Promise<string>((done, fail) => {
    createInterface({ input: child.stdout }).once("line", done);
    child.once("exit", (code) => fail(new Error(`the registry ended with ${code}`)));
  });
  const { port, logKey } = JSON.parse(ready) as { port: number; logKey: string };
  return {
    data,
    url: `http://127.0.0.1:${port}`,
    logKey,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await ended;
    },
  };
}
