// Many simulated agents in one process: each is the agent's own hub link, with its TLS, envelopes
// and back-off. Only what stands behind the link is missing: no pack runs, and a call has a ready
// answer. The parent sends `SwarmOrder`s, perhaps a `SwarmOffer`, and gets `SwarmState`s.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import { type AgentStatement, encodeBody, type HelloBody } from "@sonde/schemas/wire";
import { createHubLink, type HubLink } from "../../../agent/daemon/src/edge/hub/hub-link.ts";
import type { SwarmAgent, SwarmHub } from "./seed-swarm.ts";
import type { SwarmOffer, SwarmOrder, SwarmState } from "./start-swarm.ts";

type Member = { link: HubLink; isReady: boolean };

const TELL_MS = 50;
const path = process.argv[2] ?? "";
const { hub, agents } = JSON.parse(readFileSync(path, "utf8")) as {
  hub: SwarmHub;
  agents: SwarmAgent[];
};
const hubKey = createPublicKey(hub.hubKey);
const members: Member[] = [];
let offer: SwarmOffer | null = null;
const listPacks = () => (offer === null ? [] : [offer.pack]);

function join(agent: SwarmAgent): Member {
  const key = createPrivateKey(agent.key);
  const identity = { ...agent, ...hub, key, hubKey, registryHead: null };
  const hello = buildHello({ name: agent.agentName });
  const member: Member = {
    isReady: false,
    link: createHubLink({
      identity: () => identity,
      hub: {
        ...{ place: () => "0.0", seenHead: () => null, seenCheckpoint: () => null },
        takeKeySet: () => undefined,
        commandKey: () => hubKey,
      },
      handlers: {
        onWelcome: () => (member.isReady = false),
        // The hub sends it when the session is complete.
        onDesiredState: () => (member.isReady = true),
        buildHello: () => ({ ...hello, packs: listPacks() }),
        buildPackReport: () => ({
          packs: listPacks(),
          auditHead: hello.auditHead,
          registryHead: null,
        }),
        buildApprovals: () => ({ hubMayGrant: "none", revision: 0, packs: [] }),
        onHubGrants: () => undefined,
        onCertificate: () => undefined,
        onCheckpoint: () => undefined,
        buildWitness: () => null,
        onHeadRepeated: () => undefined,
        onAttest: (nonce) => Promise.resolve({ nonce, statement: stateOf(hello) }),
        onUnattested: () => undefined,
        onCancel: () => undefined,
        onKeySet: () => hubKey,
        onUnsupported: () => undefined,
        onCall({ callId }) {
          if (offer === null) throw new Error("expected no call before the offer");
          const body = encodeBody(buildResult(callId, { data: offer.data }));
          return Promise.resolve({ body, reads: null });
        },
      },
      ensureCertificate: () => Promise.resolve(),
      onRejected: () => undefined,
      onRefused: (why) => process.stderr.write(`${why.code}: ${why.message}\n`),
      log: () => undefined,
      now: Date.now,
    }),
  };
  members.push(member);
  return member;
}

function stateOf(hello: HelloBody): AgentStatement {
  const { name, agentVersion, os, kernel, bootId, arch, maxCapability, binarySha256 } = hello;
  return {
    ...{ name, agentVersion, os, kernel, bootId, arch, maxCapability, lsm: "unknown" },
    ...{ secureBoot: "unknown", tpm: "none", runtimeVersion: process.version },
    ...{ programSha256: binarySha256, configSha256: hello.configSha256 },
    files: [{ kind: "program", path: "/usr/lib/sonde-agent/agent.js", sha256: binarySha256 }],
    ...{ grants: [], packs: [], processes: [] },
  };
}

const isConnected = ({ link, isReady }: Member) => isReady && link.connectedSince() !== null;

async function add({ count, atOnce }: SwarmOrder): Promise<void> {
  const wanted = agents.slice(members.length, members.length + count).values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const agent of wanted) {
        const member = join(agent);
        while (!isConnected(member)) await sleep(1);
      }
    }),
  );
}

function tell(): void {
  const { user, system } = process.cpuUsage();
  const state: SwarmState = {
    connected: members.filter(isConnected).length,
    cpuMs: (user + system) / 1000,
  };
  process.send?.(state);
}

setInterval(tell, TELL_MS);
process.on("message", (order: SwarmOrder | SwarmOffer) => {
  if ("count" in order) return void add(order);
  offer = order;
  for (const { link } of members) link.reportPacks();
});
process.on("disconnect", () => process.exit(1));
tell();
