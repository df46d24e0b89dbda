import { randomBytes, randomUUID } from "node:crypto";
import type { PersonRole } from "@sonde/schemas/people";
import { buildAuditRecord } from "../../audit/index.ts";
import { hashSecret } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import type { Link, LinkStore } from "./link-store.ts";

const HOUR_MS = 3_600_000;
/** One day, so that a person in another time zone can use it. */
const LINK_MS = 24 * HOUR_MS;

/**
 * Gives a one-time link for a new account.
 *
 * @param createdBy null for the hub itself
 * @returns the link with its path, which nobody can find out again
 */
export async function giveLink(
  hub: Pick<Hub, "auditLog" | "now">,
  links: LinkStore,
  given: { role: PersonRole; createdBy: string | null },
): Promise<Link & { path: string }> {
  const secret = randomBytes(32).toString("base64url");
  const link = await keepLink(hub, links, { ...given, secretHash: hashSecret(secret) });
  return { ...link, path: `/join?link=${secret}` };
}

/** Keeps a link by the hash of its secret. It is recorded before it can be used. */
export async function keepLink(
  { auditLog, now }: Pick<Hub, "auditLog" | "now">,
  links: LinkStore,
  given: { role: PersonRole; createdBy: string | null; secretHash: string },
): Promise<Link> {
  const { role, createdBy, secretHash } = given;
  const id = randomUUID();
  const createdAt = now();
  const expiresAt = new Date(createdAt.getTime() + LINK_MS);
  const detail = { id, role, expiresAt: expiresAt.toISOString() };
  await auditLog.append(
    buildAuditRecord(createdAt, "link.created", { principal: createdBy, detail }),
  );
  const link = { id, role, createdAt, createdBy, expiresAt };
  await links.add(link, secretHash);
  return link;
}
