import { randomBytes } from "node:crypto";
import {
  AddIdentity,
  AddPublisher,
  type AddedIdentity,
  type AddedPublisher,
  PUBLISH_TOKEN_PREFIX,
  SondeError,
} from "@sonde/schemas";
import { keyIdOf, parsePublisherKey } from "@sonde/trust/pack";
import type { HttpServer } from "../http/http-server.ts";
import type { PublisherStore } from "../store/publisher-store.ts";

/**
 * What the operator does, on the unix socket that only the registry's own user
 * and root can open: so the right is that of the file, and needs no token.
 */
export function addOperatorRoutes(
  app: HttpServer,
  publishers: PublisherStore,
  now: () => Date,
): void {
  app.post(
    "/publishers",
    { schema: { body: AddPublisher } },
    async (request): Promise<AddedPublisher> => {
      const { name, publicKey } = request.body;
      const keyId = keyIdOf(readKey(publicKey));
      const token = createToken();
      await publishers.addPublisher({ name, keyId, publicKey, token, at: now() });
      return { name, keyId, token };
    },
  );
  app.post(
    "/identities",
    { schema: { body: AddIdentity } },
    async ({ body }): Promise<AddedIdentity> => {
      const token = createToken();
      await publishers.addIdentity({ ...body, token, at: now() });
      return { ...body, token };
    },
  );
}

function createToken(): string {
  return `${PUBLISH_TOKEN_PREFIX}${randomBytes(32).toString("base64url")}`;
}

function readKey(publicKey: string): ReturnType<typeof parsePublisherKey> {
  try {
    return parsePublisherKey(publicKey);
  } catch (cause) {
    if (!(cause instanceof SondeError)) throw cause;
    // Here it came with a request, not from a configuration file.
    throw new SondeError("BAD_REQUEST", cause.message, { cause });
  }
}
