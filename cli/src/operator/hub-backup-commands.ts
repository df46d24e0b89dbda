import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { askSecret } from "../ask-secret.ts";
import { startDataCommand } from "../data-command.ts";
import { type DataLayout, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { type BackupAnswer, type BackupHome, readBackup, writeBackup } from "./run-hub-backup.ts";

type Options = {
  data?: string;
  json?: true;
  passphraseFile?: string;
  recipient?: string[];
  identityFile?: string;
};

const MIN_PASSPHRASE = 12;

/**
 * `sonde hub backup` and `restore`: a hub in one encrypted file.
 *
 * @param homeOf finds the hub of a data folder
 */
export function addHubBackupCommands(
  hub: Command,
  print: (text: string) => void,
  homeOf: (layout: DataLayout) => BackupHome,
): void {
  const find = ({ data }: Options) => homeOf(layoutOf(resolveDataFolder(data, process.env)));
  const tell = (options: Options, answer: BackupAnswer, sentence: string) =>
    print(options.json ? JSON.stringify(answer) : sentence);

  startDataCommand(hub, "backup <file>", "write keys, database and configuration to a new file")
    .option("--passphrase-file <file>", "a file with the pass phrase; without it, it is asked for")
    .option("--recipient <keys...>", "public keys of age (age1...) instead of a pass phrase")
    .action(async (file: string, options: Options) => {
      if (existsSync(file)) {
        throw new SondeError("BAD_REQUEST", `expected a new file, but ${file} exists`);
      }
      const home = find(options);
      const { recipient: recipients } = options;
      const seal =
        recipients === undefined
          ? { passphrase: await choosePassphrase(options.passphraseFile) }
          : { recipients };
      const config = join(home.configFolder, "hub.json");
      const order = { action: "backup", config, seal } as const;
      const answer = await writeBackup(home.toBackUp(), order, file);
      const what = `hub ${answer.hubId} up to entry ${answer.auditHead.size} of its audit log`;
      tell(options, answer, `${file} has ${what}. Try it: sonde hub restore, on another machine.`);
    });

  startDataCommand(hub, "restore <file>", "make the hub of a backup, where there is none")
    .option("--passphrase-file <file>", "a file with the pass phrase; without it, it is asked for")
    .option("--identity-file <file>", "a file with a secret key of age, instead of a pass phrase")
    .action(async (file: string, options: Options) => {
      const home = find(options);
      const place = await home.toRestore();
      if (existsSync(place.hub) && readdirSync(place.hub).length > 0) {
        throw new SondeError(
          "BAD_REQUEST",
          `expected no hub in ${place.hub}, got one; move it away`,
        );
      }
      const unseal =
        options.identityFile === undefined
          ? { passphrase: await readPassphrase(options.passphraseFile, "Pass phrase") }
          : { identities: readIdentities(options.identityFile) };
      const answer = await readBackup(place, file, unseal);
      const what = `The hub of ${answer.at}, up to entry ${answer.auditHead.size} of its audit log, is in ${place.hub}.`;
      const next =
        "Its agents accept it, and refuse the old one, once they reach it under the same address.";
      const kept = `Compare ${join(place.hub, "restored-config")} with ${home.configFolder}.`;
      tell(options, answer, [what, next, kept, `Next: ${home.next}`].join("\n"));
    });
}

async function choosePassphrase(file: string | undefined): Promise<string> {
  const passphrase = await readPassphrase(file, "Pass phrase of the backup");
  if (passphrase.length < MIN_PASSPHRASE) {
    throw new SondeError(
      "BAD_REQUEST",
      `expected a pass phrase of at least ${MIN_PASSPHRASE} characters, got ${passphrase.length}`,
    );
  }
  const isAsked = file === undefined && process.stdin.isTTY;
  if (isAsked && (await readPassphrase(undefined, "The same again")) !== passphrase) {
    throw new SondeError("BAD_REQUEST", "expected the same pass phrase twice");
  }
  return passphrase;
}

async function readPassphrase(file: string | undefined, question: string): Promise<string> {
  const text = file === undefined ? await askSecret(question) : readFileSync(file, "utf8");
  const passphrase = text.replace(/\r?\n$/, "");
  if (passphrase !== "") return passphrase;
  throw new SondeError("BAD_REQUEST", "expected a pass phrase, got nothing");
}

/** The lines of a file of `age-keygen` that are keys. */
function readIdentities(file: string): string[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const identities = lines.map((line) => line.trim()).filter((line) => line.startsWith("AGE-"));
  if (identities.length > 0) return identities;
  throw new SondeError("BAD_REQUEST", `expected a line AGE-SECRET-KEY-1... in ${file}`);
}
