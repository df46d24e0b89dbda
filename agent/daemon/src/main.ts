import { join } from "node:path";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import { type TrustPolicy, parseTrustPolicy } from "@sonde/schemas/trust";
import { admitPack, admittedFolder, followRegistry, readAdmitted } from "@sonde/trust/admit";
import { describeHost } from "./edge/describe-host.ts";
import { createLog } from "./edge/log.ts";
import { readOwnedFile } from "./edge/owned-file.ts";
import { requireUnprivileged } from "@sonde/privileges";
import { type AgentConfig, readConfig } from "./edge/read-config.ts";
import { createRunnerLink } from "./edge/runner-link/runner-link.ts";
import { type Admission, type Agent, startAgent } from "./start-agent.ts";

const MAX_POLICY_BYTES = 1024 * 1024;

/**
 * `agent.js CONFIG`: prints one JSON line when ready and logs on stderr. Ends on SIGTERM,
 * on SIGINT and, when supervised, with its supervisor.
 */
async function main(): Promise<void> {
  const log = createLog(process.stderr, Date.now);
  try {
    const { uid, groups } = requireUnprivileged();
    const [, program = "", configPath] = process.argv;
    if (configPath === undefined) {
      throw new SondeError("CONFIG_INVALID", "expected the path of a configuration file");
    }
    const { config, sha256 } = readConfig(configPath);
    const agent = await startAgent({
      config,
      host: describeHost(program, sha256),
      uid,
      runner: await createRunnerLink({
        socketPath: config.runnerSocketPath,
        // The runner's user shares no group with the agent. The socket's folder keeps
        // other users out.
        socketMode: config.sameUid ? 0o600 : 0o666,
        sharedGroups: config.sameUid ? groups : [],
        log: (event, detail) => log(event, { detail }),
      }),
      admission: buildAdmission(config, config.sameUid ? [0, uid] : [0]),
      log,
    });
    endWith(agent, config.supervised === true);
    const { agentId, name, socketPath } = agent;
    process.stdout.write(`${JSON.stringify({ ready: true, agentId, name, socketPath })}\n`);
  } catch (thrown) {
    const { code, message } = toSondeError(thrown);
    log("start.failed", { code, message });
    process.exit(1);
  }
}

function buildAdmission(config: AgentConfig, owners: readonly number[]): Admission {
  const storeDir = join(config.stateDir, "packs");
  // Read at each use, so that a publisher removed from the file is refused at once.
  const readPolicy = (): TrustPolicy => {
    const bytes = readOwnedFile(config.trustPolicyPath, owners, MAX_POLICY_BYTES);
    return parseTrustPolicy(parseJson(bytes, "trust policy", "CONFIG_INVALID"));
  };
  return {
    readPolicy,
    follow: (request, onEntry) => followRegistry(config.admitPath, request, onEntry),
    async admit(archive, log) {
      const policy = readPolicy();
      return await admitPack(config.admitPath, {
        ...archive,
        registry: policy.registry,
        policy,
        log,
        agentVersion: RELEASE,
        storeDir,
      });
    },
    readAdmitted: async (digest) => readAdmitted(storeDir, digest, readPolicy()),
    codePathOf: (digest) => join(admittedFolder(storeDir, digest), "index.js"),
  };
}

function endWith(agent: Agent, supervised: boolean): void {
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    agent.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  if (supervised) process.stdin.on("end", end).resume();
}

await main();
