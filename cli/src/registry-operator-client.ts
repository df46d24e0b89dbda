import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { type AuditPage, parseAuditPage } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import {
  type AddIdentity,
  type AddedIdentity,
  type AddedPublisher,
  type ImportReport,
  type PackLife,
  type PublishToken,
  type PublisherList,
  type TrustedPublisher,
  parseAddedIdentity,
  parseAddedPublisher,
  parseImportReport,
  parsePackLife,
  parsePublishToken,
  parsePublishTokenList,
  parsePublisherList,
  parseTrustedPublisher,
} from "@sonde/schemas/registry";
import type { TrustedIdentity } from "@sonde/schemas/trust";
import { type JsonRequest, requestJson } from "./http-json.ts";

/**
 * Sends a request to the registry on this machine over its operator socket. The socket's mode
 * decides who may ask. The answer is not parsed yet.
 */
async function askRegistry(
  socket: string,
  method: JsonRequest["method"],
  path: string,
  body?: object,
): Promise<unknown> {
  return await requestJson({
    method,
    target: { socket },
    path,
    body,
    unavailable: "REGISTRY_UNAVAILABLE",
    what: "registry",
  });
}

/**
 * Lets a key publish as `name`.
 *
 * @param takesReserved allows a reserved name such as `sonde`
 * @returns the publisher with its token, which is shown only once
 */
export async function addPublisher(
  socket: string,
  name: string,
  publicKey: string,
  takesReserved = false,
): Promise<AddedPublisher> {
  const body = { name, publicKey, takesReserved };
  const answer = await askRegistry(socket, "POST", "/publishers", body);
  return parseAddedPublisher(answer);
}

/** Lets the exact identity of a certificate publish. The token is shown only once. */
export async function addIdentity(
  socket: string,
  added: AddIdentity,
  takesReserved = false,
): Promise<AddedIdentity> {
  const body = { ...added, takesReserved };
  return parseAddedIdentity(await askRegistry(socket, "POST", "/identities", body));
}

export async function listPublishers(socket: string): Promise<PublisherList["publishers"]> {
  return parsePublisherList(await askRegistry(socket, "GET", "/publishers")).publishers;
}

/** Removes a key. Nothing signed by it is published any longer. */
export async function removeKey(socket: string, name: string, keyId: string): Promise<void> {
  const path = `/publishers/${encodeURIComponent(name)}/keys/${encodeURIComponent(keyId)}`;
  parsePublisherList(await askRegistry(socket, "DELETE", path));
}

/** Removes an identity. Nothing signed by it is published any longer. */
export async function removeIdentity(
  socket: string,
  name: string,
  removed: TrustedIdentity,
): Promise<void> {
  const query = new URLSearchParams(Object.entries(removed)).toString();
  const path = `/publishers/${encodeURIComponent(name)}/identities?${query}`;
  parsePublisherList(await askRegistry(socket, "DELETE", path));
}

/** Reads entries of the record of who changed rights, in their order. The chain is not verified. */
export async function readRightsLog(
  socket: string,
  afterSeq: number,
  limit: number,
): Promise<AuditPage> {
  const path = `/audit?afterSeq=${afterSeq}&limit=${limit}`;
  return parseAuditPage(await askRegistry(socket, "GET", path));
}

export async function listTokens(socket: string, name: string): Promise<PublishToken[]> {
  return parsePublishTokenList(await askRegistry(socket, "GET", tokensOf(name))).tokens;
}

export async function revokeToken(socket: string, name: string, id: string): Promise<PublishToken> {
  const path = `${tokensOf(name)}/${encodeURIComponent(id)}`;
  return parsePublishToken(await askRegistry(socket, "DELETE", path));
}

/** @param wish a CreateTrustedPublisher, checked by the registry */
export async function trustPublisher(
  socket: string,
  name: string,
  wish: object,
): Promise<TrustedPublisher> {
  const path = `/api/v1/publishers/${encodeURIComponent(name)}/trusted-publishers`;
  return parseTrustedPublisher(await askRegistry(socket, "POST", path, wish));
}

export async function quarantine(
  socket: string,
  pack: string,
  version: string,
  body: { quarantined: boolean; reason: string },
): Promise<PackLife> {
  const name = pack.split("/").map(encodeURIComponent).join("/");
  const path = `/api/v1/packs/${name}/${encodeURIComponent(version)}/quarantine`;
  return parsePackLife(await askRegistry(socket, "PUT", path, body));
}

/**
 * Sends an export to a mirror, which imports all of it or nothing.
 *
 * @param onBytes called with the number of bytes sent; the mirror reads at the same pace
 */
export async function importExport(
  socket: string,
  file: string,
  onBytes: (done: number, total: number) => void,
): Promise<ImportReport> {
  const found = await stat(file).catch(() => null);
  if (found === null) throw new SondeError("NOT_FOUND", `expected an export in ${file}, got none`);
  async function* read(): AsyncGenerator<Buffer> {
    let done = 0;
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      yield chunk;
      onBytes((done += chunk.length), found?.size ?? 0);
    }
  }
  const answer = await requestJson({
    method: "POST",
    target: { socket },
    path: "/import",
    upload: { content: Readable.from(read()), type: "application/x-tar" },
    unavailable: "REGISTRY_UNAVAILABLE",
    what: "registry",
  });
  return parseImportReport(answer);
}

function tokensOf(name: string): string {
  return `/api/v1/publishers/${encodeURIComponent(name)}/tokens`;
}
