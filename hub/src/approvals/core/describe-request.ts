import { createHash } from "node:crypto";
import type { ApprovalItem, ApprovalRequest, ListedRequest } from "@sonde/schemas/approvals";
import type { Manifest } from "@sonde/schemas/manifest";
import { buildProbeId, type Digest } from "@sonde/schemas/names";
import type { PackReport } from "@sonde/schemas/wire";
import {
  describeRead,
  deriveWindows,
  describeUse,
  describeWindow,
  effectiveCapability,
  listHubGrantable,
  listItems,
  listNeeds,
  titleOf,
} from "@sonde/sources";
import { canonicalJson } from "@sonde/trust/canonical-json";
import { diffPermissions } from "@sonde/trust/pack";
import { type HubPack, isInForce, type KnownAgent } from "../../directory/index.ts";

/** What a request is built from. */
export type RequestFacts = {
  agent: KnownAgent;
  online: boolean;
  pack: HubPack;
  /** The version that serves, if it is another one and this hub knows it. */
  serving: HubPack | null;
  now: Date;
};

/** Builds all that a person sees before they approve a pack on an agent. Pure. */
export function describeRequest(facts: RequestFacts): ApprovalRequest {
  const listed = describeListed(facts);
  const { manifest, name: packName } = facts.pack;
  const ungranted = listed.items.filter(({ state }) => state !== "granted");
  const lacked = new Set(ungranted.map(({ item }) => item));
  return {
    ...listed,
    probes: Object.entries(manifest.probes).map(([name, { description, reads }]) => ({
      probe: buildProbeId(packName, name),
      description,
      capability: effectiveCapability(manifest, name),
      reads: Object.values(reads).flatMap((read) => {
        const source = manifest.sources[read.source];
        return source === undefined ? [] : [describeUse(source, read)];
      }),
      lacks: needsOf(manifest, name).filter((item) => lacked.has(item)),
    })),
  };
}

/** The same without what each probe reads. */
export function describeListed({ agent, online, pack, serving, now }: RequestFacts): ListedRequest {
  const { manifest, digest } = pack;
  const report = agent.packs.find((one) => one.digest === digest) ?? null;
  const stated = agent.approvals?.packs.find((one) => one.digest === digest) ?? null;
  const items = describeItems(manifest, agent, report, stated);
  const isForHost = items.some(({ state, hubMayGrant }) => state === "asked" && !hubMayGrant);
  const isDowngrade = report?.reason?.code === "PACK_DOWNGRADE";
  const windows = deriveWindows(manifest.sources).map(describeWindow);
  const approval = describeApproval(agent, pack, now);
  const refusedOnHost = stated?.refused ?? false;
  const shown = { agentId: agent.id, pack: pack.name, digest, items, windows, refusedOnHost };
  return {
    agent: agent.name,
    online,
    ...{ pack: pack.name, version: pack.version, digest, signer: pack.signer },
    state: report?.state ?? "assigned",
    reason: report?.reason ?? null,
    ...{ items, windows },
    difference: serving === null ? null : describeDifference(serving.manifest, manifest),
    approval,
    refusedOnHost,
    hostCommand: isForHost || isDowngrade ? `sonde-agent approve ${pack.name}` : null,
    // The approvals there are count too: of two people who saw the same, one is the second.
    shownSha256: digestOf(canonicalJson({ ...shown, approval })),
  };
}

/** The items that an approval of this request would grant, when nobody chooses among them. */
export function grantableItems({ items }: Pick<ApprovalRequest, "items">): string[] {
  return items.filter(({ hubMayGrant }) => hubMayGrant).map(({ item }) => item);
}

/** True while a person has something to decide about it at the hub, or on the host. */
export function isWaiting({
  state,
  items,
  refusedOnHost,
  approval,
}: Pick<ApprovalRequest, "state" | "items" | "refusedOnHost" | "approval">): boolean {
  if (refusedOnHost) return false;
  if (approval !== null && approval.takenAt === null) return true;
  if (state === "pending" || state === "held") return true;
  return state === "active" && items.some((item) => item.state === "asked");
}

type Stated = NonNullable<KnownAgent["approvals"]>["packs"][number];

function describeItems(
  manifest: Manifest,
  { approvals }: KnownAgent,
  report: PackReport | null,
  stated: Stated | null,
): ApprovalItem[] {
  const grantable = listHubGrantable(manifest, approvals?.hubMayGrant ?? "none");
  const byHost = new Set(stated?.byHost);
  const byHub = new Set(stated?.byHub);
  const withheld = new Set(stated?.withheld);
  // An agent of an earlier release does not say it. What serves in full was granted on its host.
  const isOldGrant = stated === null && report?.state === "active" && report.reason === null;
  return listItems(manifest.requires).map((item) => {
    const by = isOldGrant || byHost.has(item) ? "host" : byHub.has(item) ? "hub" : null;
    const isWithheld = by === null && withheld.has(item);
    return {
      item,
      ...describeNeed(manifest, item),
      state: by === null ? (isWithheld ? "withheld" : "asked") : "granted",
      by,
      hubMayGrant: grantable.has(item) && by !== "host" && !isWithheld && stated?.refused !== true,
    };
  });
}

function describeNeed(manifest: Manifest, item: string): Pick<ApprovalItem, "words" | "reads"> {
  const sources = Object.values(manifest.sources).filter((source) =>
    listNeeds(source).includes(item),
  );
  const words = [...new Set(sources.map(titleOf))].join("; ");
  return {
    words: words === "" ? "Has the rights of a group of this host" : words,
    reads: [...new Set(sources.map((source) => describeRead(source)))],
  };
}

function needsOf({ probes, sources }: Manifest, probe: string): string[] {
  const names = Object.values(probes[probe]?.reads ?? {}).map(({ source }) => source);
  const needs = names.flatMap((name) => {
    const source = sources[name];
    return source === undefined ? [] : listNeeds(source);
  });
  return [...new Set(needs)];
}

function describeDifference(before: Manifest, after: Manifest): ApprovalRequest["difference"] {
  const { added, removed, wider, probes, asksMore } = diffPermissions(before, after);
  return {
    from: before.version,
    asksMore,
    added: listItems(added),
    removed: listItems(removed),
    wider: wider.map(describeWindow),
    probes: {
      added: probes.added,
      removed: probes.removed,
      changed: probes.changed,
      raised: probes.raised.map(({ probe }) => probe),
    },
  };
}

function describeApproval(
  { hubGrants }: KnownAgent,
  { name, digest }: HubPack,
  now: Date,
): ApprovalRequest["approval"] {
  const given = hubGrants.given.find((one) => one.pack === name && one.digest === digest);
  if (given === undefined || !isInForce(given, now)) return null;
  const { by, byName, items, takenAt, expiresAt } = given;
  const at = new Date(given.given).toISOString();
  return { by, byName, at, items, takenAt, expiresAt: takenAt === null ? expiresAt : null };
}

function digestOf(text: string): Digest {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
