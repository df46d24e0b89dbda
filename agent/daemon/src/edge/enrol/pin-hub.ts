import { X509Certificate, createHash } from "node:crypto";
import { once } from "node:events";
import { type ConnectionOptions, type TLSSocket, connect } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";

export type HubAddress = { host: string; port: number };

const CONNECT_MS = 10_000;
/** A chain is leaf, CA, and nothing that a stranger could make long. */
const MAX_CHAIN = 4;

/**
 * Gets the CA certificate that a hub presents and gives it back only if the
 * token names exactly it (identity rule 2: no trust on first use). Nothing is
 * sent to the hub on this connection; the next one is verified in full against
 * this CA alone.
 *
 * @returns the CA certificate in PEM
 * @throws SondeError HUB_UNTRUSTED
 */
export async function pinHub(address: HubAddress, fingerprint: string): Promise<string> {
  // Not verified yet: the token is what there is to verify with.
  const socket = connect({ ...tlsOptions(address), rejectUnauthorized: false });
  try {
    await waitForTls(socket);
    let certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
    for (let depth = 0; certificate !== undefined && depth < MAX_CHAIN; depth += 1) {
      const digest = createHash("sha256").update(certificate.raw).digest("hex");
      if (digest === fingerprint && certificate.ca) return certificate.toString();
      certificate = certificate.issuerCertificate;
    }
  } finally {
    socket.destroy();
  }
  throw new SondeError("HUB_UNTRUSTED", "expected the CA that the token names, got another");
}

/**
 * Connects with the pinned CA as the only one trusted: chain, dates, purpose
 * and name of the hub's certificate are verified by TLS itself.
 *
 * @throws SondeError HUB_UNTRUSTED
 */
export async function connectPinned(address: HubAddress, ca: string): Promise<TLSSocket> {
  const socket = connect({ ...tlsOptions(address), ca: [ca], rejectUnauthorized: true });
  try {
    await waitForTls(socket);
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
  return socket;
}

function tlsOptions({ host, port }: HubAddress): ConnectionOptions {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(":");
  return {
    host,
    port,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["http/1.1"],
    // RFC 6066: an IP address is never a server name.
    ...(isAddress ? {} : { servername: host }),
  };
}

async function waitForTls(socket: TLSSocket): Promise<void> {
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(CONNECT_MS) });
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "no answer";
    throw new SondeError("HUB_UNTRUSTED", `expected the pinned hub's TLS, got ${code}`, {
      cause: thrown,
    });
  }
}
