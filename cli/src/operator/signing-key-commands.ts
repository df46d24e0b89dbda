import { SondeError } from "@sonde/schemas/errors";
import type { SigningKeyList } from "@sonde/schemas/hub";
import { toPlainLine } from "@sonde/schemas/plain-text";
import type { Command } from "commander";
import { parseCount } from "../data-command.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";

/** How long an agent of a release that does not follow key sets has to be updated. */
const OVERLAP_DAYS = "7";
const MAX_OVERLAP_DAYS = 30;

/** `sonde hub signing-keys [list | rotate]`: the keys by which the hub proves itself to agents. */
export function addSigningKeyCommands(hub: Command, print: (text: string) => void): void {
  const keys = hub
    .command("signing-keys")
    .description(
      "the hub's own keys: of its CA, its TLS listener, its orders to agents, its log, and for logs that it cosigns",
    );
  startHubCommand(keys, "list", "all of them: algorithm, fingerprint, since and until when", {
    isDefault: true,
  }).action(async (options: HubOptions) => {
    const known = await connectHub(options).client.listSigningKeys();
    print(options.json ? JSON.stringify(known) : describeSigningKeys(known));
  });

  startHubCommand(
    keys,
    "rotate <key>",
    "make a new key, command or audit; agents take it over at once, or when they come back",
  )
    .option(
      "--overlap <days>",
      "how long the present key stays, for agents of earlier releases; 0 when it was stolen",
      OVERLAP_DAYS,
    )
    .action(async (key: string, options: HubOptions & { overlap: string }) => {
      if (key !== "command" && key !== "audit") {
        throw new SondeError(
          "BAD_REQUEST",
          `expected the key called command or audit, got ${JSON.stringify(key.slice(0, 40))}`,
        );
      }
      const overlapDays = parseCount("--overlap", options.overlap, 0, MAX_OVERLAP_DAYS);
      const known = await connectHub(options).client.rotateSigningKey(key, overlapDays);
      print(options.json ? JSON.stringify(known) : describeSigningKeys(known));
    });
}

const VKEYS: Partial<Record<SigningKeyList["keys"][number]["use"], string>> = {
  audit: "For witnesses of this hub's log (their witnessFor)",
  witness: "For logs that this hub cosigns (key of their witness)",
};

function describeSigningKeys({ keys, keySet }: SigningKeyList): string {
  return [
    formatTable(
      ["KEY", "ALGORITHM", "SINCE", "UNTIL", "FINGERPRINT"],
      keys.map(({ use, algorithm, since, until, keyId }) => [
        ...[use, algorithm, since, until ?? "-", keyId],
      ]),
    ),
    ...keys.flatMap(({ use, vkey }) =>
      vkey === undefined ? [] : [`${VKEYS[use] ?? use}: ${toPlainLine(vkey)}`],
    ),
    `Agents trust key set ${keySet.epoch}.${keySet.version}, which the CA signed and which is renewed before ${keySet.expiresAt}.`,
  ].join("\n");
}
