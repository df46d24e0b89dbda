import { replaceFile } from "@sonde/files";
import type { DataLayout } from "../data-layout.ts";
import type { HubClient } from "../hub-client.ts";
import { readOwn } from "../read-back.ts";

/** The name of the key, by which the hub lists it. */
const NAME = "npm start";

/**
 * The key that `npm start` shows for clients such as Claude: it can ask every question and decide
 * nothing. It is kept in a file, and made again when it is no longer in force.
 */
export async function ensureClientKey(layout: DataLayout, hub: HubClient): Promise<string> {
  const kept = readOwn(layout.clientKey)?.trim();
  if (kept !== undefined && (await isInForce(hub))) return kept;
  const { key } = await hub.createKey({
    name: NAME,
    policy: { role: "client", agents: "*", probes: "*" },
  });
  replaceFile(layout.clientKey, `${key}\n`, 0o600);
  return key;
}

async function isInForce(hub: HubClient): Promise<boolean> {
  const keys = await hub.listKeys();
  return keys.some(({ name, revokedAt }) => name === NAME && revokedAt === null);
}
