import { randomUUID } from "node:crypto";
import type { Database } from "@sonde/database";
import { SondeError } from "@sonde/schemas/errors";
import { buildResult } from "@sonde/schemas/testing";
import type { DesiredStateBody, HubGrantsBody } from "@sonde/schemas/wire";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import type { AgentCall, AgentLink } from "../core/agent-link-port.ts";
import { type Lease, type Links, openLinks } from "./open-links.ts";

// Two hubs of one database in one process, each with its own connections. The test plays the
// agents' sessions: it checks who holds an agent and how other hubs reach it.

const KEY = "key";
const DIGEST = `sha256:${"a".repeat(64)}`;
const ENVELOPE = { payloadType: "x", payload: "", signatures: [{ keyid: DIGEST, sig: "" }] };

type TestHub = { database: Database; directory: Directory; links: Links };
let installation: HubDatabase;
let hubs: [TestHub, TestHub];
let names: [string, string];
const problems: Error[] = [];
let replaced: string[];

beforeAll(async () => {
  installation = await openHubDatabase();
});
afterAll(() => installation.close());
beforeEach(async () => {
  names = [randomUUID(), randomUUID()];
  replaced = [];
  hubs = [await openHub(names[0]), await openHub(names[1])];
});
afterEach(async () => {
  for (const { links, directory, database } of hubs) {
    await links.close();
    await directory.close();
    await database.close();
  }
  expect(problems.splice(0)).toEqual([]);
});

/** @param unheard true hides the start of this hub from the others */
async function openHub(self: string, unheard = false): Promise<TestHub> {
  const database = await installation.openAgain();
  const { sql } = database;
  const report = (error: Error) => problems.push(error);
  const directory = await openDirectory(sql, report);
  const quiet: Directory = {
    ...directory,
    change: async (changes, work) =>
      unheard && changes[0]?.kind === "hub"
        ? (await sql.begin(async (tx) => ({ done: await work(tx) }))).done
        : await directory.change(changes, work),
  };
  const links = await openLinks({
    ...{ sql, directory: quiet, self, now: () => new Date(), report },
    onReplaced: ({ message }) => replaced.push(`${self}: ${message}`),
  });
  return { database, directory, links };
}

async function addAgent(): Promise<string> {
  const id = randomUUID();
  await hubs[0].directory.change([{ kind: "agent", id }], async (tx) => {
    await tx`insert into agents (id, name, public_key, enrolled_at)
      values (${id}, ${`host-${id}`}, ${KEY}, now())`;
  });
  await expect.poll(() => hubs[1].directory.agentById(id)?.id).toBe(id);
  return id;
}

type PlayedLink = AgentLink & {
  calls: AgentCall[];
  desired: DesiredStateBody[];
  granted: HubGrantsBody[];
  ended: string | null;
  cancelled: string | null;
  givenUp: string[];
  alive: boolean;
};

function playLink(answer?: (call: AgentCall) => Promise<void>): PlayedLink {
  const link: PlayedLink = {
    ...{
      calls: [],
      desired: [],
      granted: [],
      ended: null,
      cancelled: null,
      givenUp: [],
      alive: true,
    },
    async call(call) {
      link.calls.push(call);
      await answer?.(call);
      return { body: buildResult(call.callId), envelope: ENVELOPE };
    },
    sendDesiredState: (body) => link.desired.push(body),
    sendGrants: (body) => link.granted.push(body),
    sendCertificate: () => undefined,
    sendCheckpoint: () => undefined,
    attest: () => undefined,
    cancelCall: (callId) => void link.givenUp.push(callId),
    cancelCalls: (why) => void (link.cancelled = why.code),
    sendKeySet: () => undefined,
    ping: () => Promise.resolve(link.alive),
    close: (reason) => (link.ended = reason),
  };
  return link;
}

async function connect(hub: 0 | 1, agentId: string, link = playLink()) {
  const lease: Lease = await hubs[hub].links.lease({ agentId, publicKey: KEY });
  lease.attach(link);
  lease.ready();
  const seenBy = ({ directory }: TestHub) => directory.agentById(agentId)?.link.hub;
  await expect.poll(() => hubs.map(seenBy)).toEqual([names[hub], names[hub]]);
  return { lease, link };
}

async function deliver(
  hub: 0 | 1,
  agentIds: string[],
  timeoutMs = 1000,
  withinMs = 60_000,
  signal = new AbortController().signal,
) {
  const targets = agentIds.map((agentId) => ({
    agentId,
    callId: randomUUID(),
    packDigest: DIGEST,
  }));
  const body = { probe: "system.overview", params: { a: 1 }, timeoutMs };
  const asked = { principal: "key:a", askedBy: "laptop", policyHash: DIGEST, isPlain: true, body };
  const outcomes: [string, string][] = [];
  for await (const outcome of hubs[hub].links.deliver(targets, asked, withinMs, signal)) {
    const how = "error" in outcome ? outcome.error.code : outcome.answer.body.status;
    outcomes.push([outcome.agentId, how]);
  }
  return outcomes;
}

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "done";
  } catch (thrown) {
    return (thrown as SondeError).code;
  }
};

test("a fan-out over both hubs yields one outcome for each agent, in order of arrival", async () => {
  const [here, there, slow, away] = [
    await addAgent(),
    await addAgent(),
    await addAgent(),
    await addAgent(),
  ];
  const wait = () => new Promise<void>((done) => setTimeout(done, 300));
  const local = await connect(0, here);
  const remote = await connect(1, there);
  await connect(0, slow, playLink(wait));
  const outcomes = await deliver(0, [slow, here, there, away]);
  expect(outcomes.at(-1)).toEqual([slow, "ok"]);
  expect(outcomes.toSorted()).toEqual(
    [
      [here, "ok"],
      [there, "ok"],
      [slow, "ok"],
      [away, "AGENT_OFFLINE"],
    ].toSorted(),
  );
  expect(remote.link.calls).toMatchObject([
    { principal: "key:a", askedBy: "laptop", isPlain: true, body: { params: { a: 1 } } },
  ]);
  expect(local.link.calls.length).toBe(1);
});

test("who has not answered by the deadline gets CALL_TIMEOUT, and nobody else loses its answer", async () => {
  const [here, silent, away] = [await addAgent(), await addAgent(), await addAgent()];
  await connect(0, here);
  const never = Promise.withResolvers<void>();
  await connect(
    1,
    silent,
    playLink(() => never.promise),
  );
  expect((await deliver(0, [silent, here, away], 60_000, 500)).toSorted()).toEqual(
    [
      [here, "ok"],
      [silent, "CALL_TIMEOUT"],
      [away, "AGENT_OFFLINE"],
    ].toSorted(),
  );
  never.resolve();
});

test("a call that the client gives up ends at once, and its agents at both hubs are told, and no other", async () => {
  const [here, there, quick, other] = [
    await addAgent(),
    await addAgent(),
    await addAgent(),
    await addAgent(),
  ];
  const never = () => new Promise<void>(() => undefined);
  const links = [
    (await connect(0, here, playLink(never))).link,
    (await connect(1, there, playLink(never))).link,
  ];
  await connect(0, quick);
  const { link: untouched } = await connect(
    0,
    other,
    playLink(() => new Promise((done) => void setTimeout(done, 500))),
  );
  const client = new AbortController();
  const given = deliver(0, [here, there, quick], 10_000, 60_000, client.signal);
  const going = deliver(0, [other]);
  await expect.poll(() => links.map(({ calls }) => calls.length)).toEqual([1, 1]);
  client.abort();
  expect(new Map(await given)).toEqual(
    new Map([
      [quick, "ok"],
      [here, "CALL_CANCELLED"],
      [there, "CALL_CANCELLED"],
    ]),
  );
  for (const { calls, givenUp } of links) {
    await expect.poll(() => givenUp).toEqual(calls.map(({ callId }) => callId));
  }
  expect(await going).toEqual([[other, "ok"]]);
  expect(untouched.givenUp).toEqual([]);
  // A client that is gone before anything is sent costs no agent anything.
  expect(await deliver(0, [here], 1000, 60_000, AbortSignal.abort())).toEqual([
    [here, "CALL_CANCELLED"],
  ]);
  expect(links[0]?.calls).toHaveLength(1);
});

test("the other hub's refusal comes back with its code, an unknown code too", async () => {
  const [busy, odd] = [await addAgent(), await addAgent()];
  const refuse = (code: string) => () =>
    Promise.reject(Object.assign(new SondeError("AGENT_BUSY", "no"), { code }));
  await connect(1, busy, playLink(refuse("AGENT_BUSY")));
  await connect(1, odd, playLink(refuse("FROM_THE_FUTURE")));
  expect((await deliver(0, [busy, odd])).toSorted()).toEqual(
    [
      [busy, "AGENT_BUSY"],
      [odd, "INTERNAL"],
    ].toSorted(),
  );
});

test("attack 19: an agent with a live connection, here or at another hub, gets no second", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  expect(await codeOf(hubs[0].links.lease({ agentId, publicKey: KEY }))).toBe(
    "CERTIFICATE_REFUSED",
  );
  expect(await codeOf(hubs[1].links.lease({ agentId, publicKey: KEY }))).toBe(
    "CERTIFICATE_REFUSED",
  );
  expect(link.ended).toBe(null);
});

test("a dead connection is replaced, and its hub ends the lease", async () => {
  const agentId = await addAgent();
  const { link, lease } = await connect(1, agentId);
  link.alive = false;
  const newer = await connect(0, agentId);
  await expect.poll(() => link.ended).toBe("replaced");
  // The first hub's late release must not end the second hub's lease.
  await lease.release();
  expect(hubs[0].directory.agentById(agentId)?.link.hub).toBe(names[0]);
  expect(await deliver(1, [agentId])).toEqual([[agentId, "ok"]]);
  expect(newer.link.calls.length).toBe(1);
});

test("attack 19: a hub that has just started counts as a holder", async () => {
  const agentId = await addAgent();
  const third = await openHub(randomUUID(), true);
  try {
    const lease = await third.links.lease({ agentId, publicKey: KEY });
    lease.attach(playLink());
    await expect.poll(() => hubs[0].directory.agentById(agentId)?.link.epoch).toBe(1);
    expect(await codeOf(hubs[0].links.lease({ agentId, publicKey: KEY }))).toBe(
      "CERTIFICATE_REFUSED",
    );
  } finally {
    await third.links.close();
    await third.directory.close();
    await third.database.close();
  }
});

test("attack 19: of many concurrent connections to both hubs one is admitted", async () => {
  const agentId = await addAgent();
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      codeOf(hubs[index % 2 === 0 ? 0 : 1].links.lease({ agentId, publicKey: KEY })),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "done")).toEqual(["done"]);
  expect(new Set(outcomes)).toEqual(new Set(["done", "CERTIFICATE_REFUSED"]));
});

test("attack 19: of two concurrent connections to one hub one is admitted, and gets calls", async () => {
  const agentId = await addAgent();
  const both = await Promise.allSettled([
    hubs[0].links.lease({ agentId, publicKey: KEY }),
    hubs[0].links.lease({ agentId, publicKey: KEY }),
  ]);
  const leases = both.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  expect(leases.length).toBe(1);
  leases[0]?.attach(playLink());
  // Its statement may be a reason to hold it, so it gets no call before that was judged.
  expect(await deliver(0, [agentId])).toEqual([[agentId, "AGENT_OFFLINE"]]);
  expect(await deliver(1, [agentId])).toEqual([[agentId, "AGENT_OFFLINE"]]);
  leases[0]?.ready();
  expect(await deliver(0, [agentId])).toEqual([[agentId, "ok"]]);
});

test("a lease without a session blocks others until its release", async () => {
  const agentId = await addAgent();
  const lease = await hubs[0].links.lease({ agentId, publicKey: KEY });
  await expect.poll(() => hubs[1].directory.agentById(agentId)?.link.hub).toBe(names[0]);
  expect(await codeOf(hubs[0].links.lease({ agentId, publicKey: KEY }))).toBe(
    "CERTIFICATE_REFUSED",
  );
  expect(await codeOf(hubs[1].links.lease({ agentId, publicKey: KEY }))).toBe(
    "CERTIFICATE_REFUSED",
  );
  await lease.release();
  await lease.release();
  await expect.poll(() => hubs[1].directory.agentById(agentId)?.link.hub).toBe(null);
  await connect(1, agentId);
});

test("an agent gets its desired state when ready, and after each change at any hub", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  expect(link.desired).toEqual([{ revision: 0, packs: [] }]);
  const raise = (hub: 0 | 1) =>
    hubs[hub].directory.change([{ kind: "agent", id: agentId }], async (tx) => {
      await tx`update agents set desired_revision = desired_revision + 1 where id = ${agentId}`;
    });
  await raise(0);
  await expect.poll(() => link.desired.map(({ revision }) => revision)).toEqual([0, 1]);
  await raise(1);
  expect(link.desired.map(({ revision }) => revision)).toEqual([0, 1, 2]);
  // Another change of the agent sends no desired state.
  await hubs[0].directory.change([{ kind: "agent", id: agentId }], async (tx) => {
    await tx`update agents set last_seen_at = now() where id = ${agentId}`;
  });
  expect(await deliver(0, [agentId])).toEqual([[agentId, "ok"]]);
  expect(link.desired.length).toBe(3);
});

test("an agent with a new key loses its connection at any hub", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  await hubs[0].directory.change([{ kind: "agent", id: agentId }], async (tx) => {
    await tx`update agents set public_key = 'another key' where id = ${agentId}`;
  });
  await expect.poll(() => link.ended).toBe("enrolled anew");
});

test("an agent whose key changed during its lease gets no session", async () => {
  const agentId = await addAgent();
  const lease = await hubs[1].links.lease({ agentId, publicKey: KEY });
  await hubs[0].directory.change([{ kind: "agent", id: agentId }], async (tx) => {
    await tx`update agents set public_key = 'another key' where id = ${agentId}`;
  });
  // The notification of a later change shows that the earlier one has arrived.
  await addAgent();
  const link = playLink();
  lease.attach(link);
  expect(link.ended).toBe("enrolled anew");
});

test("a stopped hub's agents are offline", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  const agent = () => hubs[0].directory.agent(`host-${agentId}`);
  expect(hubs[0].links.isOnline(agent())).toBe(true);
  await hubs[1].links.close();
  expect(link.ended).toBe("the hub is stopping");
  await expect.poll(() => hubs[0].links.isOnline(agent())).toBe(false);
  expect(await deliver(0, [agentId])).toEqual([[agentId, "AGENT_OFFLINE"]]);
});

test("of two processes under one hub name the older is told to end", async () => {
  const newer = await openHub(names[0]);
  try {
    await expect.poll(() => replaced).toContainEqual(expect.stringContaining(names[0]));
    expect(replaced[0]).toContain("expected a hub-name of its own in each data folder");
    // The older process stops and must not remove the newer one's row.
    await hubs[0].links.close();
    await newer.directory.change([{ kind: "hub", id: names[0] }], () => Promise.resolve());
    const rows = await newer.database.sql`select 1 from hubs where id = ${names[0]}`;
    expect(rows.length).toBe(1);
    expect(replaced.every((line) => line.startsWith(names[0]))).toBe(true);
  } finally {
    await newer.links.close();
    await newer.directory.close();
    await newer.database.close();
  }
});

test("a stopping hub takes no agents", async () => {
  const agentId = await addAgent();
  const closing = hubs[1].links.close();
  const late = hubs[1].links.lease({ agentId, publicKey: KEY });
  expect(await codeOf(late)).toBe("AGENT_OFFLINE");
  await closing;
  expect(hubs[1].directory.agentById(agentId)?.link.hub).toBe(null);
});

test("a failed release is retried until the database takes it", async () => {
  const agentId = await addAgent();
  const { lease } = await connect(1, agentId);
  const { sql } = hubs[0].database;
  await sql`alter table agents rename column last_seen_at to away`;
  const released = lease.release();
  await expect.poll(() => problems.length).toBeGreaterThan(0);
  await sql`alter table agents rename column away to last_seen_at`;
  await released;
  await expect.poll(() => hubs[0].directory.agentById(agentId)?.link.hub).toBe(null);
  for (const problem of problems.splice(0)) expect(problem.message).toContain("last_seen_at");
});

const relayed = async (message: object | string, ageS = 0): Promise<void> => {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  await hubs[0].database.sql`insert into relayed (to_hub, message, at)
    values (${names[1]}, ${text}, now() - make_interval(secs => ${ageS}))`;
};
const ask = (agentId: string) => ({
  ...{ kind: "question", id: randomUUID(), from: names[0] },
  question: {
    ...{ op: "call", agentId },
    call: {
      ...{ callId: randomUUID(), principal: "key:a", packDigest: DIGEST, policyHash: DIGEST },
      body: { probe: "system.overview", params: {}, timeoutMs: 1000 },
    },
  },
});
/** The code of the failure that this hub, which reads nothing, was sent. */
const takeFailure = async (hub: string): Promise<string | undefined> => {
  const [row] = await hubs[0].database.sql<{ code: string }[]>`
    select message::json->'failure'->>'code' as code from relayed where to_hub = ${hub}`;
  return row?.code;
};

test("a call that reaches the other hub late is not sent", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  await relayed(ask(agentId), 3);
  const inTime = ask(agentId);
  await relayed(inTime);
  await expect
    .poll(() => link.calls.map(({ callId }) => callId))
    .toEqual([inTime.question.call.callId]);
});

test.each([
  ["the answer", "answer", 1],
  ["the question", "question", 0],
])(
  "a database without room for %s leaves the outcome unknown, and the log says why",
  async (_, kind, asked) => {
    const { sql } = installation;
    const agentId = await addAgent();
    const { link } = await connect(1, agentId);
    await sql.unsafe(`
    create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'no room' using errcode = '53100'; end $$;
    create trigger refuse before insert on relayed for each row
      when (new.message like '%"kind":"${kind}"%') execute function refuse()`);
    try {
      expect(await deliver(0, [agentId])).toEqual([[agentId, "CALL_OUTCOME_UNKNOWN"]]);
      expect(link.calls).toHaveLength(asked);
    } finally {
      await sql.unsafe(`drop trigger refuse on relayed; drop function refuse()`);
    }
    const [problem, ...others] = problems.splice(0);
    expect(String(problem?.cause)).toContain("no room");
    expect(others).toEqual([]);
  },
);

test("a malformed relay message is reported, and the next one is read", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  const { question, ...other } = ask(agentId);
  await relayed("not JSON");
  await relayed({ ...other, question: { ...question, call: { ...question.call, principal: 7 } } });
  await relayed(ask(agentId));
  await expect.poll(() => link.calls.length).toBe(1);
  expect(problems.splice(0).map(({ message }) => message.slice(0, 15))).toEqual([
    "relayed message",
    "relayed message",
  ]);
});

test("an agent that is revoked at one hub loses its session at another within a second", async () => {
  const agentId = await addAgent();
  const { link } = await connect(1, agentId);
  await hubs[0].directory.change([{ kind: "agent", id: agentId }], async (tx) => {
    await tx`delete from agents where id = ${agentId}`;
  });
  await expect.poll(() => link.ended, { timeout: 1_000 }).toBe("revoked");
});

// Attack 22.
test.each([
  ["quarantined", "AGENT_QUARANTINED", true],
  ["rolled-back", "AGENT_ROLLED_BACK", true],
  ["restricted", "AGENT_RESTRICTED", false],
])(
  "an agent that is %s gets no call, also not one that was planned before; running ones end unless it is restricted",
  async (kind, code, ends) => {
    const agentId = await addAgent();
    const { link } = await connect(1, agentId);
    await hubs[0].directory.change([{ kind: "agent", id: agentId }], async (tx) => {
      await tx`insert into agent_holds (agent_id, kind, reason, since, by)
      values (${agentId}, ${kind}, 'Odd.', now(), 'hub')`;
    });
    await expect.poll(() => hubs[1].directory.agentById(agentId)?.holds.length).toBe(1);
    await expect.poll(() => link.cancelled).toBe(ends ? code : null);
    expect(link.ended).toBe(null);
    expect(await deliver(1, [agentId])).toEqual([[agentId, code]]);
    // A hub that has not heard of the hold asks for the call.
    const unaware = randomUUID();
    await relayed({ ...ask(agentId), from: unaware });
    await expect.poll(() => takeFailure(unaware)).toBe(code);
    expect(link.calls).toEqual([]);
  },
);
