import { join } from "node:path";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import { type TrustPolicy, parseTrustPolicy, pickPlace } from "@sonde/schemas/trust";
import { admitPack, admittedFolder, followRegistry, readAdmitted } from "@sonde/trust/admit";
import { UNIT_FOLDERS } from "./edge/attest/own-files.ts";
import { describeHost } from "./edge/describe-host.ts";
import { createLog } from "./edge/log.ts";
import { createLiveSettings, holdHangUps, readOwnedFile } from "@sonde/files";
import { requireUnprivileged } from "@sonde/privileges";
import { compileOwnRules } from "@sonde/scrub";
import { type AgentConfig, LIVE_SETTINGS, readConfig } from "./edge/read-config.ts";
import { createRunnerLink } from "./edge/runner-link/runner-link.ts";
import { type Admission, type Agent, startAgent } from "./start-agent.ts";

const MAX_POLICY_BYTES = 1024 * 1024;
/** Two warm calls within this time find the same runner. */
const RUNNER_REST_SECONDS = 600;

/**
 * `agent.js CONFIG`: prints one JSON line when ready, or why it is not, and logs on stderr. Ends on SIGTERM,
 * on SIGINT and, when supervised, with its supervisor. On SIGHUP it reads its configuration anew.
 */
async function main(): Promise<void> {
  const log = createLog(process.stderr, Date.now);
  const hangUps = holdHangUps();
  try {
    const { uid, groups } = requireUnprivileged();
    const [, program = "", configPath] = process.argv;
    if (configPath === undefined) {
      throw new SondeError("CONFIG_INVALID", "expected the path of a configuration file");
    }
    const { config, ownRules, sha256 } = await readSettings(configPath);
    const live = { config };
    const agent = await startAgent({
      config,
      host: describeHost(program, sha256),
      places: {
        ...{ program, runtime: process.execPath, configuration: configPath },
        admitPath: config.admitPath,
        get trustPolicyPath() {
          return live.config.trustPolicyPath;
        },
        unitFolders: UNIT_FOLDERS,
      },
      ...{ uid, groups, ownRules },
      runner: createRunnerLink({
        runners: config.runners,
        ...(config.runnerSockets !== undefined && {
          onDemand: {
            folder: config.runnerSockets,
            restAfterMs: (config.runnerRestSeconds ?? RUNNER_REST_SECONDS) * 1000,
          },
        }),
        sharedGroups: config.sameUid ? groups : [],
        log: (event, detail) => log(event, { detail }),
      }),
      admission: buildAdmission(config, () => readPolicy(live.config, uid)),
      log,
    });
    endWith(agent, config.supervised === true);
    const { agentId, name, socketPath } = agent;
    process.stdout.write(`${JSON.stringify({ ready: true, agentId, name, socketPath })}\n`);
    const take = createLiveSettings(config, LIVE_SETTINGS);
    hangUps.use(async () => {
      try {
        const next = await readSettings(configPath);
        readPolicy(next.config, uid);
        const { inForce, said } = take(next.config);
        live.config = inForce;
        agent.reload({ ...next, config: inForce, configSha256: next.sha256 });
        log("config.reloaded", { message: said });
      } catch (thrown) {
        const { code, message } = toSondeError(thrown);
        log("config.not-reloaded", { code, message: `nothing was changed: ${message}` });
      }
    });
  } catch (thrown) {
    const error = toSondeError(thrown);
    log("start.failed", { code: error.code, message: error.message });
    // For a supervisor, which reads this line and not the log.
    process.stdout.write(`${JSON.stringify(error.toBody())}\n`);
    process.exit(1);
  }
}

/** @throws SondeError CONFIG_INVALID, and then nothing of the file counts */
async function readSettings(path: string) {
  const { config, sha256 } = readConfig(path);
  return { config, sha256, ownRules: await compileOwnRules(config.scrub?.patterns ?? []) };
}

/** Read at each use, so that a publisher removed from the file is refused at once. */
function readPolicy({ trustPolicyPath, sameUid }: AgentConfig, uid: number): TrustPolicy {
  const bytes = readOwnedFile(trustPolicyPath, sameUid ? [0, uid] : [0], MAX_POLICY_BYTES);
  return parseTrustPolicy(parseJson(bytes, "trust policy", "CONFIG_INVALID"));
}

function buildAdmission(config: AgentConfig, readPolicyNow: () => TrustPolicy): Admission {
  const storeDir = join(config.stateDir, "packs");
  return {
    readPolicy: readPolicyNow,
    follow: (request, onEntry) => followRegistry(config.admitPath, request, onEntry),
    async admit(archive, log) {
      const policy = readPolicyNow();
      return await admitPack(config.admitPath, {
        ...archive,
        ...pickPlace(policy),
        policy,
        log,
        agentVersion: RELEASE,
        storeDir,
      });
    },
    readAdmitted: async (digest) => readAdmitted(storeDir, digest, readPolicyNow()),
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

void main();
