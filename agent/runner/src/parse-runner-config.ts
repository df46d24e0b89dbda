import { type ApprovalSettings, parseApprovalSettings } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

export type RunnerConfig = {
  /** The bundled pack-host.js. */
  packHostPath: string;
  /** Absolute paths that no pack may read, with everything beneath them. */
  denyPaths: string[];
  /** The grants of this host. A read that none of them covers is refused, whatever the agent asks. */
  grantsDir?: string;
  /** What a hub may grant here, as in the agent's configuration. Left out, it is nothing. */
  approvals?: ApprovalSettings;
  /** Agent, runner and administrator are the same user, so grants may belong to that user. */
  sameUid?: boolean;
  /** Ends when standard input ends, since the supervisor is then gone. */
  supervised?: boolean;
  /** Ends when the agent has left, since the socket starts a runner again. */
  endWithAgent?: boolean;
  /** Writes a line to stdout each second. A supervisor ends a runner that falls silent. */
  heartbeat?: boolean;
  /** Path of Node; by default the Node of this process. */
  nodePath?: string;
  /** Node flags of the pack host. */
  nodeArgs?: string[];
  /** Further folders that the pack host loads files from, such as `node_modules`. */
  readOnlyPaths?: string[];
};

const FIELDS: { [K in keyof Required<RunnerConfig>]: (value: unknown) => boolean } = {
  packHostPath: isPath,
  denyPaths: (value) => Array.isArray(value) && value.every(isPath),
  grantsDir: (value) => value === undefined || isPath(value),
  approvals: (value) => value === undefined || parseApprovalSettings(value) !== null,
  sameUid: isOptionalFlag,
  supervised: isOptionalFlag,
  endWithAgent: isOptionalFlag,
  heartbeat: isOptionalFlag,
  nodePath: (value) => value === undefined || isPath(value),
  nodeArgs: (value) => value === undefined || (Array.isArray(value) && value.every(isFlag)),
  readOnlyPaths: (value) => value === undefined || (Array.isArray(value) && value.every(isPath)),
};

/** @throws SondeError CONFIG_INVALID, also for an unknown key */
export function parseRunnerConfig(text: string): RunnerConfig {
  const value = parseJson(text, "runner config", "CONFIG_INVALID");
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SondeError("CONFIG_INVALID", "runner config: expected an object");
  }
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(FIELDS, key));
  if (unknown !== undefined) {
    throw new SondeError("CONFIG_INVALID", `runner config: unknown key ${unknown}`);
  }
  const given = new Map<string, unknown>(Object.entries(value));
  for (const [key, fits] of Object.entries(FIELDS)) {
    if (!fits(given.get(key))) {
      throw new SondeError("CONFIG_INVALID", `runner config: ${key} has an unexpected value`);
    }
  }
  return value as RunnerConfig;
}

function isPath(value: unknown): boolean {
  return typeof value === "string" && /^\/[^\0]{1,1000}$/.test(value) && !value.endsWith("/");
}

function isOptionalFlag(value: unknown): boolean {
  return value === undefined || typeof value === "boolean";
}

function isFlag(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("--");
}
