import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { layoutOf } from "../data-layout.ts";
import { endLeftServices, recorded } from "./left-services.ts";

let root: string;
const pids: number[] = [];
beforeEach(() => {
  root = mkdtempSync("/tmp/sonde-left-[a]*-");
});
afterEach(() => {
  for (const pid of pids.splice(0)) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  rmSync(root, { recursive: true });
});

/** A process that ended and waits for its parent has no command line. */
function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, "utf8") !== "";
}

type Command = { command: string; args: string[] };

/** Stands for a service that takes so many seconds to stop. */
const running = (seconds: string): Command =>
  recorded(layoutOf(root), "hub", { command: "sleep", args: [seconds] });

/** Stands for a service that hangs: it does not notice that its standard input ended. */
const hanging = (): Command => running("600");

/** The guards of this test's folder that run. */
function guards(): string[] {
  return readdirSync("/proc").filter((pid) => {
    const file = `/proc/${pid}/cmdline`;
    if (!/^[0-9]+$/.test(pid) || !existsSync(file)) return false;
    const [, , , name, ...args] = readFileSync(file, "utf8").replaceAll("\\", "").split("\0");
    return name === "sonde-guard" && args.includes(layoutOf(root).services);
  });
}

/** A supervisor with its guard and one service, which runs `command`. It is killed once both run. */
async function killSupervisorOf({ command, args }: Command): Promise<number> {
  const script = `
    import { spawn } from "node:child_process";
    import { guardServices } from ${JSON.stringify(join(import.meta.dirname, "left-services.ts"))};
    import { layoutOf } from ${JSON.stringify(join(import.meta.dirname, "../data-layout.ts"))};
    const service = spawn(${JSON.stringify(command)}, ${JSON.stringify(args)}, { stdio: "ignore", detached: true });
    await new Promise((done) => setTimeout(done, 500));
    guardServices(layoutOf(${JSON.stringify(root)}));
    console.log(service.pid);
    setInterval(() => undefined, 1000);`;
  const flags = ["--conditions=sonde:source", "--input-type=module", "-e", script];
  const supervisor = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  const [chunk] = (await once(supervisor.stdout, "data")) as [Buffer];
  const service = Number(chunk.toString());
  pids.push(service);
  supervisor.kill("SIGKILL");
  await once(supervisor, "exit");
  return service;
}

test("attack 73: a service that hangs is killed soon after its supervisor was", async () => {
  const service = await killSupervisorOf(hanging());
  expect(isAlive(service)).toBe(true);
  await expect.poll(() => isAlive(service), { timeout: 40_000 }).toBe(false);
}, 60_000);

test("attack 73: the guard of a killed supervisor leaves the services of the next start alone", async () => {
  const former = await killSupervisorOf(running("8"));
  await new Promise((done) => setTimeout(done, 4000));
  // A next start waits for the former service. Here it does not, so that the guard never sees the lock free.
  expect(isAlive(former)).toBe(true);
  const { command, args } = hanging();
  const next = spawn(command, args, { stdio: "ignore" });
  pids.push(next.pid ?? 0);
  await expect.poll(guards, { timeout: 40_000, interval: 200 }).toEqual([]);
  expect(isAlive(next.pid ?? 0)).toBe(true);
}, 60_000);

test("attack 73: another process that got the pid of a service is no service", async () => {
  const bystander = spawn("sleep", ["600"], { stdio: "ignore" });
  pids.push(bystander.pid ?? 0);
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  mkdirSync(layoutOf(root).services);
  writeFileSync(join(layoutOf(root).services, "hub"), `${bystander.pid} 1 ${boot}`);
  await endLeftServices(layoutOf(root), () => expect.unreachable());
  expect(isAlive(bystander.pid ?? 0)).toBe(true);
});

test("attack 73: a service is found whatever it calls itself", async () => {
  const program = join(root, ") Z 1\n(");
  copyFileSync("/bin/sleep", program);
  const service = await killSupervisorOf(
    recorded(layoutOf(root), "hub", { command: program, args: ["600"] }),
  );
  expect(readFileSync(`/proc/${service}/comm`, "utf8")).toBe(") Z 1\n(\n");
  await new Promise((done) => setTimeout(done, 3000));
  expect(guards()).toHaveLength(1);
  await endLeftServices(layoutOf(root), () => undefined);
  expect(isAlive(service)).toBe(false);
}, 60_000);

test("the next start waits for a former service, and kills one that does not stop", async () => {
  const said: string[] = [];
  const { command, args } = hanging();
  const service = spawn(command, args, { stdio: "ignore" });
  pids.push(service.pid ?? 0);
  await expect.poll(() => readFileSync(`/proc/${service.pid}/comm`, "utf8")).toBe("sleep\n");
  await endLeftServices(layoutOf(root), (text) => said.push(text));
  expect(isAlive(service.pid ?? 0)).toBe(false);
  expect(said).toHaveLength(1);
  await endLeftServices(layoutOf(root), (text) => said.push(text));
  expect(said).toHaveLength(1);
}, 60_000);

test("attack 73: what a service keeps open or starts holds up no later start", async () => {
  const isRoot = process.getuid?.() === 0;
  const command = isRoot ? "setpriv" : "env";
  const drop = isRoot ? ["--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  // Its own process ends. What it started has all that the service had open.
  const args = [...drop, "sh", "-c", "sleep 600 & echo $!"];
  const line = recorded(layoutOf(root), "hub", { command, args });
  const service = spawn(line.command, line.args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(service, "exit");
  const [chunk] = (await once(service.stdout, "data")) as [Buffer];
  pids.push(Number(chunk.toString()));
  await ended;
  const said: string[] = [];
  await endLeftServices(layoutOf(root), (text) => said.push(text));
  expect(said).toEqual([]);
}, 60_000);
