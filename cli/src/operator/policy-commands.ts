import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type Policy,
  type PolicyList,
  type PolicyRef,
  type PolicyTest,
  parsePolicy,
} from "@sonde/schemas/policy";
import type { Command } from "commander";
import { startDataCommand } from "../data-command.ts";
import type { HubClient } from "../hub-client.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions } from "./connect-hub.ts";

const SUBJECT = "a subject is key:ID, person:ID or grant:ID, or the id or name of a key";

/** `sonde policy ...`: the policies of this hub, who holds them, and what they decide. */
export function addPolicyCommands(program: Command, print: (text: string) => void): void {
  const policy = program
    .command("policy")
    .description("who may do what: agents, tools, level, rate, addresses and time");
  const add = (usage: string, description: string) => startDataCommand(policy, usage, description);

  startDataCommand(policy, "list", "all policies that have names, and who holds one", {
    isDefault: true,
  }).action(async (options: HubOptions) => {
    const list = await connectHub(options).client.listPolicies();
    print(options.json ? JSON.stringify(list) : describeList(list));
  });

  add("show <name>", "one policy as JSON, as `set` takes it").action(
    async (name: string, options: HubOptions) => {
      const found = await connectHub(options).client.readPolicy(name);
      print(options.json ? JSON.stringify(found) : JSON.stringify(found.policy, null, 2));
    },
  );

  add(
    "set <name> <file>",
    "make or change a policy from a JSON file (docs/policies.md); it acts at once",
  ).action(async (name: string, file: string, options: HubOptions) => {
    const set = await connectHub(options).client.setPolicy(name, readPolicyFile(file));
    print(options.json ? JSON.stringify(set) : `Policy ${name} is in force.`);
  });

  add("remove <name>", "remove a policy that nobody holds").action(
    async (name: string, options: HubOptions) => {
      const left = await connectHub(options).client.removePolicy(name);
      print(options.json ? JSON.stringify(left) : `Policy ${name} is removed.`);
    },
  );

  add(
    "hold <subject> <name>",
    `give a policy to a subject, in place of its own; ${SUBJECT}`,
  ).action(async (subject: string, name: string, options: HubOptions) => {
    const { client } = connectHub(options);
    const held = await client.holdPolicy(await findSubject(client, subject), { name });
    print(options.json ? JSON.stringify(held) : `${held.holder} holds ${name}.`);
  });

  add("release <subject>", `take the policy from a subject; ${SUBJECT}`).action(
    async (subject: string, options: HubOptions) => {
      const { client } = connectHub(options);
      const holder = await findSubject(client, subject);
      const left = await client.releasePolicy(holder);
      print(options.json ? JSON.stringify(left) : `${holder} holds no policy.`);
    },
  );

  add(
    "test <subject> <tool> <agent>",
    `say whether a subject may call a tool on an agent, and by which rule; ${SUBJECT}`,
  )
    .option("--address <address>", "from where it would ask")
    .action(
      async (
        subject: string,
        tool: string,
        agent: string,
        options: HubOptions & { address?: string },
      ) => {
        const { client } = connectHub(options);
        const { address } = options;
        const tested = await client.testPolicy({
          ...{ subject: await findSubject(client, subject), probe: probeOf(tool), agent },
          ...(address !== undefined && { address }),
        });
        print(options.json ? JSON.stringify(tested) : describeTest(tested));
        if (!tested.allowed) process.exitCode = 1;
      },
    );
}

/** A tool's name as clients see it, or its probe's id: `system_disk_usage`, `system.disk.usage`. */
function probeOf(tool: string): string {
  return tool.replace("__", "/").replaceAll("_", ".");
}

/** @throws SondeError BAD_REQUEST for a name that no key in force has, or several */
async function findSubject(client: HubClient, subject: string): Promise<string> {
  if (subject.includes(":")) return subject;
  const keys = (await client.listKeys()).filter(({ revokedAt }) => revokedAt === null);
  const found = keys.filter(({ id, name }) => id === subject || name === subject);
  const [only] = found;
  if (only !== undefined && found.length === 1) return `key:${only.id}`;
  const ids = found.map(({ id }) => id).join(", ");
  const got = JSON.stringify(subject.slice(0, 80));
  throw new SondeError(
    "BAD_REQUEST",
    found.length === 0
      ? `expected key:ID, person:ID, grant:ID, or the id or name of a key in force, got ${got}`
      : `expected one key, got ${got}, which several have: ${ids}`,
  );
}

/** @throws SondeError BAD_REQUEST */
function readPolicyFile(file: string): Policy {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    throw new SondeError("BAD_REQUEST", `expected a file with a policy, could not read ${file}`);
  }
  return parsePolicy(parseJson(bytes, "the policy", "BAD_REQUEST"));
}

function describeList({ policies, holders }: PolicyList): string {
  if (policies.length === 0 && holders.length === 0) {
    return "No policy has a name yet. sonde policy set NAME FILE makes one.";
  }
  const held = (name: string) => holders.filter(({ policy }) => nameOf(policy) === name).length;
  const own = holders.filter(({ policy }) => nameOf(policy) === null).length;
  return [
    formatTable(
      ["NAME", "HELD BY", "SET"],
      policies.map(({ name, setBy, setAt }) => [name, String(held(name)), `${setAt} by ${setBy}`]),
    ),
    ...(own === 0 ? [] : [`${own} hold one of their own.`]),
  ].join("\n");
}

function nameOf(policy: PolicyRef): string | null {
  return "name" in policy ? policy.name : null;
}

function describeTest({ allowed, code, reason, rules }: PolicyTest): string {
  const lines = rules.map(({ policy, line }) => `  ${policy}: ${line}`);
  return [allowed ? "allowed, by" : `refused, ${code}: ${reason}`, ...lines].join("\n");
}
