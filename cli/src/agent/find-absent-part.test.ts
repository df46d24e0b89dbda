import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PackExplanation } from "@sonde/schemas/agent";
import { expect, onTestFinished, test } from "vitest";
import { findAbsentPart } from "./find-absent-part.ts";

const nothing = { groups: [], commands: [], files: [], sockets: [] };
const absentOf = (sockets: string[]): string | null => {
  const requires = { ...nothing, sockets };
  const shown: PackExplanation = {
    ...{ name: "acme/engine", version: "0.1.0", digest: `sha256:${"a".repeat(64)}` },
    ...{ signer: { kind: "none", publisher: "acme" }, state: "pending", reason: null },
    ...{ requires, granted: null, missing: requires, gone: nothing, items: [], windows: [] },
    ...{
      endpoints: [],
      wider: [],
      probes: [],
      before: [],
      hub: { granted: null, mayGrant: [], revoked: false },
    },
  };
  return findAbsentPart(shown);
};

test("an engine is there when one of its sockets is, or somebody listens at one of its ports", async () => {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  const socket = join(folder, "engine.sock");
  const atSocket = createServer().listen(socket);
  const atPort = createServer().listen(0, "127.0.0.1");
  await Promise.all([once(atSocket, "listening"), once(atPort, "listening")]);
  const port = `127.0.0.1:${(atPort.address() as AddressInfo).port}`;
  onTestFinished(() => {
    atSocket.close();
    rmSync(folder, { recursive: true });
  });
  expect(absentOf([`${socket} GET /v1`, "/run/none.sock GET /v1"])).toBeNull();
  expect(absentOf([`${port} REDIS INFO`, `${port} REDIS ROLE`])).toBeNull();
  expect(absentOf(["/run/none.sock GET /v1"])).toBe("/run/none.sock");
  atPort.close();
  await once(atPort, "close");
  expect(absentOf([`${port} REDIS INFO`])).toBe(`server at ${port}`);
  // Which port a person will name, nobody knows before.
  expect(absentOf(["<endpoint> GET /status"])).toBeNull();
});
