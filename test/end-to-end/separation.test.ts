import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { createWorkshop } from "@sonde/privileges/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { findLeftovers } from "../product/processes.ts";
import { runStart } from "../product/run-start.ts";
import {
  createDataFolder,
  type Endpoints,
  type Product,
  startProduct,
  until,
  workspace,
} from "../product/start-product.ts";
import { addPublisher, installPack, trustPublisher } from "../product/test-packs.ts";

const USERS = { hub: "sonde-hub", registry: "sonde-registry", agent: "sonde", runner: "sonde-run" };
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

/** A clone that service users cannot enter, because its parent is closed to them. */
const closed = mkdtempSync("/tmp/sonde-clone-");
const clone = join(closed, "sonde");

beforeAll(() => {
  chmodSync(closed, 0o700);
  execFileSync("git", ["clone", "--quiet", "--no-local", workspace, clone]);
});
afterAll(() => rmSync(closed, { recursive: true, force: true }));

function statusOf(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").trimEnd().split("\n");
  return new Map(lines.map((line) => [line.split(":")[0] ?? "", line.split(":\t")[1] ?? ""]));
}

function accountOf(user: string): { uid: string; gid: string } {
  const row = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${user}:`));
  const [, , uid = "", gid = ""] = row?.split(":") ?? [];
  return { uid, gid };
}

/** Whether a service's user can read a file, tried as that user. */
function canRead(user: string, file: string): boolean {
  const { uid, gid } = accountOf(user);
  const drop = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  return spawnSync("setpriv", [...drop, "cat", file], { stdio: "ignore" }).status === 0;
}

/** The single line of a failed start, as an error of the table. */
function errorOf(output: string): ErrorBody["error"] {
  return (JSON.parse(output.trim()) as ErrorBody).error;
}

describe.runIf(isRoot)("started as root, from a clone that only root can enter", () => {
  let product: Product;
  beforeAll(async () => {
    // Groups that every distribution has.
    const args = ["--yes", "--runner-groups", "disk,disk+adm"];
    product = await startProduct({ workspace: clone, args, hubs: 1 });
  });
  afterAll(() => product?.stop());

  test("answers", async () => {
    const client = await connectOlderClient(product.mcpUrl, product.apiKey);
    const answer = await client.call("system_overview", { agent: product.agent });
    expect(answer.results[0]?.status).toBe("ok");
    await client.close();
  });

  test.each(Object.entries(USERS))("runs the %s as %s and with nothing else", (role, user) => {
    const { uid, gid } = accountOf(user);
    const status = statusOf(product.pids[role] ?? 0);
    expect(status.get("Uid")).toBe([uid, uid, uid, uid].join("\t"));
    expect(status.get("Gid")).toBe([gid, gid, gid, gid].join("\t"));
    expect(status.get("Groups")?.trim()).toBe("");
    expect(status.get("NoNewPrivs")).toBe("1");
    for (const set of ["CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"]) {
      expect(BigInt(`0x${status.get(set)}`), set).toBe(0n);
    }
  });

  test("gives each extra runner exactly its groups, and each pack the matching runner", async () => {
    const gidOf = (group: string) =>
      execFileSync("getent", ["group", group], { encoding: "utf8" }).split(":")[2];
    const groupsOf = (role: string) =>
      statusOf(product.pids[role] ?? 0)
        .get("Groups")
        ?.trim();
    expect(groupsOf("runner-disk")).toBe(gidOf("disk"));
    expect(groupsOf("runner-adm+disk")).toBe([gidOf("adm"), gidOf("disk")].join(" "));

    const acme = await addPublisher(product, "acme");
    trustPublisher(product, acme);
    // Active means that there is a runner with both groups and no other.
    await installPack(product, acme, {
      name: "acme/both",
      version: "1.0.0",
      groups: ["adm", "disk"],
      sources: 'export const load = source.file({ path: "/proc/loadavg" });',
      probes: `look: probe({ description: "Looks once.", result: t.object({ looks: t.integer() }),
        reads: { load: sources.load }, run: ({ reads }) => ({ looks: reads.load.text === "" ? 0 : 1 }) })`,
    });
    const client = await connectOlderClient(product.mcpUrl, product.apiKey);
    const answer = await client.call("acme__both_look", { agent: product.agent });
    await client.close();
    expect(answer.results[0]?.data, answer.text).toEqual({ looks: 1 });
  });

  test("keeps each service's secrets from every other service's user", () => {
    const at = (...parts: string[]) => join(product.data, ...parts);
    const identity = readdirSync(at("agent", "identity")).map((name) =>
      at("agent", "identity", name),
    );
    const secrets = new Map<string, string[]>([
      [
        "sonde-hub",
        [
          at("hub", "operator-key"),
          ...readdirSync(at("hub", "keys")).map((name) => at("hub", "keys", name)),
        ],
      ],
      ["sonde", identity],
      ["sonde-registry", [at("registry", "postgres", "PG_VERSION")]],
    ]);
    for (const [owner, files] of secrets) {
      expect(files.length).toBeGreaterThan(0);
      for (const file of files) {
        const readers = Object.values(USERS).filter((user) => canRead(user, file));
        expect(readers, file).toEqual([owner]);
      }
    }
    // Only root has the publisher's key.
    const key = at("config", "publishers", "sonde.key");
    expect(Object.values(USERS).filter((user) => canRead(user, key))).toEqual([]);
  });

  test("refuses a data folder that the service users cannot enter", async () => {
    const start = runStart(["--yes", "--json", "--data", join(closed, "data"), "--port", "0"]);
    expect(await start.ended).toBe(1);
    const error = errorOf(start.out());
    expect(error.code).toBe("RIGHT_MISSING");
    expect(error.message).toContain(closed);
    expect(findLeftovers(join(closed, "data"))).toEqual([]);
  });
});

describe("started by an ordinary user", () => {
  const data = createDataFolder();
  const account = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  afterAll(async () => {
    await until("every process to end", () => findLeftovers(data).length === 0);
    rmSync(data, { recursive: true, force: true });
  });

  test("answers, runs as that user and says what this weakens", async () => {
    chmodSync(closed, 0o755);
    if (isRoot) chownSync(data, NOBODY, NOBODY);
    const start = runStart(["--yes", "--data", data, "--port", "0"], {
      cwd: clone,
      ...account,
      env: { HOME: data },
    });
    try {
      const ended = start.ended.then(() => true);
      const isReady = () => start.out().includes("Ready.");
      await Promise.race([ended, until("the product", isReady, 120_000)]);
      expect(start.out(), start.err()).toContain("Question  system_disk_usage");
      expect(start.out()).toMatch(/^Note .*one user/m);
      const endpoints = JSON.parse(
        readFileSync(join(data, "config", "endpoints.json"), "utf8"),
      ) as Endpoints;
      const uid = String(isRoot ? NOBODY : process.getuid?.());
      for (const role of Object.keys(USERS)) {
        const status = statusOf(endpoints.pids[role] ?? 0);
        expect(status.get("Uid"), role).toBe([uid, uid, uid, uid].join("\t"));
        expect(BigInt(`0x${status.get("CapEff")}`), role).toBe(0n);
        expect(status.get("NoNewPrivs"), role).toBe("1");
      }
    } finally {
      await start.terminate();
    }
  });
});

describe("the hub's listener", () => {
  test("beyond loopback needs TLS or a proxy, else the hub does not start", async () => {
    const workshop = await createWorkshop();
    const folder = join(workshop.folder, "hub");
    const config = join(folder, "hub.json");
    const program = join(workshop.folder, "hub.cjs");
    copyFileSync(join(workspace, "dist", "hub.js"), program);
    mkdirSync(folder);
    // The hub could create its data folder here, so the folder is missing for one reason only.
    chmodSync(folder, 0o777);
    writeFileSync(
      config,
      JSON.stringify({
        dataDir: join(folder, "data"),
        http: { host: "0.0.0.0", port: 0, behindProxy: false, publicHosts: [] },
        agents: { host: "127.0.0.1", enrolPort: 0, controlPort: 0, names: ["localhost"] },
        trustPolicyPath: join(folder, "trust.json"),
        admitPath: join(workspace, "dist", "admit.js"),
        callTimeoutMs: 1000,
        supervised: false,
      }),
    );
    const [command = "", ...args] = workshop.unprivileged([program, config]);
    const hub = spawnSync(command, args, { encoding: "utf8", timeout: 20_000, cwd: "/" });
    expect(hub.status).toBe(1);
    expect(errorOf(hub.stdout).code).toBe("INSECURE_LISTENER");
    expect(readdirSync(folder)).toEqual(["hub.json"]);
    workshop.close();
  });
});
