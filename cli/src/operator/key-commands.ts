import { SondeError } from "@sonde/schemas/errors";
import type { ApiKeySummary, KeyPolicy } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { describeClaudeCommand } from "../claude-command.ts";
import type { HubEndpoints } from "../hub-endpoints.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { keepSecret } from "./keep-secret.ts";

type AddOptions = HubOptions & {
  role: string;
  agents?: string;
  probes?: string;
  keyFile?: string;
};

const ROLES = ["client", "auditor", "operator"] as const;

/** `sonde keys [list | add | revoke]`: the API keys of this hub. */
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
    .option("--key-file <file>", "write the key into this new file instead of printing it")
    .action(async (name: string, options: AddOptions) => {
      const { client, endpoints } = connectHub(options);
      const { keyFile } = options;
      const policy = policyOf(options);
      const made = await keepSecret(
        keyFile,
        () => client.createKey(name, policy),
        ({ key }) => key,
      );
      const kept = keyFile === undefined ? { key: made.key } : { keyFile };
      if (options.json) return print(JSON.stringify({ id: made.id, name, policy, ...kept }));
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

  startHubCommand(
    keys,
    "revoke <id>",
    "revoke a key and all keys it made; their clients are cut off at once",
  ).action(async (id: string, options: HubOptions) => {
    if (!/^[0-9a-f-]{36}$/.test(id)) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected an id of sonde keys, got ${JSON.stringify(id.slice(0, 40))}`,
      );
    }
    const { keys: known, ended } = await connectHub(options).client.revokeKey(id);
    const text = [
      `${id} is revoked.`,
      ...ended.map((made) => `With it ended ${made.id}, ${made.name}, which was made with it.`),
    ];
    print(options.json ? JSON.stringify({ revoked: id, ended, keys: known }) : text.join("\n"));
  });
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
    ["ID", "ROLE", "AGENTS", "PROBES", "STATE", "NAME"],
    keys.map(({ id, name, policy, createdAt, revokedAt }) => [
      id,
      policy.role,
      names(policy.agents),
      names(policy.probes),
      revokedAt === null ? `since ${createdAt}` : `revoked ${revokedAt}`,
      name,
    ]),
  );
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
