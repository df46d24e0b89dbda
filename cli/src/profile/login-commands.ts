import { readFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { askSecret } from "../ask-secret.ts";
import type { Print } from "../data-command.ts";
import { createRemoteHubClient, parseHubUrl } from "../hub-client.ts";
import { readOwn } from "../read-back.ts";
import { formatTable } from "../table.ts";
import {
  findProfile,
  parseProfileName,
  type Profile,
  profilesFile,
  readProfiles,
  writeProfiles,
} from "./profiles.ts";

type LoginOptions = {
  hub: string;
  profile: string;
  keyFile?: string;
  ca?: string;
  json?: true;
};

/** `sonde login`, `sonde logout` and `sonde profiles`: the hubs that a user of this machine asks. */
export function addLoginCommands(program: Command, print: Print): void {
  program
    .command("login")
    .description("keep a key for a hub, so that every command asks that hub")
    .requiredOption("--hub <url>", "the hub's address, https://HOST:PORT")
    .option("--profile <name>", "the name by which commands choose this hub", "default")
    .option("--key-file <file>", "a file with the key; without it the key is asked for")
    .option("--ca <file>", "certificates in PEM that the hub's certificate must come from")
    .option("--json", "print JSON")
    .action(async (options: LoginOptions) => {
      const name = parseProfileName(options.profile);
      const hub = parseHubUrl(options.hub);
      const ca = options.ca === undefined ? undefined : readCertificates(options.ca);
      const profile = { hub, key: await readKey(options), ...(ca !== undefined && { ca }) };
      // A key that the hub refuses is not kept.
      await createRemoteHubClient(profile).testKey();
      const file = profilesFile(process.env);
      const { profiles } = readProfiles(file);
      writeProfiles(file, { current: name, profiles: { ...profiles, [name]: profile } });
      print(
        options.json
          ? JSON.stringify({ profile: name, hub })
          : `Commands now ask ${hub}, as profile ${name}. The key is in ${file}.\nNext: sonde agents`,
      );
    });

  program
    .command("logout")
    .description("forget the key of a hub; the key itself stays in force until it is revoked")
    .option("--profile <name>", "which; by default the one of the last login")
    .option("--json", "print JSON")
    .action((options: { profile?: string; json?: true }) => {
      const file = profilesFile(process.env);
      const { current, profiles } = readProfiles(file);
      const name = options.profile ?? current;
      if (name === null) {
        throw new SondeError("NOT_FOUND", "expected a profile, there is none: nobody is logged in");
      }
      const { hub } = findProfile(file, name);
      const { [name]: _gone, ...others } = profiles;
      writeProfiles(file, { current: name === current ? null : current, profiles: others });
      print(
        options.json
          ? JSON.stringify({ profile: name, hub })
          : `The key of profile ${name} is forgotten. To end it on ${hub} too: sonde keys revoke ID`,
      );
    });

  program
    .command("profiles")
    .description("the hubs whose keys are kept, and which of them commands ask; never the keys")
    .option("--json", "print JSON")
    .action((options: { json?: true }) => {
      const { current, profiles } = readProfiles(profilesFile(process.env));
      const known = Object.entries(profiles).map(([name, { hub, ca }]) => ({
        ...{ name, hub, ownCa: ca !== undefined, current: name === current },
      }));
      print(options.json ? JSON.stringify({ profiles: known }) : describeProfiles(known));
    });
}

type Shown = { name: string; hub: string; ownCa: boolean; current: boolean };

function describeProfiles(known: readonly Shown[]): string {
  if (known.length === 0) return "No key is kept. To keep one: sonde login --hub URL";
  return formatTable(
    ["PROFILE", "HUB", "CA", "ASKED"],
    known.map(({ name, hub, ownCa, current }) => [
      ...[name, hub, ownCa ? "its own" : "the system's", current ? "yes" : "-"],
    ]),
  );
}

/** Never an argument: other users of a machine see those. */
async function readKey({ keyFile, hub }: LoginOptions): Promise<Profile["key"]> {
  const text = keyFile === undefined ? await askSecret(`Key for ${hub}`) : readOwn(keyFile);
  const key = text?.trim();
  if (key !== undefined && /^[!-~]{1,500}$/.test(key)) return key;
  throw new SondeError(
    "BAD_REQUEST",
    `expected a key${keyFile === undefined ? "" : ` in ${keyFile}`}, got ${key === undefined ? "no file" : "something else"}; on the hub's machine, sonde keys add NAME makes one`,
  );
}

function readCertificates(file: string): string {
  try {
    const pem = readFileSync(file, "utf8");
    // Throws for what is none.
    void new X509Certificate(pem).subject;
    return pem;
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `${file}: expected certificates in PEM`, { cause });
  }
}
