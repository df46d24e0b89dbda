import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** A port of loopback at which nobody listens. Another process may take it until it is used. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
