import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Alters an honest answer; null leaves it unchanged. */
export type Lie = (path: string, body: Buffer) => Buffer | null;

export type LyingRegistry = {
  url: string;
  /** Sets how answers are altered from now on. */
  lie(lie: Lie): void;
  close(): Promise<void>;
};

/** A proxy in front of the real registry that forwards everything except what the test swaps. */
export async function startLyingRegistry(registryUrl: string): Promise<LyingRegistry> {
  let current: Lie = () => null;
  const answer = async (path: string, response: ServerResponse) => {
    const honest = await fetch(`${registryUrl}${path}`);
    const body = Buffer.from(await honest.arrayBuffer());
    const type = honest.headers.get("content-type") ?? "application/json";
    response.writeHead(honest.status, { "content-type": type });
    response.end(current(path, body) ?? body);
  };
  const server = createServer((request, response) => {
    answer(request.url ?? "/", response).catch(() => response.destroy());
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lie(lie) {
      current = lie;
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}
