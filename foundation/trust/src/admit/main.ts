import { once } from "node:events";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseRegistryEntry } from "@sonde/schemas/registry";
import {
  type AdmitProgramRequest,
  type AdmitReply,
  type AdmitRequest,
  type CheckReply,
  type FollowReply,
  type FollowRequest,
  parseAdmitProgramRequest,
} from "@sonde/schemas/trust";
import { decodeFrontier, encodeFrontier, followLog, headOf, parseNoteKey } from "../log/index.ts";
import { verifyPack } from "../pack/index.ts";
import { checkLogged } from "./check-logged.ts";
import { checkUpload } from "./check-upload.ts";
import { fetchPack } from "./fetch-pack.ts";
import { findAdmitted } from "./find-admitted.ts";
import { readLines } from "./read-lines.ts";
import { noLocalPack, readLocalPack } from "./read-local-pack.ts";
import { buildProof, proveLogged } from "./prove-pack.ts";
import { createTileReader, fetchCheckpoint } from "./registry-fetch.ts";
import { storePack } from "./store-pack.ts";

// The admit program: answers requests about packs, one at a time, until its input ends.
// It is a process of its own, so that hostile bytes never enter the memory of agent, hub
// or registry.

const MAX_REQUEST_BYTES = 1024 * 1024;

type Reply = AdmitReply | FollowReply | CheckReply;

/** Fetches an archive or reads it from the local folder, then verifies and stores it. */
async function admit(request: AdmitRequest): Promise<AdmitReply> {
  const { name, version, digest, policy, log, agentVersion, storeDir } = request;
  const expected = { name, version, ...(digest !== null && { digest }) };
  const local = await readLocalPack(request);
  if (local !== null) {
    const origin = "local-folder";
    const pack = await verifyPack({ ...local, policy, agentVersion, origin, expected });
    const proof = request.proves === true && {
      proof: buildProof(request, pack, local.bundle, null),
    };
    return { ok: true, pack: { ...(await storePack(storeDir, pack)), ...proof } };
  }
  if (digest === null) throw noLocalPack(request);
  if (log === null) {
    throw new SondeError("BAD_REQUEST", "admit request: expected digest and log, got one");
  }
  const known = request.proves === true ? null : await findAdmitted(request);
  if (known !== null) {
    await checkLogged(request, log, known);
    return { ok: true, pack: known };
  }
  const fetched = await fetchPack(request, name, version);
  const origin = "registry";
  const pack = await verifyPack({ ...fetched, policy, agentVersion, origin, expected });
  if (request.proves !== true) {
    await checkLogged(request, log, pack);
    return { ok: true, pack: await storePack(storeDir, pack) };
  }
  const logged = await proveLogged(request, log, pack);
  const proof = buildProof(request, pack, fetched.bundle, logged);
  return { ok: true, pack: { ...(await storePack(storeDir, pack)), proof } };
}

/** Follows a registry's log and prints each new entry. */
async function follow(request: FollowRequest): Promise<FollowReply> {
  const { logKey, from, seen, logHeadMaxAgeHours } = request;
  const { frontier, checkpoint } = await followLog({
    key: parseNoteKey(logKey),
    from: decodeFrontier(from),
    readCheckpoint: () => fetchCheckpoint(request),
    readTile: createTileReader(request),
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

async function answer(request: AdmitProgramRequest): Promise<Reply> {
  switch (request.op) {
    case "admit":
      return await admit(request);
    case "follow":
      return await follow(request);
    case "check":
      return { ok: true, checked: await checkUpload(request) };
  }
}

async function serve(line: string): Promise<Reply> {
  try {
    return await answer(parseAdmitProgramRequest(parseJson(line, "admit request", "BAD_REQUEST")));
  } catch (thrown) {
    const { code, message } = toSondeError(thrown);
    return { ok: false, error: { code, message: message.slice(0, 2000) } };
  }
}

/** Waits when the reader is slower than the registry. */
async function print(value: object): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(value)}\n`)) await once(process.stdout, "drain");
}

async function main(): Promise<void> {
  for await (const line of readLines(process.stdin, MAX_REQUEST_BYTES)) {
    await print(await serve(line));
  }
}

void main();
