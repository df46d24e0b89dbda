import { existsSync } from "node:fs";
import { readFileBeneath, readOwnedFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import type { DataLayout } from "./data-layout.ts";
import { findServiceUid } from "./start/system-users.ts";

/** More than any of these files has. */
const MAX_BYTES = 64 * 1024;

/**
 * The hub's first API key. Like all files of a service, it is read through no link and only while
 * it belongs to that service: root would else lend out a file that the service cannot read.
 *
 * @throws SondeError RIGHT_MISSING for a user who may not read it
 */
export function readOperatorKey(layout: DataLayout): string {
  return readOf(layout, "hub", "operator-key").trim();
}

/** The certificate of the hub's CA in PEM. */
export function readHubCa(layout: DataLayout): string {
  return readOf(layout, "hub", "keys/ca.pem");
}

/** The agent's certificate in PEM; null before it enrolled. */
export function readAgentCertificate(layout: DataLayout): string | null {
  const path = "identity/certificate.pem";
  return existsSync(`${layout.agent}/${path}`) ? readOf(layout, "agent", path) : null;
}

/** Where the agent's hub lets agents come back, as the agent keeps it; null when it does not. */
export function readAgentEnrolPort(layout: DataLayout): number | null {
  const path = "identity/enrol-port";
  return existsSync(`${layout.agent}/${path}`) ? Number(readOf(layout, "agent", path)) : null;
}

/**
 * A file that this user or root owns, such as one of the administrator's; null when it is missing.
 *
 * @throws SondeError CONFIG_INVALID for a link, or a file of anybody else
 */
export function readOwn(path: string, maxBytes = MAX_BYTES): string | null {
  if (!existsSync(path)) return null;
  return readOwnedFile(path, [0, process.getuid?.() ?? 0], maxBytes).toString();
}

function readOf(layout: DataLayout, role: "hub" | "agent", path: string): string {
  try {
    return readFileBeneath(layout[role], path, [findServiceUid(role)], MAX_BYTES).toString();
  } catch (cause) {
    throw new SondeError(
      "RIGHT_MISSING",
      `${cause instanceof Error ? cause.message : "cannot read"}; expected the user who started Sonde with --data ${layout.root}`,
      { cause },
    );
  }
}
