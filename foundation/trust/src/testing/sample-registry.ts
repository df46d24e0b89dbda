import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { RegistryEntry } from "@sonde/schemas/registry";
import { archiveDigest, contentDigest, readArchive } from "../archive/index.ts";
import { canonicalJson } from "../canonical-json.ts";
import { formatNoteKey } from "../log/index.ts";
import { parseManifest } from "../pack/index.ts";
import { type SampleLog, createSampleLog } from "./sample-log.ts";

/** Answers a request falsely. */
export type SampleLie = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A registry for tests: HTTP, archives in memory, and a log. Honest unless `lie` is set. */
export type SampleRegistry = {
  readonly url: string;
  readonly logKey: string;
  /** A test may replace it, for instance by a fork. */
  log: SampleLog;
  /** @returns the index of the entry */
  publish(archive: Uint8Array, bundle: string | null): number;
  append(entry: RegistryEntry): number;
  /** Runs before the honest answer. Returns true when it has answered. */
  lie: SampleLie;
  close(): Promise<void>;
};

/** @param tls certificate and key in PEM; without it the registry speaks plain HTTP */
export async function startSampleRegistry(tls?: {
  certificate: string;
  privateKey: string;
}): Promise<SampleRegistry> {
  const files = new Map<string, Uint8Array | string>();
  const log = createSampleLog();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "";
    if (registry.lie(request, response)) return;
    const body = files.get(path) ?? (await registry.log.serve(path.replace("/log/", "")));
    if (body === null) response.writeHead(404).end("{}");
    else response.end(body);
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch(() => response.destroy());
  };
  const server =
    tls === undefined
      ? createServer(handle)
      : createTlsServer({ cert: tls.certificate, key: tls.privateKey }, handle);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const registry: SampleRegistry = {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    logKey: formatNoteKey(log.key),
    log,
    publish(archive, bundle) {
      const contents = readArchive(archive);
      const packJson = contents.find(({ path }) => path === "pack.json");
      const { name, version, engines } = parseManifest(packJson?.bytes ?? Buffer.alloc(0));
      const [publisher = ""] = name.split("/");
      const digest = archiveDigest(archive);
      const logIndex = registry.append({
        type: "publish",
        at: "2026-01-01T00:00:00.000Z",
        name,
        version,
        digest,
        contentDigest: contentDigest(contents),
        engines,
        signer: { kind: "none", publisher },
      });
      const path = `/api/v1/packs/${name}/${version}`;
      files.set(path, JSON.stringify({ logIndex }));
      files.set(`${path}/archive`, archive);
      if (bundle !== null) files.set(`${path}/bundle`, bundle);
      return logIndex;
    },
    append: (entry) => registry.log.append(Buffer.from(canonicalJson(entry), "utf8")),
    lie: () => false,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return registry;
}
