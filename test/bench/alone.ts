import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { SERVICE_FLAGS } from "../../cli/src/start/start-services.ts";
import { pssMb } from "./process-figures.ts";
import { round } from "./statistics.ts";

const SETTLE_MS = 3_000;

export type Alone = { coldStartMs: number; idlePssMb: number };

/**
 * Starts one service of a stopped product alone, as its own user. Measures its start and its idle
 * memory while nothing else of the product runs.
 */
export async function measureAlone(
  data: string,
  role: "hub" | "registry" | "agent",
  account: { uid: number; gid: number },
): Promise<Alone> {
  const [build] = readdirSync(join(data, "runtime"));
  if (build === undefined) throw new Error("expected an installed runtime; run the bench as root");
  const folder = join(data, "runtime", build);
  const started = performance.now();
  const child = spawn(
    "setpriv",
    [
      ...[`--reuid=${account.uid}`, `--regid=${account.gid}`, "--clear-groups", "--no-new-privs"],
      ...["--inh-caps=-all", "--bounding-set=-all", "--reset-env", "--"],
      ...[
        join(folder, "node"),
        ...SERVICE_FLAGS,
        join(folder, `${role}.js`),
        join(data, "config", `${role}.json`),
      ],
    ],
    { stdio: ["pipe", "pipe", "ignore"], cwd: "/" },
  );
  await new Promise<void>((done, fail) => {
    child.stdout.once("data", (line: Buffer) =>
      line.includes('"ready":true') ? done() : fail(new Error(`${role}: ${line.toString()}`)),
    );
    child.once("exit", (code) => fail(new Error(`${role} ended with ${code}`)));
  });
  const coldStartMs = round(performance.now() - started);
  await new Promise((done) => setTimeout(done, SETTLE_MS));
  const idlePssMb = pssMb(child.pid ?? 0);
  await new Promise((done) => {
    child.removeAllListeners("exit");
    child.once("exit", done);
    child.kill("SIGTERM");
  });
  return { coldStartMs, idlePssMb };
}
