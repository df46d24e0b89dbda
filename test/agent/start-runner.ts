import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { leftOut } from "../../scripts/left-out.mjs";
import {
  type RunAsk,
  type RunnerLink,
  createRunnerLink,
} from "../../agent/daemon/src/edge/runner-link/runner-link.ts";
import type { RunnerConfig } from "../../agent/runner/src/parse-runner-config.ts";
import { withListeningSocket } from "../../cli/src/start/listening-socket.ts";
import { type Workshop, createWorkshop } from "../../foundation/privileges/src/testing/workshop.ts";

export type TestBench = {
  workshop: Workshop;
  link: RunnerLink;
  log: string[];
  /** The bundled pack host. */
  packHostPath: string;
  denied: string;
  /** Starts a runner as the product does: as another user, without rights, with a pipe on stdin. */
  startRunner(
    changes?: Partial<RunnerConfig>,
    environment?: Readonly<Record<string, string>>,
  ): ChildProcess;
  /**
   * Starts a runner that sees a mount table of its own, prepared by a shell script as root. The
   * mounts end with the runner. Descriptor 3 of the script is `device`.
   */
  startRunnerAmongMounts(script: string, device?: number): ChildProcess;
  /** Starts a runner that sees the mounts of another. */
  startRunnerBeside(other: ChildProcess): ChildProcess;
  /** Writes a pack whose probes are the given methods. Returns the members that a `run` needs. */
  buildPack(probes: Record<string, string>): (probe: string, params?: object) => RunAsk;
  close(): Promise<void>;
};

/** The bundled runner and pack host with a real link, in a folder that any user can enter. */
export async function createTestBench(): Promise<TestBench> {
  const workshop = await createWorkshop();
  const runnerPath = await workshop.bundle("runner", `import "./agent/runner/src/main.ts";`, [
    leftOut,
  ]);
  const packHostPath = await workshop.bundle(
    "pack-host",
    `import "./agent/runner/src/pack-host/main.ts";`,
  );
  const log: string[] = [];
  const socketPath = join(workshop.folder, "link");
  const besidePath = join(workshop.folder, "link-beside");
  const link = createRunnerLink({
    runners: [socketPath, besidePath].map((path) => ({ socketPath: path, groups: [] })),
    sharedGroups: workshop.groups,
    log: (event, detail) => log.push(`${event} ${detail}`),
  });
  const denied = join(workshop.folder, "agent-state");
  const runners: ChildProcess[] = [];
  let count = 0;
  const start = (
    changes: Partial<RunnerConfig>,
    before: string[],
    {
      path = socketPath,
      device,
      environment,
    }: { path?: string; device?: number | undefined; environment?: Record<string, string> } = {},
  ) => {
    const configPath = join(workshop.folder, `runner-${++count}.json`);
    const config: RunnerConfig = {
      packHostPath,
      denyPaths: [denied],
      supervised: true,
      ...changes,
    };
    writeFileSync(configPath, JSON.stringify(config), { mode: 0o644 });
    const runnerArgv = workshop.unprivileged([runnerPath, configPath], environment);
    const [command = "", ...argv] = [...before, ...runnerArgv];
    const runner = withListeningSocket({ path, owner: null }, (fd) =>
      spawn(command, argv, { stdio: ["pipe", "ignore", "pipe", fd, device ?? "ignore"] }),
    );
    runner.stderr?.on("data", (chunk: Buffer) => log.push(chunk.toString("utf8").trim()));
    runners.push(runner);
    return runner;
  };
  return {
    workshop,
    link,
    log,
    packHostPath,
    denied,
    startRunner: (changes = {}, environment = {}) => start(changes, [], { environment }),
    startRunnerAmongMounts: (script, device) => {
      // The runner gets its listening socket back as descriptor 3.
      const [lend, giveBack] =
        device === undefined ? ["", ""] : ["exec 5<&3 3<&4 4<&-", "exec 3<&5 5<&-"];
      const lent = `set -e\n${lend}\n${script}\n${giveBack}\nexec "$@"`;
      const shell = ["sh", "-c", lent, "sh"];
      return start({}, ["unshare", "--mount", "--propagation", "private", ...shell], { device });
    },
    startRunnerBeside: (other) =>
      start({}, ["nsenter", "--mount", "--target", String(other.pid)], { path: besidePath }),
    buildPack: (probes) => buildPack(workshop.folder, ++count, probes),
    close: async () => {
      for (const runner of runners) runner.stdin?.end();
      link.close();
      workshop.close();
    },
  };
}

/**
 * A pack's bundle, written by hand as `sonde-pack build` would format it. It may contain code that
 * no build accepts.
 */
function buildPack(folder: string, count: number, probes: Record<string, string>) {
  const methods = Object.entries(probes).map(
    ([name, body]) => `${JSON.stringify(name)}(input) { ${body} }`,
  );
  const code = `var pack = (() => { let module = 0; const probes = { ${methods.join(",\n")} };
    return { default: { definition: {}, run: (probe, input) => probes[probe](input) } }; })();`;
  const codePath = join(folder, `pack-${count}.js`);
  writeFileSync(codePath, code, { mode: 0o644 });
  const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
  return (probeName: string, params: object = {}): RunAsk => ({
    packDigest: sha256(`archive ${codePath}`),
    codePath,
    codeSha256: sha256(code),
    probeName,
    input: Buffer.from(JSON.stringify({ params, reads: {}, now: 1 })),
    timeoutMs: 1000,
    memoryMb: 32,
  });
}
