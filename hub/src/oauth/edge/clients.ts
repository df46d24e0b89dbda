import { SondeError } from "@sonde/schemas/errors";
import { type KnownClient, DEVICE_CODE, plainName, readClient } from "../core/client-document.ts";
import { findMissingHost, findMissingRedirect, type MissingRule } from "../core/missing-rule.ts";
import type { ClientRules } from "../../oauth-settings.ts";
import { JWT_BEARER } from "../core/identity-providers.ts";
import type { ClientDocuments } from "./client-documents.ts";
import type { ClientStore } from "./client-store.ts";

/** The `sonde` command, which every hub knows. */
export const CLI_CLIENT = "sonde-cli";

const CLI: Omit<KnownClient, "client_id"> = {
  client_name: "sonde",
  redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback"],
  grant_types: ["authorization_code", "refresh_token", DEVICE_CODE],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
};

/** The clients that may ask a person: by their metadata document, registered, or the hub's own. */
export type Clients = {
  /** Null for one that is unknown, gone, or that the rules do not allow any more. */
  find(clientId: string): Promise<KnownClient | null>;
  /** @throws SondeError BAD_REQUEST for one that the rules do not allow, TOO_MANY_ATTEMPTS */
  register(clientId: string, metadata: Record<string, unknown>, from: string): Promise<void>;
};

export function createClients(ports: {
  documents: ClientDocuments;
  store: ClientStore;
  rules: () => ClientRules;
  /** Whether an identity provider may let the client in. */
  isOfProvider: (clientId: string) => boolean;
  onRegistered: (client: KnownClient, from: string) => Promise<void>;
  /** Is told which rule a client lacks that was refused. It never fails. */
  onRefused: (
    missing: MissingRule,
    client: { name: string | null; from: string | null },
  ) => Promise<void>;
}): Clients {
  const { documents, store, rules } = ports;
  /** @param from the address that asked; null where a browser brought the client's id */
  const tell = async (missing: MissingRule | null, metadata: unknown, from: string | null) => {
    if (missing !== null) await ports.onRefused(missing, { name: nameOf(metadata), from });
  };
  return {
    async find(clientId) {
      if (clientId === CLI_CLIENT) {
        return rules().loopback === false ? null : { client_id: clientId, ...CLI };
      }
      const isDocument = clientId.startsWith("https://");
      const metadata = isDocument ? await documents.find(clientId) : await store.find(clientId);
      if (metadata === null) {
        if (isDocument) await tell(findMissingHost(clientId, rules()), null, null);
        return null;
      }
      try {
        const client = readClient(clientId, metadata, rules());
        if (!ports.isOfProvider(clientId)) return client;
        return { ...client, grant_types: [...client.grant_types, JWT_BEARER] };
      } catch (thrown) {
        if (!(thrown instanceof SondeError) || thrown.code !== "BAD_REQUEST") throw thrown;
        await tell(findMissingRedirect(metadata, rules()), metadata, null);
        return null;
      }
    },
    async register(clientId, metadata, from) {
      const missing = findMissingRedirect(metadata, rules());
      await tell(missing, metadata, from);
      const client = readClient(clientId, metadata, rules());
      await ports.onRegistered(client, from);
      await store.add(clientId, client, from);
    },
  };
}

function nameOf(metadata: unknown): string | null {
  const isObject = typeof metadata === "object" && metadata !== null;
  const name: unknown = isObject && "client_name" in metadata ? metadata.client_name : null;
  return typeof name === "string" ? plainName(name.slice(0, 200)) : null;
}
