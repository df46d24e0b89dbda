import { execFileSync, type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

// The real path needs root and a Docker-compatible engine. The product alone sees this engine at the
// usual path, so no other start on this machine asks for a grant of it.
const missing = [
  process.getuid?.() === 0 ? null : "root",
  existsSync("/usr/bin/podman") || process.env["CI"] !== undefined ? null : "podman",
].filter((what) => what !== null);
if (missing.length > 0) {
  process.stderr.write(
    `NOT CHECKED: sonde/docker through the product; needs ${missing.join(", ")}\n`,
  );
}

describe.runIf(missing.length === 0)(
  "sonde/docker, through hub, agent and a runner of its own",
  () => {
    let home: string;
    let engine: ChildProcess;
    let product: Product;
    const runFolder = () => join(home, "as-run");
    const socket = () => join(runFolder(), "docker.sock");
    let client: McpClient;
    const storage = () => [
      "--root",
      join(home, "storage"),
      "--runroot",
      join(home, "run"),
      // Its events are then not those of all of this machine.
      "--tmpdir",
      join(home, "tmp"),
      "--storage-driver",
      "vfs",
    ];
    const podman = (...args: string[]) => execFileSync("podman", [...storage(), ...args]);

    beforeAll(async () => {
      home = mkdtempSync("/tmp/sonde-engine-");
      writeFileSync(join(home, "hello"), "hello\n");
      execFileSync("tar", ["-C", home, "-cf", join(home, "image.tar"), "hello"]);
      podman("import", join(home, "image.tar"), "localhost/scratch:1");
      podman(
        "create",
        "--name",
        "web-1",
        "--env",
        "DB_PASSWORD=hunter2",
        "localhost/scratch:1",
        "/hello",
      );
      mkdirSync(runFolder(), { mode: 0o755 });
      chmodSync(home, 0o755);
      engine = spawn(
        "podman",
        [...storage(), "system", "service", "--time=0", `unix://${socket()}`],
        {
          stdio: "ignore",
        },
      );
      await until("the engine", () => existsSync(socket()));
      execFileSync("groupadd", ["--system", "--force", "docker"]);
      const row = readFileSync("/etc/group", "utf8")
        .split("\n")
        .find((line) => line.startsWith("docker:"));
      chownSync(socket(), 0, Number(row?.split(":")[2]));
      chmodSync(socket(), 0o660);
      product = await startProduct({
        args: ["--yes", "--runner-groups", "docker"],
        runFolder: runFolder(),
      });
      client = await connectOlderClient(product.mcpUrl, product.apiKey);
    });
    afterAll(async () => {
      await client?.close();
      await product?.stop();
      engine.kill("SIGKILL");
      rmSync(home, { recursive: true, force: true });
    });

    test("a container is listed and described, without the values of its environment", async () => {
      const { agent } = product;
      const list = await client.call("docker_containers_list", { agent, all: true });
      expect(list.results).toMatchObject([
        { status: "ok", data: { containers: [{ name: "web-1" }] } },
      ]);
      const one = await client.call("docker_container_inspect", { agent, name: "web-1" });
      expect(one.results).toMatchObject([{ status: "ok", data: { found: true } }]);
      expect(one.text).toContain("DB_PASSWORD");
      expect(one.text).not.toContain("hunter2");
      const none = await client.call("docker_container_inspect", { agent, name: "web-2" });
      expect(none.results).toMatchObject([{ status: "ok", data: { found: false } }]);
    });

    test("the runbook looks at the engine's containers, of which none is in trouble", async () => {
      const asked = { agent: product.agent, pack: "docker" };
      const { results } = await client.call("diagnose", asked);
      expect(results).toMatchObject([{ status: "ok", data: { findings: [], unseen: [] } }]);
    });

    test("only the runner with the granted group has it", () => {
      const groupsOf = (role: string) =>
        /^Groups:[ \t]*(.*)$/m
          .exec(readFileSync(`/proc/${product.pids[role]}/status`, "utf8"))?.[1]
          ?.trim();
      expect(groupsOf("runner")).toBe("");
      expect(groupsOf("agent")).toBe("");
      expect(groupsOf("runner-docker")).toMatch(/^\d+$/);
    });

    test("a stopped engine is a failure with a code, not an empty list", async () => {
      engine.kill("SIGKILL");
      rmSync(socket(), { force: true });
      const list = await client.call("docker_containers_list", { agent: product.agent });
      expect(list.isError).toBe(true);
      expect(list.results[0]?.failure?.code).toBe("SOURCE_NOT_FOUND");
      const asked = { agent: product.agent, pack: "docker" };
      const diagnosed = await client.call("diagnose", asked);
      expect(diagnosed.results[0]?.failure?.code).toBe("SOURCE_NOT_FOUND");
    });
  },
);
