import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { EvidenceFinding } from "@sonde/schemas/evidence";

/** Whose word it is that only the hub says. */
export const HUB = "the hub";

export function nameAgent(name: string | null | undefined): string {
  return name === null || name === undefined ? "the agent" : `agent ${name}`;
}

/** Adds a finding. */
export type Note = (
  about: EvidenceFinding["about"],
  state: EvidenceFinding["state"],
  by: string,
  says: string,
) => void;

/** A key or certificate that Node cannot read is the file's fault; any other error is a defect here. */
export function explain(thrown: unknown): string {
  if (thrown instanceof SondeError) return thrown.message;
  if (thrown instanceof Error && "code" in thrown)
    return `${thrown.message} (${String(thrown.code)})`;
  throw thrown;
}

export function toHashes(path: readonly string[]): Buffer[] {
  return path.map((hash) => Buffer.from(hash, "base64"));
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
