import { realpathSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The programs that a person calls by name, in `bin/`. */
export const PROGRAMS = ["sonde", "sonde-pack"] as const;

/** The commands of `sonde`. */
export const COMMANDS = [
  ...[
    "start",
    "status",
    "logs",
    "mcp",
    "agent",
    "agents",
    "hub",
    "keys",
    "policy",
    "packs",
    "call",
    "audit",
    "evidence",
    "login",
    "logout",
    "profiles",
    "completion",
    "registry",
    "trust",
    "users",
    "release",
    "link",
    "demo-attack",
  ],
] as const;

/** The name of the program as part of a command. It is also the name of a publisher. */
const SONDE_COMMAND = new RegExp(
  `(?<![\\w/-])(?<!Usage: )sonde (?=(?:${COMMANDS.join("|")})(?![\\w-]))`,
  "g",
);

/** Whether `name`, typed in this environment, starts the program of this workspace. */
function isOnPath(name: string, workspace: string, path: string): boolean {
  const own = join(workspace, "bin", name);
  const first = path
    .split(delimiter)
    .map((folder) => realOf(join(folder, name)))
    .find((file) => file !== null);
  return first === realOf(own);
}

/** The path of a file behind its links; null when there is none. */
export function realOf(file: string): string | null {
  try {
    return realpathSync(file);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return null;
    throw thrown;
  }
}

/**
 * Rewrites the commands in a text so that they work where they are read: `sonde agent packs` becomes
 * `/srv/sonde/bin/sonde agent packs` unless the programs are on the PATH.
 */
export function createWording(
  workspace: string,
  env = { path: process.env["PATH"] ?? "", cwd: process.cwd() },
): (text: string) => string {
  if (PROGRAMS.every((name) => isOnPath(name, workspace, env.path))) return (text) => text;
  const folder = env.cwd === workspace ? "bin" : join(workspace, "bin");
  return (text) =>
    text
      .replace(SONDE_COMMAND, `${folder}/sonde `)
      .replace(/(?<![\w/-])(?<!Usage: )sonde-pack (?=[a-z])/g, `${folder}/sonde-pack `);
}
