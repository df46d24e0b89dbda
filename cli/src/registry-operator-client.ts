import { type AddedPublisher, parseAddedPublisher } from "@sonde/schemas";
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
  const answer = await requestJson({
    method: "POST",
    target: { socket },
    path: "/publishers",
    body: { name, publicKey },
    unavailable: "REGISTRY_UNAVAILABLE",
    what: "registry",
  });
  return parseAddedPublisher(answer);
}
