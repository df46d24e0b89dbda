import type { AddressInfo } from "node:net";
import type { HttpServer } from "../server.ts";

/** Starts a server on loopback. @returns its URL, without a trailing slash */
export async function serve(app: HttpServer, scheme: "http" | "https" = "http"): Promise<string> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  return `${scheme}://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}
