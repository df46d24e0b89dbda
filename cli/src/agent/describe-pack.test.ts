import { type PackExplanation } from "@sonde/schemas/agent";
import { expect, test } from "vitest";
import { askForGrant, describePack } from "./describe-pack.ts";

const nothing = { groups: [], commands: [], files: [], sockets: [] };
const shown: PackExplanation = {
  name: "acme/hello",
  version: "0.1.0",
  digest: `sha256:${"a".repeat(64)}`,
  signer: { kind: "none", publisher: "acme" },
  state: "held",
  reason: { code: "PACK_DOWNGRADE", message: "older than 0.2.0, which served last" },
  requires: { ...nothing, files: ["/proc/stat"] },
  granted: { by: "ada", at: "2026-01-01T00:00:00.000Z" },
  missing: { ...nothing, files: ["/proc/stat"] },
  gone: { ...nothing, commands: ["uname -a"] },
  items: [{ item: "file /proc/stat", state: "asked" }],
  windows: [],
  endpoints: [],
  wider: [],
  probes: [],
  before: [],
  hub: { granted: null, mayGrant: [], revoked: false },
};

test("a downgrade says so, and what is new and gone against what was granted", () => {
  const text = describePack(shown);
  expect(text).toContain("  PACK_DOWNGRADE: older than 0.2.0, which served last\n");
  expect(text).toContain(
    "  beside what ada approved at 2026-01-01T00:00:00.000Z\n    + file /proc/stat\n    - command uname -a\n",
  );
  expect(askForGrant(shown)).toBe("Go back to acme/hello 0.1.0 on this host, and grant it this?");
});

test("an upgrade that asks for the same says so", () => {
  const text = describePack({ ...shown, reason: null, missing: nothing, gone: nothing });
  expect(text).toContain("    nothing new, nothing gone\n");
});

test("a first approval compares with nothing", () => {
  const text = describePack({ ...shown, reason: null, granted: null, gone: nothing });
  expect(text).not.toContain("beside");
  expect(askForGrant({ ...shown, reason: null })).toBe("Grant this to acme/hello on this host?");
});

test("who can become root by a group that a pack asks for is said", () => {
  const asks = (groups: string[]) =>
    describePack({ ...shown, requires: { ...nothing, groups } }).includes("can become root");
  expect(asks(["adm", "docker"])).toBe(true);
  expect(asks(["adm"])).toBe(false);
});

test("each item is printed by its name, with what became of it; a probe says what it lacks", () => {
  const text = describePack({
    ...shown,
    items: [
      { item: "group adm", state: "withheld" },
      { item: "file /proc/stat", state: "granted" },
      { item: "file /proc/loadavg", state: "asked" },
    ],
    probes: [
      {
        ...{ id: "acme/hello.greet", description: "Says hello.", capability: "observe" },
        ...{ reads: [], lacks: ["file /etc/motd"] },
      },
    ],
  });
  expect(text).toContain(
    "  asks for\n    group adm  (not granted)\n    file /proc/stat\n    file /proc/loadavg  (new)\n",
  );
  expect(text).toContain("    cannot be called: file /etc/motd was not granted");
});
