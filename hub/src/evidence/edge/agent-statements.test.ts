import { createHash, randomUUID } from "node:crypto";
import type { KeptMessage } from "@sonde/trust/envelope";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createAgentStatements } from "./agent-statements.ts";

/** As the hub keeps of one agent. */
const MOST = 500;
const START = Date.parse("2026-01-01T00:00:00Z");

let database: HubDatabase;
beforeAll(async () => {
  database = await openHubDatabase();
});
afterAll(() => database.close());

const messageOf = (number: number): KeptMessage => ({
  envelope: { payloadType: "x", payload: "", signatures: [{ keyid: "k", sig: "" }] },
  body: Buffer.from(String(number)).toString("base64"),
});
const at = (number: number) => new Date(START + number * 1000);
const digestOf = (text: string): `sha256:${string}` =>
  `sha256:${createHash("sha256").update(text).digest("hex")}`;

test("of one agent the newest 500 statements are kept, and those of another stay", async () => {
  const statements = createAgentStatements(database.sql);
  const [agent, other] = [randomUUID(), randomUUID()];
  const keep = (id: string, number: number) =>
    statements.keep(id, {
      ...{ sha256: digestOf(String(number)), at: at(number), message: messageOf(number) },
    });
  await keep(other, 0);
  for (let number = 1; number <= MOST + 3; number++) await keep(agent, number);
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from agent_statements where agent_id = ${agent}`;
  expect(row?.count).toBe(MOST);
  expect(await statements.readAt(agent, at(3))).toBe(null);
  expect(await statements.readAt(agent, at(4))).toEqual(messageOf(4));
  expect(await statements.readAt(agent, at(1_000_000))).toEqual(messageOf(MOST + 3));
  expect(await statements.readAt(other, at(5))).toEqual(messageOf(0));
});

test("a statement that says the same again is kept once, and one that comes back is new", async () => {
  const statements = createAgentStatements(database.sql);
  const agent = randomUUID();
  const states = ["a", "a", "b", "a"];
  for (const [number, state] of states.entries()) {
    const message = messageOf(number);
    await statements.keep(agent, { sha256: digestOf(state), at: at(number), message });
  }
  const kept = [0, 1, 2, 3].map((number) => statements.readAt(agent, at(number)));
  expect(await Promise.all(kept)).toEqual([0, 0, 2, 3].map(messageOf));
});
