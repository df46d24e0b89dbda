import type { HubConfig } from "../../config.ts";

/**
 * The address by which people and their clients reach this hub, as `https://hub.example:8443`. It
 * comes from the configuration and from the ports that were bound, and never from a request: a
 * `Host` header is whatever a stranger writes (attack 32).
 *
 * - `http.publicUrl`, where it is configured
 * - else the first of `http.publicHosts`, at the listener that others reach
 * - else `localhost`. A passkey works under this name, but not under `127.0.0.1`.
 */
export function publicOrigin(
  { publicUrl, publicHosts, public: open, tls, behindProxy }: HubConfig["http"],
  ports: { http: number; public: number },
): string {
  if (publicUrl !== undefined) return new URL(publicUrl).origin;
  const [name] = publicHosts;
  if (name === undefined)
    return originOf(tls === undefined ? "http" : "https", "localhost", ports.http);
  if (open !== undefined) return originOf("https", name, ports.public);
  if (tls !== undefined) return originOf("https", name, ports.http);
  return behindProxy ? `https://${name}` : originOf("http", "localhost", ports.http);
}

function originOf(scheme: "http" | "https", host: string, port: number): string {
  return new URL(`${scheme}://${host}:${port}`).origin;
}
