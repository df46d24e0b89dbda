import { lookup } from "node:dns/promises";
import { type IncomingMessage } from "node:http";
import { request } from "node:https";
import { BlockList, isIP } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";
import { whyNotPublic, whyUnreachable } from "@sonde/sources";

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 5 * 1024;

/** A JSON document, and how long its server says that it may be kept. */
export type FetchedDocument = { document: unknown; maxAgeMs: number | null };

/**
 * Fetches the JSON document that a stranger named (attack 31): over https, without a redirect, at
 * most 5 KB within 5 s. The name is looked up once. Each address it has must be on the public
 * internet or in one of `networks`, and the connection is made to one of these and no other.
 *
 * @param networks in the form ADDRESS/PREFIX. A link-local address is refused all the same.
 * @throws SondeError READ_FAILED
 */
export async function fetchDocument(
  address: string,
  networks: readonly string[],
): Promise<FetchedDocument> {
  const url = new URL(address);
  if (url.protocol !== "https:") throw refusal(address, `expected https, got ${url.protocol}`);
  const ended = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const to = await findAddress(url.hostname.replaceAll(/[[\]]/g, ""), networks, ended);
    const response = await ask(url, to, ended);
    if (response.statusCode !== 200) {
      response.destroy();
      throw refusal(address, `expected status 200, got ${response.statusCode ?? "none"}`);
    }
    const type = response.headers["content-type"] ?? "";
    if (!/^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(type)) {
      response.destroy();
      throw refusal(address, `expected JSON, got ${type || "no content type"}`);
    }
    const body = await readCapped(response, MAX_BYTES, () =>
      refusal(address, `expected at most ${MAX_BYTES} bytes`),
    );
    return {
      document: parseJson(body, address, "READ_FAILED"),
      maxAgeMs: readMaxAge(response.headers["cache-control"]),
    };
  } catch (thrown) {
    if (thrown instanceof SondeError) throw thrown;
    throw refusal(
      address,
      ended.aborted ? `no answer within ${TIMEOUT_MS} ms` : "no connection",
      thrown,
    );
  }
}

/** Looks a host up once. All of its addresses must be allowed: a name server could send any first. */
async function findAddress(
  host: string,
  networks: readonly string[],
  ended: AbortSignal,
): Promise<{ address: string; family: number }> {
  const found =
    isIP(host) === 0
      ? await unlessEnded(lookup(host, { all: true, verbatim: true }), ended)
      : [{ address: host, family: isIP(host) }];
  const own = listNetworks(networks);
  for (const { address, family } of found) {
    const kind = family === 6 ? "ipv6" : "ipv4";
    const why = own.check(address, kind) ? whyUnreachable(address) : whyNotPublic(address);
    if (why !== null) throw refusal(host, `expected an address of the public internet, got ${why}`);
  }
  const [first] = found;
  if (first === undefined) throw refusal(host, "expected an address, got none");
  return first;
}

function listNetworks(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix = ""] = network.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

function ask(
  url: URL,
  { address, family }: { address: string; family: number },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = request(
    url,
    {
      signal,
      agent: false,
      headers: { accept: "application/json" },
      maxHeaderSize: 8 * 1024,
      // The address that was checked; the certificate must be the name's all the same.
      lookup: (_host, options, callback) => {
        if (options.all === true) callback(null, [{ address, family }]);
        else callback(null, address, family);
      },
    },
    resolve,
  );
  asked.on("error", reject);
  asked.end();
  return promise;
}

/** A name server that is silent holds the look-up for long, but not the request. */
async function unlessEnded<T>(work: Promise<T>, ended: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onEnd = () => reject(new Error("timeout"));
  ended.addEventListener("abort", onEnd, { once: true });
  return await Promise.race([work, promise]).finally(() => {
    ended.removeEventListener("abort", onEnd);
  });
}

function readMaxAge(cacheControl: string | undefined): number | null {
  const found = /(?:^|[,\s])max-age=(\d{1,9})\b/i.exec(cacheControl ?? "")?.[1];
  return found === undefined ? null : Number(found) * 1000;
}

function refusal(address: string, why: string, cause?: unknown): SondeError {
  return new SondeError("READ_FAILED", `${address}: ${why}`, { cause });
}
