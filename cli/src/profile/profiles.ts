import { randomUUID } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { readOwnedFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { Timestamp } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;
const MAX_BYTES = 1024 * 1024;
const NAME = "^[a-z0-9][a-z0-9.-]{0,62}$";

const Secret = Type.String({ pattern: "^[!-~]{1,500}$" });
const place = {
  hub: Type.String({ maxLength: 500 }),
  /** Certificates in PEM that the hub's own may come from; without them those of the system. */
  ca: Type.Optional(Type.String({ maxLength: 200_000 })),
};

/** What a person's sign-in gave this terminal: the refresh token works once, and gives the next. */
const Token = Type.Object({ access: Secret, refresh: Secret, expiresAt: Timestamp }, closed);
export type Token = Static<typeof Token>;

/** A hub, and the key or the sign-in by which one user of this machine asks it. */
const Profile = Type.Union([
  Type.Object({ ...place, key: Secret }, closed),
  Type.Object({ ...place, token: Token }, closed),
]);
export type Profile = Static<typeof Profile>;

/** A profile that was chosen, and where it is kept. */
export type ChosenProfile = { name: string; file: string; profile: Profile };

const Profiles = Type.Object(
  {
    /** The one that counts when none is named. */
    current: Type.Union([Type.String({ pattern: NAME }), Type.Null()]),
    profiles: Type.Record(Type.String({ pattern: NAME }), Profile, closed),
  },
  closed,
);
type Profiles = Static<typeof Profiles>;
const parseProfiles = buildParser(Profiles, "profiles", "CONFIG_INVALID");
/** @throws SondeError BAD_REQUEST */
export const parseProfileName = buildParser(
  Type.String({ pattern: NAME }),
  "profile name of lower-case letters, digits, dots and dashes",
  "BAD_REQUEST",
);

/** `profiles.json` in the folder of the user's settings (XDG Base Directory Specification). */
export function profilesFile(env: NodeJS.ProcessEnv): string {
  const named = env["XDG_CONFIG_HOME"];
  const folder = named?.startsWith("/") === true ? named : join(homedir(), ".config");
  return join(folder, "sonde", "profiles.json");
}

/** @throws SondeError CONFIG_INVALID for a file that others may read or change, or of another shape */
export function readProfiles(file: string): Profiles {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) return { current: null, profiles: {} };
  if ((found.mode & 0o077) !== 0) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${file}: expected a file that only its owner may read (chmod 600), because it has keys`,
    );
  }
  const bytes = readOwnedFile(file, [process.getuid?.() ?? 0], MAX_BYTES);
  return parseProfiles(parseJson(bytes, file, "CONFIG_INVALID"));
}

/** Writes all or nothing, and never as a file that others may read. */
export function writeProfiles(file: string, profiles: Profiles): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const made = `${file}.${randomUUID()}`;
  const opened = openSync(made, "wx", 0o600);
  try {
    writeSync(opened, `${JSON.stringify(profiles, null, 2)}\n`);
    fsyncSync(opened);
    renameSync(made, file);
  } catch (thrown) {
    rmSync(made, { force: true });
    throw thrown;
  } finally {
    closeSync(opened);
  }
}

/** @throws SondeError NOT_FOUND naming the profiles that there are */
export function findProfile(file: string, name: string): Profile {
  const { profiles } = readProfiles(file);
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile;
  const known = Object.keys(profiles).toSorted().join(", ") || "none";
  throw new SondeError(
    "NOT_FOUND",
    `expected a profile (${known}), got ${JSON.stringify(name.slice(0, 80))}; sonde login --hub URL --profile NAME makes one`,
  );
}

/**
 * The profile that a command is for; null for the hub of a data folder. What is given with the
 * command counts first, then the environment, then the profile of the last login.
 */
export function chooseProfile(
  given: { profile?: string; data?: string },
  env: NodeJS.ProcessEnv,
): ChosenProfile | null {
  const file = profilesFile(env);
  const choose = (name: string) => ({ name, file, profile: findProfile(file, name) });
  if (given.profile !== undefined) return choose(given.profile);
  if (given.data !== undefined) return null;
  const named = env["SONDE_PROFILE"];
  if (named !== undefined && named !== "") return choose(named);
  if (env["SONDE_DATA"] !== undefined) return null;
  const { current } = readProfiles(file);
  return current === null ? null : choose(current);
}
