import type { TlsData } from "@sonde/schemas/reads";
import { renderEndpoint } from "@sonde/sources";
import { shakeHands } from "./handshake.ts";
import type { Power } from "./power.ts";
import { reachEndpoint } from "./reach-endpoint.ts";

/** Left of a read's time for its answer, so that silence is told as such. */
const ANSWER_MS = 150;

/** Connects to each address of an endpoint at once, and shakes hands with the first of them. */
export const readTls: Power<"tls"> = async (source, values, context) => {
  const endpoint = renderEndpoint(source, values);
  const end = context.endsAt - ANSWER_MS;
  const ended = AbortSignal.any([
    AbortSignal.timeout(Math.max(1, Math.floor(end - performance.now()))),
    context.signal,
  ]);
  const { lookupMs, addresses, socket } = await reachEndpoint(endpoint, context, ended);
  const data: TlsData = { endpoint: endpoint.text, lookupMs, addresses, chain: [] };
  if (socket === undefined || source.only === "connect") {
    socket?.destroy();
    return { data, truncated: false, bytes: 0, margins: {} };
  }
  const { handshake, chain, bytes } = await shakeHands(socket, endpoint.host, ended);
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
