export type Answer = { status: number; body: Record<string, unknown> };

/** A raw client of the hub's REST API: returns status and body. `key: null` sends no key. */
export type HubClient = {
  send(
    method: string,
    path: string,
    options?: { body?: unknown; key?: string | null },
  ): Promise<Answer>;
};

export function createHubClient(url: string, apiKey: string): HubClient {
  return {
    async send(method, path, { body, key = apiKey } = {}) {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          ...(key !== null && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
  };
}
