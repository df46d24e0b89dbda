import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { askSecret } from "../ask-secret.ts";
import type { Print } from "../data-command.ts";
import { createRemoteHubClient, parseHubUrl } from "../hub-client.ts";
import { readOwn } from "../read-back.ts";
import { formatTable } from "../table.ts";
import { createBearer } from "./bearer.ts";
import { type DeviceCode, type Place, revokeToken } from "./oauth.ts";
import {
  findProfile,
  parseProfileName,
  type Profile,
  profilesFile,
  readProfiles,
  type Token,
  writeProfiles,
} from "./profiles.ts";
import { signInByCode } from "./sign-in-by-code.ts";

type LoginOptions = {
  hub: string;
  profile: string;
  keyFile?: string;
  device?: true;
  ca?: string;
  json?: true;
};

/** `sonde login`, `sonde logout` and `sonde profiles`: the hubs that a user of this machine asks. */
export function addLoginCommands(program: Command, print: Print): void {
  program
    .command("login")
    .description("keep a key or a sign-in for a hub, so that every command asks that hub")
    .requiredOption("--hub <url>", "the hub's address, https://HOST:PORT")
    .option("--profile <name>", "the name by which commands choose this hub", "default")
    .option("--key-file <file>", "a file with the key; without it the key is asked for")
    .option(
      "--device",
      "sign in as a person: by a code for a browser, of this machine or any other",
    )
    .option("--ca <file>", "certificates in PEM that the hub's certificate must come from")
    .option("--json", "print JSON; with --device a line for each event")
    .action(async (options: LoginOptions) => {
      const name = parseProfileName(options.profile);
      const hub = parseHubUrl(options.hub);
      const ca = options.ca === undefined ? undefined : readCertificates(options.ca);
      const file = profilesFile(process.env);
      const place = { hub, ...(ca !== undefined && { ca }) };
      const profile: Profile = { ...place, ...(await obtainSecret(place, options, print)) };
      // What the hub refuses is not kept.
      const bearer = createBearer({ name, file, profile });
      await createRemoteHubClient({ ...place, bearer }).testKey();
      const { profiles } = readProfiles(file);
      writeProfiles(file, { current: name, profiles: { ...profiles, [name]: profile } });
      const kept = "key" in profile ? "The key" : "The sign-in";
      print(
        options.json
          ? JSON.stringify({ profile: name, hub })
          : `Commands now ask ${hub}, as profile ${name}. ${kept} is in ${file}.\nNext: sonde agents`,
      );
    });

  program
    .command("logout")
    .description("forget a hub: a sign-in ends, a key stays in force until it is revoked")
    .option("--profile <name>", "which; by default the one of the last login")
    .option("--json", "print JSON")
    .action(async (options: { profile?: string; json?: true }) => {
      const file = profilesFile(process.env);
      const { current, profiles } = readProfiles(file);
      const name = options.profile ?? current;
      if (name === null) {
        throw new SondeError("NOT_FOUND", "expected a profile, there is none: nobody is logged in");
      }
      const profile = findProfile(file, name);
      const { hub } = profile;
      const { [name]: _gone, ...others } = profiles;
      writeProfiles(file, { current: name === current ? null : current, profiles: others });
      // Forgotten here first: what cannot be ended there is still used no more.
      if ("token" in profile) await revokeToken(profile, profile.token.refresh);
      const said =
        "token" in profile
          ? `The sign-in of profile ${name} has ended on ${hub}, and is forgotten.`
          : `The key of profile ${name} is forgotten. To end it on ${hub} too: sonde keys revoke ID`;
      print(options.json ? JSON.stringify({ profile: name, hub }) : said);
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

/**
 * A key, or the token of a sign-in. At a terminal whoever has no key presses Enter, and signs in.
 *
 * A key is never an argument: other users of a machine see those.
 */
async function obtainSecret(
  place: Place,
  { keyFile, device, json }: LoginOptions,
  print: Print,
): Promise<{ key: string } | { token: Token }> {
  if (device === true && keyFile !== undefined) {
    throw new SondeError("BAD_REQUEST", "expected --device or --key-file, got both");
  }
  if (device !== true) {
    const question = `Key for ${place.hub}, or Enter to sign in with a browser`;
    const text = keyFile === undefined ? await askSecret(question) : readOwn(keyFile);
    const key = text?.trim();
    const signsIn = key === "" && keyFile === undefined && process.stdin.isTTY;
    if (!signsIn) return { key: requireKey(key, keyFile) };
  }
  const token = await signInByCode(place, {
    show: (code) => print(json === true ? JSON.stringify(eventOf(code)) : describeCode(code)),
    wait: (ms) => setTimeout(ms),
    now: () => new Date(),
  });
  return { token };
}

function eventOf({ verificationUri, userCode, expiresInSeconds }: DeviceCode) {
  return { event: "code", verificationUri, userCode, expiresInSeconds };
}

/** No link has the code in it: who follows one of a stranger would let the stranger in. */
function describeCode({ verificationUri, userCode, expiresInSeconds }: DeviceCode): string {
  const minutes = Math.round(expiresInSeconds / 60);
  return `Open ${verificationUri} in a browser, sign in, and type the code ${userCode}\nIt is good for ${minutes} minutes. Waiting for your answer there ...`;
}

function requireKey(key: string | undefined, keyFile: string | undefined): string {
  if (key !== undefined && /^[!-~]{1,500}$/.test(key)) return key;
  throw new SondeError(
    "BAD_REQUEST",
    `expected a key${keyFile === undefined ? "" : ` in ${keyFile}`}, got ${key === undefined ? "no file" : "something else"}; on the hub's machine, sonde keys add NAME makes one; --device needs none`,
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
