import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
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
import { type JsonRequest, requestJson } from "./http-json.ts";

/**
 * Asks the registry on this machine over its operator socket: who may open the
 * socket may ask. The answer is not parsed yet.
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
 * @param takesReserved a name that promises much, such as `sonde`, is meant
 * @returns the publisher with its token, which is shown this once
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

/** Lets whom a certificate names exactly so publish, with a token shown this once. */
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

/** From then on nothing is published under that key. */
export async function removeKey(socket: string, name: string, keyId: string): Promise<void> {
  const path = `/publishers/${encodeURIComponent(name)}/keys/${encodeURIComponent(keyId)}`;
  parsePublisherList(await askRegistry(socket, "DELETE", path));
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
 * Sends an export to a mirror, which takes all of it in or nothing.
 *
 * @param onBytes told how much was sent, which is how far the mirror is
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
