import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type AgentStatus, parseAgentStatus } from "@sonde/schemas/agent";
import { buildSamplePolicy, createSampleKey } from "@sonde/trust/testing";
import { writeEnrolPort } from "../../agent/daemon/src/edge/store/enrol-port.ts";
import { writeIdentity } from "../../agent/daemon/src/edge/store/write-identity.ts";
import type { Workshop } from "../../foundation/privileges/src/testing/workshop.ts";
import type { TestHub } from "../../hub/src/testing/start-hub.ts";

/** The agent that a test's hub knows, as a real process, without runners. */
export type KnownAgent = {
  /** The folder with its identity. */
  identity: string;
  /** Its present certificate in PEM, as it is on disk. */
  certificate(): string;
  /** Replaces the certificate while the agent is stopped, as a restored snapshot does. */
  setCertificate(certificate: string): void;
  /** Gives its files to its user, as a start does. */
  giveAway(): void;
  /** @param aheadMs how far its clock is ahead */
  start(aheadMs?: number): Promise<void>;
  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  stop(): Promise<void>;
  status(): Promise<AgentStatus>;
};

/** @param program the bundled agent */
export function createKnownAgent(hub: TestHub, workshop: Workshop, program: string): KnownAgent {
  const folder = join(workshop.folder, randomUUID().slice(0, 8));
  const state = join(folder, "state");
  const identity = join(state, "identity");
  for (const path of [folder, join(folder, "grants"), state]) mkdirSync(path, { mode: 0o755 });
  const { key, name, id } = hub.agent;
  writeIdentity(identity, {
    key: key.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    certificate: hub.agent.certificate,
    ca: hub.ca.toString(),
    identity: {
      ...{ hubId: hub.ready.hubId, agentId: id, agentName: name, hubKey: hub.hubKey },
      ...{ controlAddress: `localhost:${hub.ready.control}`, registryHead: null },
    },
  });
  writeEnrolPort(identity, hub.ready.enrol);
  const own = (): void => {
    for (const path of ["", ...readdirSync(state, { recursive: true, encoding: "utf8" })]) {
      chownSync(join(state, path), workshop.uid, workshop.uid);
    }
  };
  const write = (file: string, value: object): string => {
    writeFileSync(join(folder, file), JSON.stringify(value), { mode: 0o644 });
    return join(folder, file);
  };
  const signer = createSampleKey();
  const trustPolicyPath = write("trust.json", {
    ...buildSamplePolicy({ acme: [signer] }),
    registry: "http://127.0.0.1:1",
  });
  const config = write("agent.json", {
    ...{ stateDir: state, grantsDir: join(folder, "grants"), trustPolicyPath },
    ...{ admitPath: "/nonexistent", runners: [], maxCapability: "observe", sameUid: true },
  });
  chmodSync(folder, 0o755);
  const certificatePath = join(identity, "certificate.pem");
  let child: ChildProcessWithoutNullStreams | null = null;

  return {
    identity,
    certificate: () => readFileSync(certificatePath, "utf8"),
    setCertificate: (certificate) => writeFileSync(certificatePath, certificate),
    giveAway: own,
    async start(aheadMs = 0) {
      own();
      const clock = `const now = Date.now; Date.now = () => now() + ${aheadMs};`;
      const [command = "", ...args] = workshop.unprivileged([
        ...(aheadMs === 0 ? [] : ["--import", `data:text/javascript,${clock}`]),
        ...["--no-node-snapshot", program, config],
      ]);
      const started = spawn(command, args, { cwd: "/" });
      child = started;
      let errors = "";
      started.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
      const lines = createInterface({ input: started.stdout });
      const first = await Promise.race([once(lines, "line"), once(started, "exit")]);
      if (typeof first[0] !== "string") throw new Error(`the agent ended: ${errors}`);
    },
    signal: (signal) => void child?.kill(signal),
    async stop() {
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
    status: () =>
      new Promise((resolve, reject) => {
        request({ socketPath: join(state, "run", "agent.sock"), path: "/status" }, (response) => {
          response.on("data", (chunk: Buffer) =>
            resolve(parseAgentStatus(JSON.parse(chunk.toString()))),
          );
        })
          .on("error", reject)
          .end();
      }),
  };
}
