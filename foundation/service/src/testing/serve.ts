import type { AddressInfo } from "node:net";
import type { HttpServer } from "../http-server.ts";

/** Has a server listen on loopback. @returns where it is, without a slash at the end */
export async function serve(app: HttpServer, scheme: "http" | "https" = "http"): Promise<string> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  return `${scheme}://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}
