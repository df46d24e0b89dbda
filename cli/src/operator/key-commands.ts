import { SondeError } from "@sonde/schemas/errors";
import type { ApiKeySummary, KeyPolicy } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { describeClaudeCommand } from "../claude-command.ts";
import { parseCount } from "../data-command.ts";
import type { HubEndpoints } from "../hub-endpoints.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { keepSecret } from "./keep-secret.ts";

type AddOptions = HubOptions & {
  role: string;
  agents?: string;
  probes?: string;
  keyFile?: string;
  policy?: string;
  expires?: string;
};

const DAY_MS = 24 * 3_600_000;
/** The longest overlap of a rotation, in minutes. */
const MAX_OVERLAP = 7 * 24 * 60;

type RotateOptions = HubOptions & { overlap: string; keyFile?: string };

const ROLES = ["client", "auditor", "operator", "metrics"] as const;

/** `sonde keys [list | add | rotate | revoke]`: the API keys of this hub. */
export function addKeyCommands(program: Command, print: (text: string) => void): void {
  const keys = program.command("keys").description("the hub's API keys");
  startHubCommand(keys, "list", "all keys, never the secrets", { isDefault: true }).action(
    async (options: HubOptions) => {
      const known = await connectHub(options).client.listKeys();
      print(options.json ? JSON.stringify({ keys: known }) : describeKeys(known));
    },
  );

  startHubCommand(keys, "add <name>", "make a key, for one client: it only lists and calls tools")
    .option("--role <role>", `one of ${ROLES.join(", ")}`, "client")
    .option(
      "--agents <names>",
      "only these agents, comma-separated: names, and tags such as role=web",
    )
    .option("--probes <ids>", "only these probes, comma-separated, such as sonde/system.overview")
    .option("--policy <name>", "a policy that narrows it further: sonde policy list")
    .option("--expires <days>", "refuse it from then on, a number of days from now")
    .option("--key-file <file>", "write the key into this new file instead of printing it")
    .action(async (name: string, options: AddOptions) => {
      const { client, endpoints } = connectHub(options);
      const { keyFile } = options;
      const policy = policyOf(options);
      const asked = {
        ...{ name, policy },
        ...(options.policy !== undefined && { held: { name: options.policy } }),
        ...(options.expires !== undefined && { expiresAt: readEnd(options.expires) }),
      };
      const made = await keepSecret(
        keyFile,
        () => client.createKey(asked),
        ({ key }) => key,
      );
      const kept = keyFile === undefined ? { key: made.key } : { keyFile };
      if (options.json) return print(JSON.stringify({ id: made.id, ...asked, ...kept }));
      const secret = keyFile === undefined ? made.key : `$(cat ${keyFile})`;
      print(
        [
          keyFile === undefined
            ? `The key of ${name}, shown only once: ${made.key}`
            : `The key of ${name} is in ${keyFile}.`,
          ...(policy.role === "client" ? describeClient(endpoints, secret) : []),
        ].join("\n"),
      );
    });

  startHubCommand(keys, "rotate <id>", "give a key a new secret; the old one goes on for a while")
    .option("--overlap <minutes>", "how long the old secret works beside the new one", "60")
    .option("--key-file <file>", "write the key into this new file instead of printing it")
    .action(async (id: string, options: RotateOptions) => {
      const { client } = connectHub(options);
      const { keyFile } = options;
      const overlap = parseCount("--overlap", options.overlap, 0, MAX_OVERLAP);
      requireKeyId(id);
      const made = await keepSecret(
        keyFile,
        () => client.rotateKey(id, overlap),
        ({ key }) => key,
      );
      const { previousEndsAt } = made;
      const kept = keyFile === undefined ? { key: made.key } : { keyFile };
      if (options.json) return print(JSON.stringify({ id, previousEndsAt, ...kept }));
      print(
        [
          keyFile === undefined
            ? `The new key, shown only once: ${made.key}`
            : `The new key is in ${keyFile}.`,
          `The old one ends at ${previousEndsAt}.`,
        ].join("\n"),
      );
    });

  startHubCommand(
    keys,
    "revoke <id>",
    "revoke a key and all keys it made; their clients are cut off at once",
  ).action(async (id: string, options: HubOptions) => {
    requireKeyId(id);
    const { keys: known, ended } = await connectHub(options).client.revokeKey(id);
    const text = [
      `${id} is revoked.`,
      ...ended.map((made) => `With it ended ${made.id}, ${made.name}, which was made with it.`),
    ];
    print(options.json ? JSON.stringify({ revoked: id, ended, keys: known }) : text.join("\n"));
  });
}

/** @throws SondeError BAD_REQUEST */
function requireKeyId(id: string): void {
  if (/^[0-9a-f-]{36}$/.test(id)) return;
  const got = JSON.stringify(id.slice(0, 40));
  throw new SondeError("BAD_REQUEST", `expected an id of sonde keys, got ${got}`);
}

function readEnd(days: string): string {
  const left = parseCount("--expires", days, 1, 3650) * DAY_MS;
  return new Date(Date.now() + left).toISOString();
}

function policyOf({ role, agents, probes }: AddOptions): KeyPolicy {
  const known = ROLES.find((name) => name === role);
  if (known === undefined) {
    throw new SondeError("BAD_REQUEST", `expected --role ${ROLES.join(" or ")}, got ${role}`);
  }
  const list = (text: string | undefined) => (text === undefined ? "*" : text.split(","));
  return { role: known, agents: list(agents), probes: list(probes) };
}

function describeKeys(keys: ApiKeySummary[]): string {
  const names = (list: "*" | string[]) => (list === "*" ? "all" : list.join(","));
  return formatTable(
    ["ID", "ROLE", "AGENTS", "PROBES", "POLICY", "STATE", "LAST USED", "NAME"],
    keys.map((key) => [
      key.id,
      key.policy.role,
      names(key.policy.agents),
      names(key.policy.probes),
      key.held === null ? "-" : "name" in key.held ? key.held.name : "own",
      describeState(key),
      key.lastUsedAt === null ? "never" : `${key.lastUsedAt} from ${key.lastUsedAddress}`,
      key.name,
    ]),
  );
}

function describeState({ createdAt, revokedAt, expiresAt }: ApiKeySummary): string {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  return expiresAt === null ? `since ${createdAt}` : `until ${expiresAt}`;
}

/** The line for Claude on this machine, and the one for another machine where the hub is reachable. */
function describeClient({ mcpUrl, publicMcpUrl }: HubEndpoints, secret: string): string[] {
  const here = describeClaudeCommand(mcpUrl, secret);
  if (publicMcpUrl === undefined) return [here];
  return [
    here,
    "On another machine, with config/hub-ca.pem of the data folder (docs/install.md):",
    `NODE_EXTRA_CA_CERTS=hub-ca.pem ${describeClaudeCommand(publicMcpUrl, secret)}`,
  ];
}
