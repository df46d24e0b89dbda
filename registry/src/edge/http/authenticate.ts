import { PUBLISH_TOKEN_PREFIX, type PublisherName, SondeError } from "@sonde/schemas";

const TOKEN = new RegExp(`^Bearer (${PUBLISH_TOKEN_PREFIX}[A-Za-z0-9_-]{43})$`);

/**
 * The publisher behind an Authorization header. What is no token, or not one of
 * ours, gets the same answer.
 *
 * @throws SondeError UNAUTHENTICATED
 */
export async function authenticate(
  header: string | undefined,
  findPublisher: (token: string) => Promise<PublisherName | null>,
): Promise<PublisherName> {
  const token = TOKEN.exec(header ?? "")?.[1];
  const publisher = token === undefined ? null : await findPublisher(token);
  if (publisher === null) {
    throw new SondeError("UNAUTHENTICATED", "expected a publisher's bearer token, got none valid");
  }
  return publisher;
}
