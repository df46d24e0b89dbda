import { SondeError } from "@sonde/schemas/errors";
import { PUBLISH_TOKEN_PREFIX } from "@sonde/schemas/registry";
import { readBearer } from "@sonde/service";
import type { Principal } from "../../core/authorize.ts";

const TOKEN = new RegExp(`^${PUBLISH_TOKEN_PREFIX}[A-Za-z0-9_-]{43}$`);

/**
 * Returns the holder of the token in an Authorization header. A malformed, unknown, revoked or
 * expired token gets the same answer.
 *
 * @param refused is called before a refusal
 * @throws SondeError UNAUTHENTICATED
 */
export async function authenticate(
  header: string | undefined,
  findHolder: (token: string) => Promise<Principal | null>,
  refused: () => void,
): Promise<Principal> {
  const token = readBearer(header) ?? "";
  const holder = TOKEN.test(token) ? await findHolder(token) : null;
  if (holder === null) {
    refused();
    throw new SondeError("UNAUTHENTICATED", "expected a publisher's bearer token, got none valid");
  }
  return holder;
}
