import type { PackProof, Signer } from "@sonde/schemas/trust";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createPackStore, readPackProof } from "./pack-store.ts";

let database: HubDatabase;
let directory: Directory;
beforeAll(async () => {
  database = await openHubDatabase();
  directory = await openDirectory(database.sql, (error) => {
    throw error;
  });
});
afterAll(async () => {
  await directory.close();
  await database.close();
});

const digest = `sha256:${"a".repeat(64)}` as const;
const proofOf = (bundle: string): PackProof => ({ bundle, publicKey: null, log: null });
const signerOf = (letter: string): Signer => {
  return { kind: "rsa-sha256", publisher: "acme", keyId: `sha256:${letter.repeat(64)}` };
};

test("the proof of a pack stays until another signs it, and is of that signer", async () => {
  const { sql } = database;
  const store = createPackStore(sql, directory);
  const save = async (signer: Signer, proof?: PackProof): Promise<void> => {
    const pack = { digest, name: "acme/hello", version: "1.0.0", signer };
    await store.savePack({ ...pack, manifest: buildSampleManifest() }, "", new Date(), proof);
  };
  await save(signerOf("1"));
  expect(await store.readProof(digest)).toBe(null);
  await save(signerOf("1"), proofOf("first"));
  await save(signerOf("1"));
  expect(await readPackProof(sql, digest, signerOf("1"))).toEqual(proofOf("first"));
  expect(await readPackProof(sql, digest, signerOf("2"))).toBe(null);
  await save(signerOf("2"));
  expect(await store.readProof(digest)).toBe(null);
  await save(signerOf("2"), proofOf("second"));
  expect(await readPackProof(sql, digest, signerOf("2"))).toEqual(proofOf("second"));
});
