import { SondeError } from "@sonde/schemas/errors";
import { buildParser } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";
import type { ClientRules } from "../../oauth-settings.ts";
import { isAllowedRedirect } from "./client-rules.ts";

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const List = (maxItems: number) => Type.Array(Text(500), { maxItems });

/** What counts of a client's metadata. A document has more, such as pictures, which nobody loads. */
const Document = Type.Object({
  client_id: Type.Optional(Text(500)),
  client_name: Type.Optional(Text(200)),
  redirect_uris: List(20),
  grant_types: Type.Optional(List(10)),
  response_types: Type.Optional(List(10)),
  token_endpoint_auth_method: Type.Optional(Text(50)),
});

/** Metadata in the form in which the library takes it. */
export type KnownClient = {
  client_id: string;
  client_name: string;
  redirect_uris: string[];
  grant_types: string[];
  response_types: ["code"];
  token_endpoint_auth_method: "none";
};

const parseDocument = buildParser(Document, "client metadata", "BAD_REQUEST");
export const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const GRANT_TYPES = ["authorization_code", "refresh_token"];

/**
 * Reads a client's metadata. Of its redirect addresses those count that the rules allow.
 *
 * @param clientId under which it was found; a document must name the same
 * @throws SondeError BAD_REQUEST
 */
export function readClient(clientId: string, metadata: unknown, rules: ClientRules): KnownClient {
  const document: Static<typeof Document> = parseDocument(metadata);
  const { client_name: name, token_endpoint_auth_method: method = "none" } = document;
  if (document.client_id !== undefined && document.client_id !== clientId) {
    throw refusal(`the client_id ${clientId}`, document.client_id);
  }
  if (method !== "none") throw refusal("token_endpoint_auth_method none", method);
  const types = document.response_types ?? ["code"];
  if (!types.includes("code")) throw refusal("the response type code", types.join(", "));
  const redirects = document.redirect_uris.filter((redirect) => isAllowedRedirect(redirect, rules));
  if (redirects.length === 0) {
    throw refusal(
      "a redirect address that oauth.clients of the hub's configuration allows",
      document.redirect_uris.join(", "),
    );
  }
  const asked = document.grant_types ?? ["authorization_code"];
  return {
    client_id: clientId,
    client_name: plainName(name) ?? hostOf(redirects[0] ?? ""),
    redirect_uris: redirects,
    grant_types: GRANT_TYPES.filter(
      (type) => type === "authorization_code" || asked.includes(type),
    ),
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
}

/** A name for people: one line, without what turns the writing round. Null when nothing is left. */
export function plainName(name: string | undefined): string | null {
  const plain = (name ?? "")
    .replaceAll(/[\p{C}\p{Z}]+/gu, " ")
    .trim()
    .slice(0, 60);
  return plain === "" ? null : plain;
}

/** The host that receives a client's codes: all that is known of it. */
export function hostOf(redirect: string): string {
  const url = URL.parse(redirect);
  return url === null ? "" : url.host;
}

function refusal(expected: string, got: string): SondeError {
  return new SondeError("BAD_REQUEST", `expected ${expected}, got ${got.slice(0, 300)}`);
}
