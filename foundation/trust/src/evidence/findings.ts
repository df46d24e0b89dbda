import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";

/** One thing that the evidence says, and what that is worth. */
export type EvidenceFinding = {
  about:
    | "hub"
    | "log"
    | "witness"
    | "request"
    | "policy"
    | "pack"
    | "registry"
    | "order"
    | "answer"
    | "result"
    | "reads"
    | "attestation";
  /**
   * `proven`: a signature or a hash shows it. `stated`: only the hub says it. `missing`: it is not in the file.
   * `broken`: the file contradicts itself.
   */
  state: "proven" | "stated" | "missing" | "broken";
  /**
   * Whose word it is: `hub`, or a name: of a publisher about `pack`, of a log about `registry`, of an
   * agent about all else.
   */
  by: string;
  says: string;
};

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
