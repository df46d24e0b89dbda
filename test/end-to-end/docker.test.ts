import { execFileSync, type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

const SOCKET = "/var/run/docker.sock";

/**
 * The real path needs root, a Docker-compatible engine, and exclusive use of its usual socket path.
 */
const missing = [
  process.getuid?.() === 0 ? null : "root",
  existsSync("/usr/bin/podman") || process.env["CI"] !== undefined ? null : "podman",
  existsSync(SOCKET) ? `${SOCKET} to ourselves` : null,
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
    let client: McpClient;
    const storage = () => [
      "--root",
      join(home, "storage"),
      "--runroot",
      join(home, "run"),
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
      engine = spawn(
        "podman",
        [...storage(), "system", "service", "--time=0", `unix://${SOCKET}`],
        {
          stdio: "ignore",
        },
      );
      await until("the engine", () => existsSync(SOCKET));
      execFileSync("groupadd", ["--system", "--force", "docker"]);
      const row = readFileSync("/etc/group", "utf8")
        .split("\n")
        .find((line) => line.startsWith("docker:"));
      chownSync(SOCKET, 0, Number(row?.split(":")[2]));
      chmodSync(SOCKET, 0o660);
      product = await startProduct({ args: ["--yes", "--runner-groups", "docker"] });
      client = await connectOlderClient(product.mcpUrl, product.apiKey);
    });
    afterAll(async () => {
      await client?.close();
      await product?.stop();
      engine.kill("SIGKILL");
      for (const path of [home, SOCKET]) rmSync(path, { recursive: true, force: true });
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
      rmSync(SOCKET, { force: true });
      const list = await client.call("docker_containers_list", { agent: product.agent });
      expect(list.isError).toBe(true);
      expect(list.results[0]?.failure?.code).toBe("SOURCE_NOT_FOUND");
    });
  },
);
