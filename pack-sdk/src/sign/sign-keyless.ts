import { X509Certificate } from "node:crypto";
import { bundleToJSON } from "@sigstore/bundle";
import { SigningConfig } from "@sigstore/protobuf-specs";
import { SondeError } from "@sonde/schemas/errors";
import { STATEMENT_PAYLOAD_TYPE } from "@sonde/trust/pack";
import type { Statement } from "./sign-statement.ts";
import type { SigningServices } from "./signing-services.ts";

const TIMEOUT_MS = 20_000;
const RETRIES = 2;

/** The bundle (v0.3, JSON text), and the identity in its certificate. */
export type KeylessSigned = { bundle: string; identity: string };

/**
 * Signs a statement with an ephemeral key, which a certificate authority binds to the identity in
 * the token. What the statement is about stays on this machine. The services learn the identity and
 * the statement's digests, and a public log keeps them.
 *
 * @param token an OIDC token with the audience `sigstore`; used once and not stored
 * @throws SondeError SIGNING_FAILED
 */
export async function signKeyless(
  statement: Statement,
  token: string,
  services: SigningServices,
): Promise<KeylessSigned> {
  // Imported lazily: loading takes a quarter of a second, and only this command needs it.
  const { bundleBuilderFromSigningConfig } = await import("@sigstore/sign");
  const builder = bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(services),
    identityProvider: { getToken: () => Promise.resolve(token) },
    bundleType: "dsseEnvelope",
    fetchOptions: { timeout: TIMEOUT_MS, retry: { retries: RETRIES } },
  });
  try {
    const bundle = await builder.create({
      type: STATEMENT_PAYLOAD_TYPE,
      data: Buffer.from(JSON.stringify(statement), "utf8"),
    });
    const { content } = bundle.verificationMaterial;
    if (content.$case !== "certificate") throw new Error("expected a certificate");
    const names = new X509Certificate(content.certificate.rawBytes).subjectAltName ?? "";
    return {
      bundle: `${JSON.stringify(bundleToJSON(bundle), null, 2)}\n`,
      identity: names.replace(/^(URI|email):/, ""),
    };
  } catch (thrown) {
    throw describeFailure(thrown);
  }
}

/** The library's messages may quote the token, so only its codes are kept. */
function describeFailure(thrown: unknown): SondeError {
  const { code, cause } = thrown as { code?: unknown; cause?: { statusCode?: unknown } };
  const step = typeof code === "string" && /^[A-Z_]{1,60}$/.test(code) ? code : "an unknown step";
  const status = typeof cause?.statusCode === "number" ? `, status ${cause.statusCode}` : "";
  return new SondeError("SIGNING_FAILED", `expected a keyless signature, got ${step}${status}`);
}
