import { type KeyObject, sign } from "node:crypto";
import { bundleToJSON, toDSSEBundle } from "@sigstore/bundle";
import type { PackStatement, ReleaseStatement } from "@sonde/schemas/trust";
import { dssePae } from "@sonde/trust/envelope";
import { STATEMENT_PAYLOAD_TYPE, keyIdOf } from "@sonde/trust/pack";

/** What a signature can be about. Its predicate type says which. */
export type Statement = PackStatement | ReleaseStatement;

/**
 * Signs a statement with an RSA key.
 *
 * @returns the Sigstore bundle v0.3 as JSON text
 */
export function signStatement(statement: Statement, key: KeyObject): string {
  const payload = Buffer.from(JSON.stringify(statement), "utf8");
  const bundle = toDSSEBundle({
    artifact: payload,
    artifactType: STATEMENT_PAYLOAD_TYPE,
    signature: sign("sha256", dssePae(STATEMENT_PAYLOAD_TYPE, payload), key),
    keyHint: keyIdOf(key),
  });
  return `${JSON.stringify(bundleToJSON(bundle), null, 2)}\n`;
}
