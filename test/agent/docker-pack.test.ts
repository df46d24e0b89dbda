import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";

// What sonde/docker says of what containers wrote and of what the engine did, read by a real runner from
// Podman's service, and what `podman` itself knows. No container runs here, which few machines of a
// test allow: the files of what they wrote are as conmon 2.1.6 writes them.

const isChecked = isCheckedHere("sonde/docker", { unshare: "util-linux", podman: "podman" });
const run = promisify(execFile);

const COUNT = 30;
const LINES = [
  "2026-11-29T15:29:33.047150928+00:00 stdout F hello",
  "2026-11-29T15:29:33.047327633+00:00 stderr F oops, password=hunter2",
  ...Array.from(
    { length: COUNT },
    (_, n) => `2026-11-29T15:29:34.0${n + 10}000000+00:00 stdout F line ${n}`,
  ),
];

type Fields = Record<string, unknown>;
let home: string;
const name = "web-1";
let pack: AskedPack;
let stop: () => Promise<void>;

/** Storage and events of this test alone. */
const own = () => [
  ...["--root", join(home, "storage"), "--runroot", join(home, "run")],
  ...["--tmpdir", join(home, "tmp"), "--storage-driver", "vfs", "--events-backend", "file"],
];
const podman = async (...args: string[]): Promise<string> =>
  (await run("podman", [...own(), ...args])).stdout.trim();

async function create(as: string, lines: string[], ...options: string[]): Promise<void> {
  const image = ["--log-driver", "k8s-file", "localhost/scratch:1", "/hello"];
  await podman("create", "--name", as, ...options, ...image);
  const path = await podman("inspect", "--format", "{{.HostConfig.LogConfig.Path}}", as);
  await writeFile(path, lines.map((line) => `${line}\n`).join(""));
}

beforeAll(async () => {
  if (!isChecked) return;
  home = await mkdtemp(join(tmpdir(), "sonde-docker-"));
  await writeFile(join(home, "hello"), "hello\n");
  await run("tar", ["-C", home, "-cf", join(home, "image.tar"), "hello"]);
  await podman("import", join(home, "image.tar"), "localhost/scratch:1");
  await create(name, LINES, "--label", "token=hunter2");
  await create(`${name}-tty`, ["2026-11-29T15:29:33.047150928+00:00 stdout F typed\r"], "--tty");
  await create(`${name}-quiet`, []);
  const socket = join(home, "engine.sock");
  const service = spawn("podman", [...own(), "system", "service", "--time=0", `unix://${socket}`], {
    stdio: "ignore",
  });
  stop = async () => {
    service.kill("SIGKILL");
    await once(service, "exit");
  };
  await until("the engine", () => existsSync(socket));
  await chmod(socket, 0o666);
  pack = await openAskedPack(
    "docker",
    `mount -t tmpfs -o mode=755 tmpfs /run
    touch /run/docker.sock
    mount --bind ${socket} /run/docker.sock`,
  );
}, 60_000);
afterAll(async () => {
  if (!isChecked) return;
  await pack?.close();
  await stop?.();
  await rm(home, { recursive: true, force: true });
});

const ask = async (probe: string, params: Fields = {}): Promise<Fields> =>
  (await pack.ask(probe, params)) as Fields;
const textsOf = ({ lines }: Fields) => (lines as Fields[]).map(({ text }) => text);

test.runIf(isChecked)("what a container wrote, as podman prints it, the newest first", async () => {
  const answer = await ask("container.logs", { name, lines: 500 });
  const printed = (await podman("logs", name)).split("\n");
  expect(
    textsOf(answer)
      .toReversed()
      .filter((text) => text !== "oops, password=hunter2"),
  ).toEqual(printed.filter((line) => line !== ""));
  expect(answer).toMatchObject({ found: true, incomplete: false });
  const lines = answer["lines"] as Fields[];
  expect(lines).toHaveLength(COUNT + 2);
  expect(lines[0]).toMatchObject({ stream: "stdout", text: `line ${COUNT - 1}` });
  expect(lines.at(-1)).toEqual({ at: "2026-11-29T15:29:33Z", stream: "stdout", text: "hello" });
  expect(lines.at(-2)).toMatchObject({ stream: "stderr" });
  const few = await ask("container.logs", { name, lines: 2 });
  expect(textsOf(few)).toEqual([`line ${COUNT - 1}`, `line ${COUNT - 2}`]);
});

test.runIf(isChecked)("a terminal, a container that wrote nothing, and none", async () => {
  expect(await ask("container.logs", { name: `${name}-tty` })).toMatchObject({
    lines: [{ stream: "terminal", text: "typed" }],
  });
  expect(await ask("container.logs", { name: `${name}-quiet` })).toEqual({
    ...{ found: true, lines: [], incomplete: false },
  });
  expect(await ask("container.logs", { name: `${name}-none` })).toEqual({
    ...{ found: false, lines: [], incomplete: false },
  });
});

test.runIf(isChecked)("what the engine did, and no label of a container", async () => {
  const gone = `${name}-gone`;
  await create(gone, []);
  await podman("rm", gone);
  const answer = await ask("events", { minutes: 60, limit: 500 });
  const events = (answer["events"] as Fields[]).filter((event) => event["name"] === gone);
  expect(events.map(({ type, action }) => [type, action])).toEqual([
    ["container", "remove"],
    ["container", "create"],
  ]);
  const containers = answer["containers"] as Fields[];
  expect(containers.find((one) => one["name"] === gone)).toMatchObject({
    ...{ image: "localhost/scratch:1", startCount: 0, endCount: 0, lastExitCode: null },
  });
  expect(JSON.stringify(answer)).toContain(name);
  expect(JSON.stringify(answer)).not.toContain("hunter2");
});
