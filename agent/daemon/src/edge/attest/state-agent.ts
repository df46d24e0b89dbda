import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { toSondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import { createTurns } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import type { AdmittedPack } from "@sonde/schemas/trust";
import type {
  AgentStatement,
  ProcessRights,
  StatedGrant,
  StatedHubGrant,
  StatedPack,
  StatedProcess,
} from "@sonde/schemas/wire";
import type { Ceiling } from "../../core/ceiling.ts";
import type { HostStatement } from "../../core/describe-agent.ts";
import type { Grants } from "../../core/grants.ts";
import type { Packs } from "../../core/packs.ts";
import type { RunnerPort } from "../../core/runner-port.ts";
import { createFileMemo, type FileMemo } from "./file-memo.ts";
import { listOwnFiles, type OwnPlaces } from "./own-files.ts";
import { readMachine } from "./read-machine.ts";
import { stateFile } from "./state-file.ts";

/** Of what a statement is made. */
export type StatedAgent = {
  name: string;
  host: HostStatement;
  ceiling: Ceiling;
  places: OwnPlaces;
  grantsDir: string;
  readGrants: () => Grants;
  packs: Pick<Packs, "stored" | "archives">;
  readAdmitted: (digest: Digest) => Promise<AdmittedPack>;
  codePathOf: (digest: Digest) => string;
  runner: Pick<RunnerPort, "runners">;
  readRights: () => ProcessRights;
  /** Names of the agent's own supplementary groups. */
  groupNames: readonly string[];
  /** Unix time in ms. */
  now: () => number;
};

/** Bounds of the lists of a statement (AgentStatement). */
const MAX_LISTED = 200;
const MAX_RUNNERS = 64;

/**
 * Returns a function that says what this agent is now. What was read of a file is kept until the
 * file changes, so that a look costs a few calls of stat(2).
 */
export function createStatementReader(agent: StatedAgent): () => Promise<AgentStatement> {
  const memo = createFileMemo(agent.now);
  const inTurn = createTurns(1);
  const runners = rememberRunners(agent.runner);
  const read = async (): Promise<AgentStatement> => {
    const { binarySha256, configSha256, bootId, kernel, arch } = agent.host;
    const files = [];
    for (const { kind, path } of listOwnFiles(agent.places)) {
      const stated = await stateFile(memo, kind, path);
      if (stated !== null) files.push(stated);
    }
    const statement: AgentStatement = {
      name: agent.name,
      agentVersion: RELEASE,
      ...{ bootId, kernel, arch },
      ...readMachine(),
      runtimeVersion: process.version,
      maxCapability: agent.ceiling.maxCapability,
      programSha256: binarySha256,
      configSha256,
      files,
      grants: await stateGrants(memo, agent),
      hubGrants: stateHubGrants(agent),
      packs: await statePacks(memo, agent),
      processes: [
        { role: "agent", groupNames: [...agent.groupNames], rights: agent.readRights() },
        ...runners(),
      ],
    };
    memo.forgetUnused();
    return statement;
  };
  return () => inTurn(read);
}

async function stateGrants(
  memo: FileMemo,
  { grantsDir, readGrants }: StatedAgent,
): Promise<StatedGrant[]> {
  return await memo.of("grants", withFiles(grantsDir), () =>
    Promise.resolve(
      [...readGrants().byPack.values()]
        .map((grant) => ({
          ...{ pack: grant.pack, digest: grant.digest },
          sha256: digestOf(JSON.stringify(grant)),
        }))
        .sort((a, b) => (a.pack < b.pack ? -1 : 1))
        .slice(0, MAX_LISTED),
    ),
  );
}

function stateHubGrants({ packs }: StatedAgent): StatedHubGrant[] {
  const stated = packs.archives().flatMap(({ digest, admitted, grant }) => {
    if (grant?.byHub === undefined) return [];
    const { by, at } = grant.byHub;
    return [{ pack: admitted.name, digest, by, at }];
  });
  return stated.slice(0, MAX_LISTED);
}

async function statePacks(memo: FileMemo, agent: StatedAgent): Promise<StatedPack[]> {
  const stated: StatedPack[] = [];
  for (const { name, version, digest, admitted } of agent.packs.stored().slice(0, MAX_LISTED)) {
    const verified = admitted?.contentDigest ?? null;
    const files = withFiles(dirname(agent.codePathOf(digest)));
    const isSound = await memo.of(`pack ${digest}`, files, () => isSoundOnDisk(agent, digest));
    stated.push({ name, version, digest, verified, content: isSound ? verified : null });
  }
  return stated;
}

/** True when the stored files are those that were verified, whether or not their signer still counts. */
async function isSoundOnDisk({ readAdmitted }: StatedAgent, digest: Digest): Promise<boolean> {
  try {
    await readAdmitted(digest);
    return true;
  } catch (thrown) {
    const { code } = toSondeError(thrown);
    return code === "SIGNER_UNTRUSTED" || code === "SIGNATURE_MISSING";
  }
}

/**
 * States each runner as it introduced itself last: a runner that has nothing to do may end, and
 * that is no change of the host.
 */
function rememberRunners({ runners }: StatedAgent["runner"]): () => StatedProcess[] {
  const seen = new Map<string, StatedProcess>();
  return () => {
    for (const { groups, rights } of runners()) {
      const groupNames = [...groups].sort();
      seen.set(groupNames.join(","), { role: "runner", groupNames, rights });
    }
    return [...seen.keys()]
      .sort()
      .slice(0, MAX_RUNNERS)
      .flatMap((groups) => seen.get(groups) ?? []);
  };
}

/** The folder, and what lies in it. */
function withFiles(folder: string): string[] {
  try {
    return [
      folder,
      ...readdirSync(folder)
        .sort()
        .map((name) => join(folder, name)),
    ];
  } catch {
    // Of a folder that cannot be read, its own change is what can be seen.
    return [folder];
  }
}

function digestOf(text: string): Digest {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
