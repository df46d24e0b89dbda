import { X509Certificate, createHash } from "node:crypto";
import { once } from "node:events";
import { type ConnectionOptions, type TLSSocket, connect } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";

export type HubAddress = { host: string; port: number };

const CONNECT_MS = 10_000;
/** A chain is a leaf and its CA. The bound keeps a stranger from sending an endless one. */
const MAX_CHAIN = 4;

/**
 * Fetches the CA certificate that a hub presents. Returns it only if its fingerprint is
 * the one in the token (identity rule 2: no trust on first use). Sends nothing to the hub
 * on this connection. The next connection verifies the hub in full against this CA alone.
 *
 * @returns the CA certificate in PEM
 * @throws SondeError HUB_UNTRUSTED or HUB_UNREACHABLE
 */
export async function pinHub(address: HubAddress, fingerprint: string): Promise<string> {
  // TLS verifies nothing here. The token's fingerprint is checked instead.
  const socket = connect({ ...tlsOptions(address), rejectUnauthorized: false });
  try {
    await waitForTls(socket, address);
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
 * Connects with the pinned CA as the only trusted one. TLS itself verifies chain, dates,
 * purpose and name of the hub's certificate.
 *
 * @throws SondeError HUB_UNTRUSTED, HUB_UNREACHABLE or CLOCK_WRONG
 */
export async function connectPinned(address: HubAddress, ca: string): Promise<TLSSocket> {
  const socket = connect({ ...tlsOptions(address), ca: [ca], rejectUnauthorized: true });
  try {
    await waitForTls(socket, address);
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
    // RFC 6066 does not allow an IP address as server name.
    ...(isAddress ? {} : { servername: host }),
  };
}

async function waitForTls(socket: TLSSocket, address: HubAddress): Promise<void> {
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(CONNECT_MS) });
  } catch (thrown) {
    throw explainFailure(thrown, address);
  }
}

/** What a person must change, as far as the failure tells. */
function explainFailure(cause: unknown, { host, port }: HubAddress): SondeError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "no answer";
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new SondeError(
        "HUB_UNREACHABLE",
        `expected the name ${host} to have an address on this host, got ${code}`,
        { cause },
      );
    case "ECONNREFUSED":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
    case "ABORT_ERR":
      return new SondeError(
        "HUB_UNREACHABLE",
        `expected an answer of ${host} on port ${port}, got ${code === "ABORT_ERR" ? `none in ${CONNECT_MS / 1000} s` : code}`,
        { cause },
      );
    case "CERT_NOT_YET_VALID":
    case "CERT_HAS_EXPIRED":
      return new SondeError(
        "CLOCK_WRONG",
        `expected a time at which the hub's certificate is valid, got ${code} at ${new Date().toISOString()}`,
        { cause },
      );
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return new SondeError(
        "HUB_UNTRUSTED",
        `expected a hub that is called ${host}; if it is the right one, start it with --public-name ${host}`,
        { cause },
      );
    default:
      return new SondeError("HUB_UNTRUSTED", `expected the pinned hub's TLS, got ${code}`, {
        cause,
      });
  }
}
