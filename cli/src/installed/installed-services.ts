import { existsSync } from "node:fs";
import { readFileBeneath } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { formatAddress } from "@sonde/schemas/wire";
import type { HubEndpoints } from "../hub-endpoints.ts";
import { readOwn } from "../read-back.ts";
import { findServiceUid } from "../start/system-users.ts";

/** A service of this host from its package: its unit is `sonde-SERVICE`. */
export type InstalledService = "hub" | "registry";

/** The configuration of each, and the file in which it keeps the ports on which it listens. */
const PLACES = {
  hub: {
    config: "/etc/sonde-hub/hub.json",
    state: "/var/lib/sonde-hub",
    ports: { file: "ports.json", plain: "http", public: "public" },
  },
  registry: {
    config: "/etc/sonde-registry/registry.json",
    state: "/var/lib/sonde-registry",
    ports: { file: "run/registry.json", plain: "port", public: "publicPort" },
  },
} as const;
const MAX_BYTES = 64 * 1024;
/** A listener at one of these is reached at the loopback address, where its owner is known. */
const REACHED_LOCALLY = new Set(["0.0.0.0", "::", "localhost", "127.0.0.1"]);

type Members = ReadonlyMap<string, unknown>;

/** Whether a package has put this service, or the agent, on this host. */
export function isInstalled(service: InstalledService | "agent"): boolean {
  return existsSync(`/usr/lib/systemd/system/sonde-${service}.service`);
}

/**
 * The members of a service's configuration. The service itself checks all of it.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readInstalledConfig(service: InstalledService): Members {
  const path = PLACES[service].config;
  return membersOf(parseJson(readOwn(path) ?? "", path, "CONFIG_INVALID"), path);
}

/**
 * Where a service answers on this host, by its own word on its ports and its configuration.
 *
 * @returns null when it never listened
 */
export function findInstalledUrl(service: InstalledService): string | null {
  const { plain } = PLACES[service].ports;
  const port = readPorts(service)?.get(plain);
  if (typeof port !== "number") return null;
  const http = membersOf(readInstalledConfig(service).get("http"), PLACES[service].config);
  const host = String(http.get("host"));
  const reached = REACHED_LOCALLY.has(host) ? "127.0.0.1" : host;
  return `${http.has("tls") ? "https" : "http"}://${formatAddress(reached, port)}`;
}

/** @throws SondeError STARTING_FAILED while the hub never listened */
export function readInstalledHub(): HubEndpoints {
  const hubUrl = findInstalledUrl("hub");
  if (hubUrl === null) {
    throw new SondeError(
      "STARTING_FAILED",
      "the hub never ran on this host; start it with systemctl start sonde-hub, after sonde trust follow",
    );
  }
  const config = readInstalledConfig("hub");
  const { config: path, ports } = PLACES.hub;
  const port = readPorts("hub")?.get(ports.public);
  const [name] = [membersOf(config.get("agents"), path).get("names")].flat();
  const isPublic = membersOf(config.get("http"), path).has("public") && typeof port === "number";
  return {
    ...{ hubUrl, mcpUrl: `${hubUrl}/mcp` },
    ...(isPublic && { publicMcpUrl: `https://${formatAddress(String(name), port)}/mcp` }),
  };
}

/** The file belongs to the service and is read through no link; null where it never listened. */
function readPorts(service: InstalledService): Members | null {
  const { state, ports } = PLACES[service];
  const path = `${state}/${ports.file}`;
  if (!existsSync(path)) return null;
  const bytes = readFileBeneath(state, ports.file, [findServiceUid(service)], MAX_BYTES);
  return membersOf(parseJson(bytes, path, "CONFIG_INVALID"), path);
}

function membersOf(value: unknown, path: string): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return new Map(Object.entries(value));
  }
  throw new SondeError("CONFIG_INVALID", `expected a JSON object in ${path}`);
}
