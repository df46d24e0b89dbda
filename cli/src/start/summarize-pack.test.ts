import { type PackExplanation } from "@sonde/schemas/agent";
import { expect, test } from "vitest";
import { summarizePack } from "./summarize-pack.ts";

const nothing = { groups: [], commands: [], files: [], sockets: [] };
const summarize = (groups: string[]): string => {
  const requires = { ...nothing, groups };
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
  return summarizePack(shown);
};

test.each(["docker", "podman", "lxd", "libvirt", "disk", "kmem", "sudo"])(
  "the first screen says that the group %s is as good as root",
  (group) => {
    expect(summarize([group, "adm"]).split("\n")).toContain(
      `  groups    ${group} (as good as root on this machine), adm`,
    );
  },
);
