import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

export type RunnerConfig = {
  /** The agent's unix socket. */
  socketPath: string;
  /** The bundled pack-host.js. */
  packHostPath: string;
  /** Absolute paths no pack may read, each with everything beneath it. */
  denyPaths: string[];
  /** Writes a line to stdout each second, for a supervisor that ends a runner fallen silent. */
  heartbeat?: boolean;
  /** Default: the Node that runs this process. */
  nodePath?: string;
  /** Flags for the pack host's Node. */
  nodeArgs?: string[];
  /** Folders the pack host loads from besides its own, such as `node_modules`. */
  readOnlyPaths?: string[];
};

const FIELDS: { [K in keyof Required<RunnerConfig>]: (value: unknown) => boolean } = {
  socketPath: isPath,
  packHostPath: isPath,
  denyPaths: (value) => Array.isArray(value) && value.every(isPath),
  heartbeat: (value) => value === undefined || typeof value === "boolean",
  nodePath: (value) => value === undefined || isPath(value),
  nodeArgs: (value) => value === undefined || (Array.isArray(value) && value.every(isFlag)),
  readOnlyPaths: (value) => value === undefined || (Array.isArray(value) && value.every(isPath)),
};

/** @throws SondeError CONFIG_INVALID; unknown keys are refused */
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

function isFlag(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("--");
}
