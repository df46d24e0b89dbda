import type { AgentDetail } from "@sonde/schemas/hub";
import { expect, test } from "vitest";
import { describeAgents } from "./describe-agents.ts";

const AT = "2026-01-01T00:00:00.000Z";
const pack = { name: "acme/hello", version: "1.0.0", digest: null, signer: null, probes: [] };

function agent(change: Partial<AgentDetail>): AgentDetail {
  return {
    ...{ id: "8f14e45f-ceea-467f-a830-0fd2b1a2c3d4", name: "web-1", tags: [], online: true },
    ...{
      enrolledAt: AT,
      certificateExpiresAt: AT,
      lastSeenAt: AT,
      clockSkewMs: 120,
      refusedHubAt: null,
    },
    holds: [],
    attestation: { state: "not-attested", expected: 0, review: 0 },
    ...{ agentVersion: "0.1.0", os: null, wall: null, desired: [], packs: [], ...change },
  };
}

const rowsOf = (...agents: AgentDetail[]) =>
  describeAgents(agents)
    .split("\n")
    .map((line) => line.split(/ {2,}/));

test("a row says state, release, end of the certificate, clock, tags and packs", () => {
  expect(rowsOf(agent({ tags: ["env=prod", "role=web"] }))).toEqual([
    ["AGENT", "STATE", "VERSION", "CERTIFICATE UNTIL", "CLOCK", "ATTESTED", "TAGS", "PACKS"],
    [
      "web-1",
      `connected, last said ${AT}`,
      "0.1.0",
      AT,
      "+0.1 s",
      "not attested",
      "env=prod role=web",
      "0 active",
    ],
  ]);
  const refusing = agent({ online: false, refusedHubAt: AT });
  expect(rowsOf(refusing)[1]?.[1]).toBe(`refuses this hub as rolled back since ${AT}`);
  const never = { online: false, lastSeenAt: null, clockSkewMs: null, agentVersion: null };
  expect(rowsOf(agent(never))[1]?.slice(1, 5)).toEqual(["never connected", "-", AT, "-"]);
  expect(rowsOf(agent({ online: false }))[1]?.[1]).toBe(`offline since ${AT}`);
});

test.each([
  [30_000, "+30.0 s"],
  [30_001, "+30.0 s WRONG"],
  [-30_000, "-30.0 s"],
  [-61_040, "-61.0 s WRONG"],
])("a clock that is %s ms ahead is shown as %s", (clockSkewMs, shown) => {
  expect(rowsOf(agent({ clockSkewMs }))[1]?.[4]).toBe(shown);
});

test.each([
  ["approved", 0, 0, "as approved"],
  ["expected", 2, 0, "expected drift (2)"],
  ["review", 1, 3, "DRIFT (3 to review)"],
  ["unapproved", 0, 0, "NOT APPROVED"],
  ["not-attested", 0, 0, "not attested"],
] as const)("an attestation that is %s is shown", (state, expected, review, shown) => {
  expect(rowsOf(agent({ attestation: { state, expected, review } }))[1]?.[5]).toBe(shown);
});

test("an agent that is held has a row with each reason", () => {
  const hold = { kind: "quarantined" as const, reason: "looks odd", since: AT, by: "key:1" };
  const [first, second] = rowsOf(agent({ holds: [hold] })).slice(1);
  expect(first?.[1]).toBe(`quarantined, connected, last said ${AT}`);
  expect(second).toEqual(["", "quarantined: looks odd"]);
});

test("a pack of which something was not granted counts as active, and has a row that says what", () => {
  const reason = { code: "READ_NOT_GRANTED", message: "file /a was not granted" };
  const packs = [{ ...pack, state: "active", approved: null, reason }];
  const [, first, second] = describeAgents([agent({ packs })]).split("\n");
  expect(first).toMatch(/ {2}1 active$/);
  expect(second?.trim()).toMatch(/ active {2}READ_NOT_GRANTED: file \/a was not granted$/);
});

test("each pack that does not serve has a row with the reason", () => {
  const held = { ...pack, state: "held", approved: null, reason: null };
  const reason = { code: "PACK_NOT_ACTIVE", message: "nobody approved it" };
  const packs = [
    { ...held, state: "active" },
    { ...held, version: "2.0.0", reason },
  ];
  const [, first, second] = describeAgents([agent({ packs })]).split("\n");
  expect(first).toMatch(/ {2}1 active$/);
  expect(second?.trim()).toBe("acme/hello 2.0.0  held  PACK_NOT_ACTIVE: nobody approved it");
});
