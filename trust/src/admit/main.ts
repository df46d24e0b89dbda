import { once } from "node:events";
import {
  type AdmitReply,
  type AdmitRequest,
  type FollowReply,
  type FollowRequest,
  SondeError,
  parseAdmitProgramRequest,
  parseJson,
  parseRegistryEntry,
  toSondeError,
} from "@sonde/schemas";
import { decodeFrontier, encodeFrontier, followLog, headOf, parseNoteKey } from "../log/index.ts";
import { verifyPack } from "../pack/index.ts";
import { checkLogged } from "./check-logged.ts";
import { fetchPack } from "./fetch-pack.ts";
import { findAdmitted } from "./find-admitted.ts";
import { noLocalPack, readLocalPack } from "./read-local-pack.ts";
import { createTileReader, fetchCheckpoint } from "./registry-fetch.ts";
import { storePack } from "./store-pack.ts";

// The admit program: one request about a registry, then it ends. A process of
// its own, so no hostile byte meets the agent's or hub's memory.

const MAX_REQUEST_BYTES = 1024 * 1024;

/** Fetches or reads, verifies and stores one archive. */
async function admit(request: AdmitRequest): Promise<AdmitReply> {
  const { name, version, digest, policy, log, agentVersion, storeDir } = request;
  const expected = { name, version, ...(digest !== null && { digest }) };
  const local = await readLocalPack(request);
  if (local !== null) {
    const origin = "local-folder";
    const pack = await verifyPack({ ...local, policy, agentVersion, origin, expected });
    return { ok: true, pack: await storePack(storeDir, pack) };
  }
  if (digest === null) throw noLocalPack(request);
  if (log === null) {
    throw new SondeError("BAD_REQUEST", "admit request: expected digest and log, got one");
  }
  const known = await findAdmitted(request);
  if (known !== null) {
    await checkLogged(request.registry, log, known);
    return { ok: true, pack: known };
  }
  const fetched = await fetchPack(request.registry, name, version);
  const origin = "registry";
  const pack = await verifyPack({ ...fetched, policy, agentVersion, origin, expected });
  await checkLogged(request.registry, log, pack);
  return { ok: true, pack: await storePack(storeDir, pack) };
}

/** Follows a registry's log and hands on each new entry. */
async function follow(request: FollowRequest): Promise<FollowReply> {
  const { registry, logKey, from, seen, logHeadMaxAgeHours } = request;
  const { frontier, checkpoint } = await followLog({
    key: parseNoteKey(logKey),
    from: decodeFrontier(from),
    readCheckpoint: () => fetchCheckpoint(registry),
    readTile: createTileReader(registry),
    seen,
    now: new Date(),
    maxHeadAgeHours: logHeadMaxAgeHours,
    async onEntry(bytes, index, head) {
      const entry = parseRegistryEntry(
        parseJson(bytes, "registry log entry", "REGISTRY_LOG_INCONSISTENT"),
      );
      await print({ index, entry, head });
    },
  });
  const at = checkpoint.at.toISOString();
  return { ok: true, log: { place: encodeFrontier(frontier), head: headOf(frontier), at } };
}

async function serve(requestBytes: Buffer): Promise<AdmitReply | FollowReply> {
  try {
    const request = parseAdmitProgramRequest(
      parseJson(requestBytes, "admit request", "BAD_REQUEST"),
    );
    return request.op === "admit" ? await admit(request) : await follow(request);
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

/** Waits for a reader that is slower than the registry. */
async function print(value: object): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(value)}\n`)) await once(process.stdout, "drain");
}

void readRequest().then(serve).then(print);
