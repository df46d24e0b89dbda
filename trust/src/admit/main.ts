import {
  type AdmitReply,
  SondeError,
  parseAdmitRequest,
  parseJson,
  toSondeError,
} from "@sonde/schemas";
import { verifyPack } from "../pack/index.ts";
import { fetchPack } from "./fetch-pack.ts";
import { findAdmitted } from "./find-admitted.ts";
import { readLocalPack } from "./read-local-pack.ts";
import { storePack } from "./store-pack.ts";

// The admit program: fetches, verifies and stores one archive, then ends. A
// process of its own, so no hostile byte meets the agent's or hub's memory.

const MAX_REQUEST_BYTES = 1024 * 1024;

async function admit(requestBytes: Buffer): Promise<AdmitReply> {
  try {
    const request = parseAdmitRequest(parseJson(requestBytes, "admit request", "BAD_REQUEST"));
    const { name, version, digest, policy, agentVersion, storeDir, localFolder } = request;
    if (digest === null && localFolder === undefined) {
      throw new SondeError("BAD_REQUEST", "admit request: expected the digest to fetch, got none");
    }
    const known = await findAdmitted(request);
    if (known !== null) return { ok: true, pack: known };
    const unverified =
      localFolder === undefined
        ? await fetchPack(request.registry, name, version)
        : await readLocalPack(localFolder, name, version);
    const pack = await verifyPack({
      ...unverified,
      policy,
      agentVersion,
      origin: localFolder === undefined ? "registry" : "local-folder",
      expected: { name, version, ...(digest !== null && { digest }) },
    });
    return { ok: true, pack: await storePack(storeDir, pack) };
  } catch (thrown) {
    const { code, message } = toSondeError(thrown);
    return { ok: false, error: { code, message: message.slice(0, 2000) } };
  }
}

async function readRequest(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

void readRequest()
  .then(admit)
  .then((reply) => process.stdout.write(`${JSON.stringify(reply)}\n`));
