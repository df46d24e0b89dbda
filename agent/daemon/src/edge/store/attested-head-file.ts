import type { KeyObject } from "node:crypto";
import { replaceFile } from "@sonde/files";
import { type AttestedHead, type DsseEnvelope } from "@sonde/schemas/wire";

/** Keeps the hub's newest word on the audit log, for `sonde-agent audit verify`. */
export type AttestedHeadFile = {
  /** @param envelope a verified message with a `peerHead` */
  heard(envelope: DsseEnvelope): void;
  close(): void;
};

/** Messages come with every call, and each write waits for the disk. */
const WRITE_AFTER_MS = 10_000;

/** @param report is told when the file cannot be written; the next message tries again */
export function createAttestedHeadFile(
  path: string,
  hubKey: () => KeyObject,
  report: (thrown: unknown) => void,
): AttestedHeadFile {
  let newest: { key: KeyObject; envelope: DsseEnvelope } | null = null;
  let timer: NodeJS.Timeout | null = null;
  const write = (): void => {
    timer = null;
    if (newest === null) return;
    try {
      const { key, envelope } = newest;
      const pem = key.export({ type: "spki", format: "pem" }).toString();
      replaceFile(path, JSON.stringify({ hubKey: pem, envelope } satisfies AttestedHead));
      newest = null;
    } catch (thrown) {
      report(thrown);
    }
  };
  return {
    heard(envelope) {
      newest = { key: hubKey(), envelope };
      timer ??= setTimeout(write, WRITE_AFTER_MS);
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      write();
    },
  };
}
