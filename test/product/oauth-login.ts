import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

// The official clients' own OAuth, as a program of a terminal uses it.

/** Where a program of a terminal waits for its code. */
export type CodeListener = {
  url: string;
  /** What the next browser brings. */
  next(): Promise<{ code: string; iss: string | null; error: string | null }>;
  close(): void;
};

/** Says to the browser that its page can be closed. */
export async function listenForCode(): Promise<CodeListener> {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end("<!doctype html><title>Terminal</title><p>You can close this page.</p>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return {
    url,
    async next() {
      for (;;) {
        const [request] = (await once(server, "request")) as [{ url: string }];
        const { pathname, searchParams } = new URL(request.url, url);
        // A browser asks for a picture of the site too.
        if (pathname !== "/callback") continue;
        const read = (name: string) => searchParams.get(name);
        return { code: read("code") ?? "", iss: read("iss"), error: read("error") };
      }
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What a client keeps of its authorization. */
export type OAuthStore = ReturnType<typeof createOAuthStore>;

/**
 * @param documentUrl of the client's metadata document; without it the client registers itself
 * @param grantTypes that the client asks for
 */
export function createOAuthStore(
  redirectUrl: string,
  {
    name = "A terminal",
    documentUrl,
    grantTypes = ["authorization_code", "refresh_token"],
  }: { name?: string; documentUrl?: string; grantTypes?: string[] } = {},
) {
  const kept = new Map<string, unknown>();
  return {
    kept,
    redirectUrl,
    ...(documentUrl !== undefined && { clientMetadataUrl: documentUrl }),
    clientMetadata: {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: grantTypes,
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
    clientInformation: () => kept.get("client") as { client_id: string } | undefined,
    saveClientInformation: (client: unknown) => void kept.set("client", client),
    tokens: () =>
      kept.get("tokens") as
        | { access_token: string; token_type: string; refresh_token?: string; scope?: string }
        | undefined,
    saveTokens: (tokens: unknown) => void kept.set("tokens", tokens),
    redirectToAuthorization: (url: URL) => void kept.set("url", url),
    saveCodeVerifier: (verifier: string) => void kept.set("verifier", verifier),
    codeVerifier: () => kept.get("verifier") as string,
    /** Where the person is to go. */
    address: () => kept.get("url") as URL,
  };
}

/** What the tests need of either generation. */
export type OAuthClient = {
  /** @throws when a person must let the client in first */
  connect(): Promise<void>;
  /** Takes what the browser brought. The next `connect` or call goes on with it. */
  finish(code: string, iss: string | null): Promise<void>;
  listTools(): Promise<string[]>;
  /** @returns the text of the answer */
  call(name: string, args: Record<string, unknown>): Promise<{ isError: boolean; text: string }>;
  close(): Promise<void>;
};

const INFO = { name: "test", version: "1.0.0" };
export const GENERATIONS = ["1.x", "current"] as const;

/** A client of that generation; of one store there may be several, one after the other. */
export function createOAuthClient(
  generation: (typeof GENERATIONS)[number],
  mcpUrl: string,
  store: OAuthStore,
): OAuthClient {
  const url = new URL(mcpUrl);
  const { client, transport } =
    generation === "1.x"
      ? {
          client: new OlderClient(INFO),
          transport: new OlderTransport(url, { authProvider: store }),
        }
      : {
          client: new Client(INFO),
          transport: new StreamableHTTPClientTransport(url, { authProvider: store as never }),
        };
  return {
    connect: () => client.connect(transport),
    finish: (code, iss) =>
      (transport as { finishAuth: (code: string, iss?: string) => Promise<void> }).finishAuth(
        code,
        iss ?? undefined,
      ),
    async listTools() {
      const { tools } = (await client.listTools()) as { tools: { name: string }[] };
      return tools.map(({ name }) => name);
    },
    async call(name, args) {
      const answer = (await client.callTool({ name, arguments: args })) as {
        isError?: boolean;
        content: { text?: string }[];
      };
      const text = answer.content.map((part) => part.text ?? "").join("\n");
      return { isError: answer.isError === true, text };
    },
    close: () => client.close(),
  };
}
