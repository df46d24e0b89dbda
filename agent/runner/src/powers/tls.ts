import { SondeError } from "@sonde/schemas/errors";
import type { TlsData } from "@sonde/schemas/reads";
import { renderEndpoint, whyUnreachable } from "@sonde/sources";
import { connectTo } from "./connect-to.ts";
import { shakeHands } from "./handshake.ts";
import { isWithinReach } from "./local-address.ts";
import type { Power } from "./power.ts";
import { resolveHost } from "./resolve-host.ts";

/** Most addresses of a name that are tried. */
const MOST_ADDRESSES = 8;
/** Left of a read's time for its answer, so that silence is told as such. */
const ANSWER_MS = 150;

/**
 * Connects to each address of an endpoint at once, and shakes hands with the first of them. The
 * addresses that were checked are the ones that are connected to: the name is looked up once.
 */
export const readTls: Power<"tls"> = async (source, values, { endsAt, reach, signal }) => {
  const endpoint = renderEndpoint(source, values);
  if (endpoint === null) throw new SondeError("PARAMS_INVALID", "expected a host and a port");
  const { text, host, port } = endpoint;
  const started = performance.now();
  const found = (await resolveHost(host, signal)).slice(0, MOST_ADDRESSES);
  const lookupMs = since(started);
  for (const address of found) {
    const why = whyUnreachable(address);
    if (why !== null) {
      throw new SondeError(
        "READ_NOT_GRANTED",
        `${text}: expected an address that packs may reach, got ${why}`,
      );
    }
    if (!isWithinReach(address, reach)) {
      throw new SondeError(
        "PERMISSION_NEEDED",
        `${text}: the runner reaches the host's own addresses only, got ${address}; see docs/install.md for a runner that reaches others`,
      );
    }
  }
  const end = endsAt - ANSWER_MS;
  const ended = AbortSignal.any([
    AbortSignal.timeout(Math.max(1, Math.floor(end - performance.now()))),
    signal,
  ]);
  const tried = await Promise.all(found.map((address) => connectTo({ address, port }, ended)));
  const [first, ...others] = tried.flatMap(({ socket }) => (socket === null ? [] : [socket]));
  for (const socket of others) socket.destroy();
  const addresses = tried.map(({ address, outcome, ms }) => ({ address, outcome, ms }));
  const data: TlsData = { endpoint: text, lookupMs, addresses, chain: [] };
  if (first === undefined || source.only === "connect") {
    first?.destroy();
    return { data, truncated: false, bytes: 0, margins: {} };
  }
  const { handshake, chain, bytes } = await shakeHands(first, host, ended);
  const kept = withinBytes(chain, source.maxBytes);
  return {
    data: { ...data, handshake, chain: kept },
    truncated: kept.length < chain.length,
    bytes,
    margins: {},
  };
};

/** As many certificates, from the first on, as have at most so many bytes. */
function withinBytes(chain: TlsData["chain"], maxBytes: number): TlsData["chain"] {
  let left = maxBytes;
  const first = chain.findIndex((certificate) => {
    left -= Buffer.byteLength(JSON.stringify(certificate));
    return left < 0;
  });
  return first === -1 ? chain : chain.slice(0, first);
}

function since(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}
