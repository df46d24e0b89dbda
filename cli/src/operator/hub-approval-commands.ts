import type {
  ApprovalOutcome,
  ApprovalRequest,
  Inbox,
  InboxEntry,
  ListedRequest,
} from "@sonde/schemas/approvals";
import { SondeError } from "@sonde/schemas/errors";
import { describeSigner } from "@sonde/schemas/trust";
import type { Command } from "commander";
import { confirm } from "../agent/agent-commands.ts";
import { collect } from "../collect.ts";
import type { Print } from "../data-command.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { parsePackName } from "./read-pack-spec.ts";

type ApproveOptions = HubOptions & { yes?: boolean; only: string[] };

/** `sonde hub inbox`, `approve` and `revoke-approval`: what a person decides at the hub. */
export function addHubApprovalCommands(hub: Command, print: Print): void {
  startHubCommand(
    hub,
    "inbox",
    "what waits for a person: packs that ask for grants, changed words of tools, drift, holds",
  ).action(async (options: HubOptions) => {
    const inbox = await connectHub(options).client.readInbox();
    print(options.json ? JSON.stringify(inbox) : describeInbox(inbox));
  });

  startHubCommand(
    hub,
    "approve <agent> <pack>",
    "show what a pack asks for on an agent, and grant what its host lets the hub grant",
  )
    .option("--yes", "do not ask")
    .option("--only <item>", "grant this item and no other; can be repeated", collect, [])
    .action(async (agent: string, pack: string, options: ApproveOptions) => {
      parsePackName(pack);
      const { client } = connectHub(options);
      const shown = await client.readApproval(agent, pack);
      if (!options.json) print(describeRequest(shown));
      requireGrantable(shown);
      if (!options.yes && !(await confirm(`Grant this to ${pack} on ${agent}?`))) {
        throw new SondeError(
          "FORBIDDEN",
          `not approved, nothing was changed; without a terminal: sonde hub approve ${agent} ${pack} --yes`,
        );
      }
      const { shownSha256 } = shown;
      const items = options.only.length === 0 ? {} : { items: options.only };
      const outcome = await client.approvePack(agent, pack, { shownSha256, ...items });
      print(options.json ? JSON.stringify(outcome) : describeOutcome(outcome));
    });

  startHubCommand(
    hub,
    "revoke-approval <agent> <pack>",
    "take back what the hub granted to a pack; what the host granted stays",
  ).action(async (agent: string, pack: string, options: HubOptions) => {
    parsePackName(pack);
    const shown = await connectHub(options).client.revokeApproval(agent, pack);
    print(
      options.json
        ? JSON.stringify(shown)
        : `${agent}: the hub grants ${pack} nothing any more. It is ${shown.state}.`,
    );
  });
}

/** @throws SondeError HOST_DECIDES when there is nothing to decide here */
function requireGrantable({ agent, pack, items }: ApprovalRequest): void {
  if (items.some(({ hubMayGrant }) => hubMayGrant)) return;
  throw new SondeError(
    "HOST_DECIDES",
    `${agent} lets its hub grant nothing of this; on ${agent}: sonde-agent approve ${pack}`,
  );
}

/** The text that a person reads before they approve: signer, items with their reads, and the difference. */
export function describeRequest(shown: ListedRequest): string {
  const { agent, pack, version, state, signer, digest, reason, difference, approval } = shown;
  const lines = [
    `${pack} ${version} on ${agent}  (${state}${shown.online ? "" : ", offline"})`,
    `  signed by  ${describeSigner(signer)}`,
    `  archive    ${digest}`,
    ...(reason === null ? [] : [`  ${reason.code}: ${reason.message}`]),
  ];
  if (difference !== null) {
    lines.push(
      `  beside ${difference.from}, which serves`,
      ...difference.added.map((item) => `    + ${item}`),
      ...difference.wider.map((window) => `    + reads at most: ${window}`),
      ...difference.removed.map((item) => `    - ${item}`),
    );
  }
  lines.push("  asks for");
  for (const { item, reads, ...about } of shown.items) {
    lines.push(`    ${item}  (${describeItemState(about)})`);
    for (const read of reads.filter((what) => what !== item)) lines.push(`      - ${read}`);
  }
  lines.push("  reads at most", ...shown.windows.map((window) => `    ${window}`));
  if (approval !== null) lines.push(`  ${describeApproval(approval)}`);
  if (shown.refusedOnHost) lines.push("  revoked on the host: the hub cannot grant any of it");
  if (shown.hostCommand !== null) lines.push(`  on ${agent}: ${shown.hostCommand}`);
  return lines.join("\n");
}

function describeItemState({
  state,
  by,
  hubMayGrant,
}: Pick<ApprovalRequest["items"][number], "state" | "by" | "hubMayGrant">): string {
  if (state === "granted") return `granted by the ${by ?? "host"}`;
  if (state === "withheld") return "refused on the host";
  return hubMayGrant ? "the hub may grant it" : "only the host may grant it";
}

function describeApproval({
  byName,
  at,
  takenAt,
  expiresAt,
}: NonNullable<ApprovalRequest["approval"]>): string {
  const waits = expiresAt === null ? "" : `, until ${expiresAt}`;
  return `approved at the hub by ${byName} at ${at}${takenAt === null ? `; waits for the agent${waits}` : ""}`;
}

function describeOutcome({ items, request }: ApprovalOutcome): string {
  const lines = items.map(({ item, outcome, why }) => {
    return `${outcome}  ${item}${why === null ? "" : `: ${why}`}`;
  });
  if (items.some(({ outcome }) => outcome === "waits")) {
    lines.push(`${request.agent} has not taken it over yet; it waits for the agent.`);
  }
  if (request.hostCommand !== null) lines.push(`Next: on ${request.agent}: ${request.hostCommand}`);
  return lines.join("\n");
}

/** One entry after the other, each with the command that resolves it. */
export function describeInbox({ entries, more }: Inbox): string {
  if (entries.length === 0) return "Nothing waits for a person.";
  const texts = entries.map(describeEntry);
  if (more > 0) texts.push(`${more} more`);
  return texts.join("\n\n");
}

function describeEntry(entry: InboxEntry): string {
  switch (entry.kind) {
    case "approval": {
      const { agent, pack } = entry.request;
      const text = describeRequest(entry.request);
      if (entry.act === null) return text;
      const command = entry.act.path.endsWith("/approve") ? "approve" : "revoke-approval";
      return `${text}\n  here: sonde hub ${command} ${agent} ${pack}`;
    }
    case "tool":
      return [
        `${entry.probe} says other words than were approved  (${entry.pack} ${entry.version} on ${entry.agents.join(", ")})`,
        ...(entry.approved === null ? [] : [`  - ${entry.approved.description}`]),
        `  + ${entry.stated.description}`,
        `  here: sonde packs approve ${entry.pack}`,
      ].join("\n");
    case "drift":
      return [
        `${entry.agent} states something else than was approved`,
        ...entry.differences.map(({ what, approved, stated }) => {
          return `  ${what}: ${approved ?? "nothing"} -> ${stated ?? "nothing"}`;
        }),
        `  here: sonde agents accept-drift ${entry.agent}`,
      ].join("\n");
    case "first-attestation":
      return `Nobody approved what ${entry.agent} states first.\n  here: sonde agents accept-drift ${entry.agent}`;
    case "hold":
      return `${entry.agent} is ${entry.hold.kind}: ${entry.hold.reason}\n  here: sonde agents release ${entry.agent}`;
  }
}
