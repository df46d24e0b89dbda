import {
  type AddedIdentity,
  type AddedPublisher,
  type AddIdentity,
  parseAddedIdentity,
  parseAddedPublisher,
} from "@sonde/schemas";
import { requestJson } from "./http-json.ts";

/**
 * Tells a registry on this machine that a key may publish as `name`, over the
 * registry's operator socket: who may open the socket may ask.
 *
 * @returns the publisher with its token, which is shown this once
 */
export async function addPublisher(
  socket: string,
  name: string,
  publicKey: string,
): Promise<AddedPublisher> {
  return parseAddedPublisher(await ask(socket, "/publishers", { name, publicKey }));
}

/** Tells it that whom a certificate names exactly so may publish, with a token shown this once. */
export async function addIdentity(socket: string, added: AddIdentity): Promise<AddedIdentity> {
  return parseAddedIdentity(await ask(socket, "/identities", added));
}

async function ask(socket: string, path: string, body: object): Promise<unknown> {
  return await requestJson({
    method: "POST",
    target: { socket },
    path,
    body,
    unavailable: "REGISTRY_UNAVAILABLE",
    what: "registry",
  });
}
