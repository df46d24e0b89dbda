import { randomUUID } from "node:crypto";
import type { Digest } from "@sonde/schemas/names";
import { buildSampleManifest } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { Catalog } from "../../catalog/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { Principal } from "../../identity/index.ts";
import { grantsOf } from "../../testing/grants-of.ts";
import { overviewAgent } from "./overview-agent.ts";

const digest: Digest = `sha256:${"a".repeat(64)}`;
const runbook = {
  description: "A runbook for this test.",
  probes: { it: { probe: "greet" } },
  rules: [],
};
const pack: HubPack = {
  ...{ digest, name: "acme/hello", version: "1.0.0" },
  signer: { kind: "rsa-sha256", publisher: "acme", keyId: digest },
  manifest: buildSampleManifest({ runbook }),
};
const packs = new Map([[digest, pack]]);

function overview(options: { approved: string[]; probes?: string[]; state?: string }) {
  const pins = new Map<string, Digest>();
  const catalog = new Catalog({ packs: () => packs, pins: () => pins });
  for (const { probe, definitionSha256 } of catalog.wordsOf(pack)) {
    if (options.approved.includes(probe)) pins.set(probe, definitionSha256);
  }
  const agent: KnownAgent = {
    ...{ id: randomUUID(), name: "web-1", tags: ["role=web"], publicKey: "key" },
    ...{ enrolledAt: "2026-01-01T00:00:00.000Z", certificateExpiresAt: null, lastSeenAt: null },
    ...{ clockSkewMs: 12.3, refusedHubAt: null, hello: null, link: { hub: null, epoch: 0 } },
    holds: [{ kind: "quarantined", reason: "odd", since: "2026-01-01T00:00:00.000Z", by: "key:1" }],
    attestation: { state: "review", expected: 2, review: 1 },
    packs: [
      {
        ...{ name: pack.name, version: pack.version, digest, state: options.state ?? "active" },
        ...{ signer: null, probes: ["greet"], approved: null },
        reason: options.state === undefined ? null : { code: "PACK_DOWNGRADE", message: "older" },
      },
    ],
    ...{ hubGrants: { revision: 0, given: [] }, approvals: null },
    desired: {
      revision: 1,
      packs: ["acme/hello", "acme/gone"].map((name) => ({ name, version: "1.0.0", digest })),
    },
  };
  catalog.setAgent(agent);
  const principal: Principal = {
    subject: { id: "key:1", name: "test" },
    grants: grantsOf({ role: "client", agents: "*", probes: options.probes ?? "*" }),
    policyText: "[]",
    policyHash: digest,
  };
  return overviewAgent({ catalog, directory: { packs: () => packs } }, principal, agent, true);
}

const ALL = ["acme/hello.greet", "acme/hello.diagnose"];

test("an overview says how an agent is, and what each of its packs can be asked", () => {
  expect(overview({ approved: ALL })).toMatchObject({
    ...{ tags: ["role=web"], online: true, attestation: "review", clockSkewMs: 12 },
    drift: { expected: 2, toReview: 1 },
    held: ["quarantined since 2026-01-01T00:00:00.000Z: odd"],
    packs: [{ state: "active", runbook: runbook.description, tools: ["acme__hello_greet"] }],
    missing: ["acme/gone 1.0.0"],
  });
});

test("words that nobody approved are neither tools nor a runbook", () => {
  expect(overview({ approved: [] })).toMatchObject({ packs: [{ runbook: null, tools: [] }] });
});

test("a pack that does not serve says why, and has no tools", () => {
  expect(overview({ approved: ALL, state: "held" })).toMatchObject({
    packs: [{ state: "held", why: "PACK_DOWNGRADE: older", runbook: null, tools: [] }],
  });
});

test("what a key may not ask is not in its overview", () => {
  expect(overview({ approved: ALL, probes: ["acme/hello.other"] })).toMatchObject({
    packs: [{ tools: [] }],
  });
  expect(overview({ approved: ALL, probes: ["acme/b.c"] })).toMatchObject({
    packs: [],
    missing: [],
  });
});
