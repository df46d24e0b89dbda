import { randomBytes } from "node:crypto";
import {
  type ListResourcesResult,
  type ReadResourceResult,
  ResourceNotFoundError,
} from "@modelcontextprotocol/server";
import type { Digest } from "@sonde/schemas/names";
import { toPlainLine } from "@sonde/schemas/plain-text";
import { listVisiblePacks } from "../../catalog/index.ts";
import type { HubPack } from "../../directory/index.ts";
import type { Principal } from "../../identity/index.ts";
import { listPackResources, type PackResource, writeReadme } from "../core/pack-resources.ts";
import type { ToolPorts } from "./call-tool.ts";
import { recordRead } from "./fixed-tools.ts";

export type ResourcePorts = Pick<ToolPorts, "auditLog" | "now" | "catalog"> & {
  directory: { packs(): ReadonlyMap<Digest, HubPack> };
  /** @returns null when none was kept */
  readReadme: (digest: Digest) => Promise<string | null>;
};

/** Of an address that is not known. */
const MAX_SHOWN = 200;

/** @throws SondeError AUDIT_UNAVAILABLE */
export async function listResources(
  ports: ResourcePorts,
  principal: Principal,
): Promise<ListResourcesResult> {
  const resources = [...resourcesFor(ports, principal).values()];
  await recordRead(ports, principal, null, { resources: resources.length });
  return { resources: resources.map(({ definition }) => definition) };
}

/**
 * Reads one resource. One of packs that the principal has no tool of is not found, so that nobody
 * learns which packs there are.
 *
 * @throws ResourceNotFoundError, SondeError AUDIT_UNAVAILABLE
 */
export async function readResource(
  ports: ResourcePorts,
  principal: Principal,
  uri: string,
): Promise<ReadResourceResult> {
  const resource = resourcesFor(ports, principal).get(uri);
  // An address of the caller's own is a text like any other.
  const shown = toPlainLine(uri.slice(0, MAX_SHOWN));
  const found = resource !== undefined;
  await recordRead(ports, principal, null, { resource: shown, found });
  if (!found) {
    throw new ResourceNotFoundError(
      shown,
      `expected an address that resources/list gives; got "${shown}"`,
    );
  }
  const { mimeType } = resource.definition;
  return { contents: [{ uri, mimeType, text: await writeResource(ports, resource) }] };
}

function resourcesFor({ catalog, directory }: ResourcePorts, principal: Principal) {
  const packs = [...listVisiblePacks(catalog, principal)].flatMap(
    (digest) => directory.packs().get(digest) ?? [],
  );
  return listPackResources(packs, (pack) => catalog.runbookOf(pack));
}

async function writeResource(
  { readReadme }: ResourcePorts,
  { pack, runbook }: PackResource,
): Promise<string> {
  if (runbook !== null) return `${JSON.stringify(runbook, null, 2)}\n`;
  const readme = await readReadme(pack.digest);
  if (readme !== null) return writeReadme(pack, readme, randomBytes(4).toString("hex"));
  return `An earlier release of this hub kept no README. It is kept when ${pack.name} is installed again.`;
}
