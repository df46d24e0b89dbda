import { createHash, X509Certificate } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";

/** SHA-256 of a hub's CA certificate, and whether it is the one that the user named. */
export type JudgedAuthority = { fingerprint: string; pinned: boolean };

const FINGERPRINT = /^(sha256:)?[0-9a-f]{64}$/;

/**
 * Compares the CA of what is verified with the one that the user expects.
 *
 * @param authority the certificate in PEM
 * @param wanted 64 hex digits, also with colons; undefined for none
 * @throws SondeError HUB_UNTRUSTED for another one, BAD_REQUEST for no fingerprint
 */
export function judgeAuthority(authority: string, wanted: string | undefined): JudgedAuthority {
  const fingerprint = createHash("sha256").update(readCertificate(authority).raw).digest("hex");
  if (wanted === undefined) return { fingerprint, pinned: false };
  const named = wanted.toLowerCase().replaceAll(/(?<=[0-9a-f]):(?=[0-9a-f])/g, "");
  if (!FINGERPRINT.test(named)) {
    throw new SondeError("BAD_REQUEST", `expected --fingerprint of 64 hex digits, got ${wanted}`);
  }
  if (named.replace("sha256:", "") === fingerprint) return { fingerprint, pinned: true };
  throw new SondeError(
    "HUB_UNTRUSTED",
    `expected the CA with the fingerprint ${named}, got one with ${fingerprint}: this is another hub's log`,
  );
}

/** What the user should do about it, in a sentence. */
export function describeAuthority({ fingerprint, pinned }: JudgedAuthority): string {
  return pinned
    ? `The hub's CA is the one that was named, ${fingerprint}.`
    : `The hub's CA is ${fingerprint}. Compare it with what a host pinned (sonde-agent status), or name it with --fingerprint.`;
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new SondeError(
      "HUB_UNTRUSTED",
      "expected the CA's certificate in PEM, got another text",
      {
        cause,
      },
    );
  }
}
