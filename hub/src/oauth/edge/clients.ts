import { SondeError } from "@sonde/schemas/errors";
import { type KnownClient, DEVICE_CODE, readClient } from "../core/client-document.ts";
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
}): Clients {
  const { documents, store, rules } = ports;
  return {
    async find(clientId) {
      if (clientId === CLI_CLIENT) {
        return rules().loopback === false ? null : { client_id: clientId, ...CLI };
      }
      const isDocument = clientId.startsWith("https://");
      const metadata = isDocument ? await documents.find(clientId) : await store.find(clientId);
      if (metadata === null) return null;
      try {
        const client = readClient(clientId, metadata, rules());
        if (!ports.isOfProvider(clientId)) return client;
        return { ...client, grant_types: [...client.grant_types, JWT_BEARER] };
      } catch (thrown) {
        if (thrown instanceof SondeError && thrown.code === "BAD_REQUEST") return null;
        throw thrown;
      }
    },
    async register(clientId, metadata, from) {
      const client = readClient(clientId, metadata, rules());
      await ports.onRegistered(client, from);
      await store.add(clientId, client, from);
    },
  };
}
