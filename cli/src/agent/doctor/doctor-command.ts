import { existsSync } from "node:fs";
import { join } from "node:path";
import { readFileBeneath } from "@sonde/files";
import { toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseAddress } from "@sonde/schemas/wire";
import type { Command } from "commander";
import type { Print } from "../../data-command.ts";
import { asAccount, findInstalledAccount } from "../../start/system-users.ts";
import { readTrustPolicy } from "../../trust-policy-file.ts";
import { listGrantedGroups } from "../grant-files.ts";
import { hasSystemd } from "../has-systemd.ts";
import {
  checkBubblewrap,
  checkDisk,
  checkGroups,
  checkPackHosts,
  checkService,
} from "./check-host.ts";
import { checkHub, type KnownHub } from "./check-hub.ts";
import { checkRegistry } from "./check-registry.ts";
import { type Finding, well, wrong } from "./finding.ts";

/** Where the package has put what is looked at. */
export type LookedAt = { state: string; grants: string; trustPolicy: string };

const MAX_BYTES = 64 * 1024;
/** `sonde-agent doctor`: what keeps this host's agent from serving, and what mends it. */
export function addDoctorCommand(program: Command, place: LookedAt, print: Print): void {
  program
    .command("doctor")
    .description("look at what the agent needs, and say what is missing and which command mends it")
    .option("--json", "print JSON")
    .action(async ({ json }: { json?: true }) => {
      const findings = await examine(place);
      print(json ? JSON.stringify({ findings }) : describeFindings(findings));
      if (findings.some(({ isWell }) => !isWell)) process.exitCode = 1;
    });
}

async function examine({ state, grants, trustPolicy }: LookedAt): Promise<Finding[]> {
  const host = [
    look("disk", () => checkDisk([state, join(state, "audit"), join(state, "packs")])),
    look("sandbox", () => (hasSystemd() ? checkPackHosts() : checkBubblewrap(asRunner))),
    look("groups", () => checkGroups(listGrantedGroups(grants), "/etc/group")),
  ];
  return [...(await examineTrust(trustPolicy)), ...(await examineHub(state)), ...host];
}

/** Words of a command as the runner's user. */
function asRunner(words: string[]): [string, string[]] {
  const { command, args } = asAccount(
    { separate: true },
    findInstalledAccount("runner"),
    [],
    words,
  );
  return [command, args];
}

async function examineTrust(trustPolicy: string): Promise<Finding[]> {
  const policy = attempt("trust", () => readTrustPolicy(trustPolicy));
  if (policy.failed !== null) return [policy.failed];
  if (policy.value === null) {
    const mend =
      "on the hub's machine: sonde trust export FILE; here: sudo sonde-agent enrol --trust FILE";
    return [wrong("trust", "this host trusts nobody's packs yet", mend)];
  }
  const publishers = Object.keys(policy.value.publishers).join(", ") || "nobody";
  return [
    well("trust", `packs of ${publishers} are accepted`),
    ...(await checkRegistry(policy.value, () => new Date())),
  ];
}

async function examineHub(state: string): Promise<Finding[]> {
  if (!existsSync(join(state, "identity/identity.json"))) {
    const mend = "sonde agents invite NAME on the hub's machine prints the command";
    return [wrong("enrolment", "this host has no identity yet", mend)];
  }
  const hub = attempt("enrolment", () => readHub(state));
  if (hub.failed !== null) return [hub.failed];
  return [...(await checkHub(hub.value, new Date())), checkService()];
}

/** The agent's own files belong to its user, who is not believed about anything else. */
function readHub(state: string): KnownHub {
  const owners = [0, findInstalledAccount("agent").uid];
  const read = (name: string) =>
    readFileBeneath(state, `identity/${name}`, owners, MAX_BYTES).toString();
  const identity = parseJson(read("identity.json"), "identity.json", "CONFIG_INVALID");
  const { controlAddress } = identity as { controlAddress?: unknown };
  return {
    ...parseAddress(String(controlAddress)),
    ca: read("ca.pem"),
    certificate: read("certificate.pem"),
  };
}

type Attempt<T> = { value: T; failed: null } | { value: null; failed: Finding };

/** A file that cannot be read is a finding, and ends no other look. */
function attempt<T>(check: string, read: () => T): Attempt<T> {
  try {
    return { value: read(), failed: null };
  } catch (thrown) {
    const { message } = toSondeError(thrown);
    return { value: null, failed: wrong(check, message, "sudo sonde-agent doctor, as root") };
  }
}

function look(check: string, finding: () => Finding): Finding {
  const { value, failed } = attempt(check, finding);
  return failed ?? value;
}

function describeFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ check, isWell, says, mend }) => {
      const line = `${isWell ? "ok   " : "WRONG"} ${check.padEnd(11)} ${says}`;
      return mend === null ? line : `${line}\n      ${" ".repeat(12)}mend it: ${mend}`;
    })
    .join("\n");
}
