import { expect, test } from "vitest";
import { rollOut, type Seen } from "./roll-out.ts";

// The hub's answers as data; test/end-to-end/operator-commands.test.ts asks a hub.
const PACK = "sonde/system";
const DIGEST = `sha256:${"0".repeat(64)}` as const;

/** @param states of the version at each agent, once it was given; null for an agent that is offline */
function fleetOf(states: Record<string, string | null>) {
  const given = new Set<string>();
  const detailOf = (name: string): Seen => ({
    name,
    online: states[name] !== null,
    desired: given.has(name) ? [{ name: PACK, version: "1.0.0", digest: DIGEST }] : [],
    packs: given.has(name)
      ? [
          {
            ...{ name: PACK, version: "1.0.0", digest: DIGEST, state: states[name] ?? "fetched" },
            ...{ signer: null, probes: [], approved: null, reason: null },
          },
        ]
      : [],
  });
  const client = { listAgents: async () => Object.keys(states).map(detailOf) };
  const assign = async (name: string) => {
    given.add(name);
    return detailOf(name);
  };
  return { client, assign, names: Object.keys(states) };
}

async function run(states: Record<string, string | null>, atOnce = 1) {
  const { client, assign, names } = fleetOf(states);
  const { done, stopped, left } = await rollOut(client, names, PACK, assign, atOnce);
  return { done: done.map(({ name }) => name), at: stopped?.agent ?? null, left };
}

test.each(["failed", "held", "quarantined", "revoked"])(
  "the first agent where the version is %s stops it, and nobody else gets it",
  async (state) => {
    const states = { "web-1": "active", "web-2": state, "web-3": "active" };
    expect(await run(states)).toEqual({
      done: ["web-1", "web-2"],
      at: "web-2",
      left: ["web-3"],
    });
  },
);

test("a version that is active, or waits for its approval, lets it go on", async () => {
  const states = { "web-1": "active", "web-2": "pending", "web-3": "active" };
  expect(await run(states, 2)).toEqual({ done: ["web-1", "web-2", "web-3"], at: null, left: [] });
});

test("agents that are offline come last, and are not waited for", async () => {
  const states = { "web-1": null, "web-2": "active" };
  expect(await run(states)).toEqual({ done: ["web-2", "web-1"], at: null, left: [] });
});
