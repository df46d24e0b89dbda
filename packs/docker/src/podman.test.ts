import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Fixture, openPackTest, type PackTest } from "@sonde/pack-sdk/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

// Runs against a real Docker-compatible API: Podman's service over its own storage. CI has Podman;
// without it, only the recorded fixtures are tested.
const hasPodman = existsSync("/usr/bin/podman") || process.env["CI"] !== undefined;

describe.runIf(hasPodman)("the engine's real answers", () => {
  const run = promisify(execFile);
  const folder = fileURLToPath(new URL("..", import.meta.url));
  let home: string;
  let socket: string;
  let stop: () => void;
  let tested: PackTest;
  const podman = (...args: string[]): string[] => [
    "--root",
    path.join(home, "storage"),
    "--runroot",
    path.join(home, "run"),
    // Needs no kernel support, so it works in any container.
    "--storage-driver",
    "vfs",
    ...args,
  ];

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), "sonde-podman-"));
    socket = path.join(home, "engine.sock");
    await writeFile(path.join(home, "hello"), "hello\n");
    await run("tar", ["-C", home, "-cf", path.join(home, "image.tar"), "hello"]);
    await run("podman", podman("import", path.join(home, "image.tar"), "localhost/scratch:1"));
    const options = ["--name", "web-1", "--env", "DB_PASSWORD=hunter2", "--memory", "64m"];
    await run(
      "podman",
      podman("create", ...options, "localhost/scratch:1", "/hello", "--key=hunter2"),
    );
    const service = spawn("podman", podman("system", "service", "--time=0", `unix://${socket}`), {
      stdio: "ignore",
    });
    stop = () => service.kill("SIGKILL");
    await until(() => existsSync(socket));
    tested = await openPackTest(folder);
  }, 60_000);
  afterAll(async () => {
    stop();
    tested.close();
    await rm(home, { recursive: true, force: true });
  });

  /** Performs a probe's reads, name -> target, and runs the probe, as an agent would. */
  async function ask(probe: string, params: object, targets: Record<string, string>) {
    const now = Date.now();
    const reads = await Promise.all(
      Object.entries(targets).map(async ([name, target]) => [name, await look(target)] as const),
    );
    return tested.run({
      captured: { tool: "podman", distribution: "this machine" },
      probe,
      params: { ...params },
      now,
      reads: Object.fromEntries(reads),
    });
  }

  const inspect = (name: string) =>
    ask("container.inspect", { name }, { engine: "/_ping", answer: `/containers/${name}/json` });

  /** Like the agent's http power: a status other than 2xx is a failed read. */
  async function look(target: string): Promise<Fixture["reads"][string]> {
    const data = await request(target);
    if (data.status === 200) {
      return { ok: true, samples: [{ at: Date.now(), truncated: false, data }] };
    }
    const code = data.status === 404 ? "SOURCE_NOT_FOUND" : "READ_FAILED";
    return { ok: false, failure: { code, message: `GET ${target}: ${data.status}` } };
  }

  function request(target: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      get({ socketPath: socket, path: target }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (body += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      }).on("error", reject);
    });
  }

  test("a stopped container is listed only when all containers are requested", async () => {
    expect(
      await ask("containers.list", { all: true }, { list: "/containers/json?all=true" }),
    ).toEqual({
      result: {
        containers: [
          expect.objectContaining({
            name: "web-1",
            image: "localhost/scratch:1",
            state: "created",
          }),
        ],
      },
    });
    expect(await ask("containers.list", {}, { list: "/containers/json?all=false" })).toEqual({
      result: { containers: [] },
    });
  });

  test("a container in detail, without any value that could be a secret", async () => {
    const outcome = await inspect("web-1");
    expect(outcome).toMatchObject({
      result: { found: true, container: { name: "web-1", memoryLimitBytes: 64 * 1024 * 1024 } },
    });
    const text = JSON.stringify(outcome);
    expect(text).toContain('"DB_PASSWORD"');
    expect(text).not.toContain("hunter2");
  });

  test("images, what is on disk, and that nothing is wrong", async () => {
    const all = "/containers/json?all=true";
    expect(await ask("images", {}, { images: "/images/json", containers: all })).toMatchObject({
      result: { imageCount: 1, images: [{ names: ["localhost/scratch:1"], containerCount: 1 }] },
    });
    expect(await ask("disk.usage", {}, { usage: "/system/df" })).toMatchObject({
      result: {
        kinds: expect.arrayContaining([
          expect.objectContaining({ kind: "image", count: 1, usedCount: 1 }),
        ]) as unknown,
      },
    });
    expect(await ask("health", {}, { list: all })).toMatchObject({
      result: { containerCount: 1, countByState: { created: 1 }, containers: [] },
    });
  });

  test("an unknown name is reported as not found, without a failure", async () => {
    expect(await inspect("x")).toEqual({
      result: { found: false, container: null },
    });
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("expected the engine to listen within 20 s");
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}
