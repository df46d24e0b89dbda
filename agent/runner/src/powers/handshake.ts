import type { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { TlsData } from "@sonde/schemas/reads";
import { describeCertificate, isSignedBy } from "./certificate.ts";
import { isNamed, readTrusted, tlsFailure } from "./host-trust.ts";
import { msSince } from "./ms-since.ts";

type Handshake = NonNullable<TlsData["handshake"]>;
type Problem = Handshake["problems"][number];

const MOST_CERTIFICATES = 10;

/** By OpenSSL's word for what is wrong with a chain. */
const PROBLEMS: ReadonlyMap<string, Problem> = new Map([
  ["CERT_HAS_EXPIRED", "expired"],
  ["CERT_NOT_YET_VALID", "not-yet-valid"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "unknown-issuer"],
  ["UNABLE_TO_GET_ISSUER_CERT", "unknown-issuer"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unknown-issuer"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unknown-issuer"],
]);

/**
 * Shakes hands and closes. Old protocols and weak keys are accepted, since nothing is ever sent and
 * somebody asks what the server has. OpenSSL takes at most 100 KiB of certificates. Never throws.
 *
 * @param host whose certificate it should be
 */
export function shakeHands(
  socket: Socket,
  host: string,
  ended: AbortSignal,
): Promise<{ handshake: Handshake; chain: TlsData["chain"]; bytes: number }> {
  const started = performance.now();
  const address = socket.remoteAddress ?? "";
  const secured = connect({
    socket,
    ...(isIP(host) === 0 && { servername: host }),
    ca: readTrusted(),
    rejectUnauthorized: false,
    // Judged below, so that a wrong name does not hide another problem.
    checkServerIdentity: () => undefined,
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
  });
  return new Promise((resolve) => {
    const close = (): void => {
      secured.destroy();
      socket.destroy();
    };
    const settle = (
      seen: Omit<Handshake, "address" | "ms">,
      chain: TlsData["chain"] = [],
    ): void => {
      ended.removeEventListener("abort", onEnd);
      const ms = msSince(started);
      const bytes = socket.bytesRead;
      // With a word of goodbye: a server would log a connection that breaks off.
      if (seen.failure === undefined) secured.end(close);
      else close();
      ended.addEventListener("abort", close, { once: true });
      resolve({ handshake: { address, ms, ...seen }, chain, bytes });
    };
    const onEnd = (): void => settle({ failure: "timeout", problems: [] });
    secured.once("secureConnect", () => {
      try {
        const certificates = chainOf(secured);
        settle(judge(secured, certificates[0], host), certificates.map(describeCertificate));
      } catch (error) {
        // A stranger's certificate may have a key or a date of a kind that Node does not read.
        const word = error instanceof Error ? tlsFailure(error) : "unknown";
        settle({ failure: `a certificate that cannot be read: ${word}`, problems: [] });
      }
    });
    secured.on("error", (error) => settle({ failure: tlsFailure(error), problems: [] }));
    secured.on("close", () =>
      settle({ failure: "the server closed the connection", problems: [] }),
    );
    if (ended.aborted) onEnd();
    ended.addEventListener("abort", onEnd, { once: true });
  });
}

function judge(
  secured: TLSSocket,
  certificate: X509Certificate | undefined,
  host: string,
): Omit<Handshake, "address" | "ms"> {
  const code = secured.authorizationError === null ? null : String(secured.authorizationError);
  const problems = new Set<Problem>();
  if (certificate !== undefined) {
    const now = Date.now();
    if (certificate.validToDate.getTime() < now) problems.add("expired");
    if (certificate.validFromDate.getTime() > now) problems.add("not-yet-valid");
    if (!isNamed(certificate, host)) problems.add("name-mismatch");
    // OpenSSL says one problem of a chain, and of an expired one only that.
    if (code !== null && isSignedBy(certificate, certificate)) problems.add("self-signed");
  }
  if (code !== null) problems.add(PROBLEMS.get(code) ?? "not-trusted");
  return {
    protocol: secured.getProtocol() ?? "unknown",
    cipher: secured.getCipher().name,
    problems: [...problems],
    ...(code !== null && { verifyCode: code }),
  };
}

function chainOf(secured: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = secured.getPeerX509Certificate();
  while (next !== undefined && chain.length < MOST_CERTIFICATES) {
    const { fingerprint256 } = next;
    if (chain.some((one) => one.fingerprint256 === fingerprint256)) break;
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
