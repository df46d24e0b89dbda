import { fork } from "node:child_process";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { Services } from "./start-services.ts";

type SetUpOptions = { yes: boolean; json: boolean; workspace: string };

/** What the set-up process is told; see set-up-main.ts. */
export type SetUpOrder = SetUpOptions & {
  step: "publish" | "settle";
  product: Pick<
    Services,
    "agentName" | "urls" | "publicUrls" | "ownerLink" | "logKey" | "warnings"
  > & { pids: Record<string, number> };
};

/** The process said on standard error why it failed. Ours ends with the same code. */
class SetUpFailed extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`the set-up ended with ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export type SetUp = {
  perform: (step: SetUpOrder["step"], services: Services) => Promise<void>;
  end: () => void;
};

/**
 * Starts the process that builds and publishes the official packs, has them approved, and asks the
 * first question. Only the start needs what it loads, and the supervisor stays small without it.
 */
export function startSetUp(data: string, { yes, json, workspace }: SetUpOptions): SetUp {
  const child = fork(
    join(workspace, "cli/src/start/set-up-main.ts"),
    [data, ...(json ? ["--json"] : [])],
    {
      execArgv: ["--conditions=sonde:source", "--no-node-snapshot"],
      // The launcher's pipe is the supervisor's.
      env: { ...process.env, SONDE_PARENT_FD: undefined },
    },
  );
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      reject(
        code === null
          ? new SondeError("STARTING_FAILED", `the set-up was ended by ${signal}`)
          : new SetUpFailed(code),
      ),
    );
  });
  // Once all is performed, nobody waits for the end.
  ended.catch(() => undefined);
  return {
    async perform(step, services) {
      const { agentName, urls, publicUrls, ownerLink, logKey, warnings } = services;
      const known = { agentName, urls, publicUrls, ownerLink, logKey, warnings };
      const product = { ...known, pids: services.pids() };
      const order: SetUpOrder = { step, yes, json, workspace, product };
      const performed = new Promise((resolve) => child.once("message", resolve));
      child.send(order);
      await Promise.race([performed, ended]);
    },
    end: () => child.connected && child.disconnect(),
  };
}
