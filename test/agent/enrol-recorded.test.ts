import type { AuditEntry } from "@sonde/schemas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { enrolAt, makeTicket } from "./enrol-at.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

test("an enrolment is on record before it takes effect, and after", async () => {
  const ticket = await makeTicket(hub, "web-5");
  expect(await enrolAt(hub, ticket)).toBe("enrolled");
  expect(await enrolAt(hub, ticket)).toBe("TOKEN_REFUSED");
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const rows = (answer["entries"] as AuditEntry[]).filter(({ record }) => record.agent === "web-5");
  expect(rows.map(({ record }) => record.event)).toEqual([
    ...["token.created", "agent.enrolling", "agent.enrolled"],
  ]);
  // Only the used token says which tags the agent gets.
  expect(rows[2]?.record.detail).toEqual({ ...rows[1]?.record.detail, tags: [] });
});

test("an enrolment that cannot be recorded burns nothing and enrols nobody", async () => {
  const ticket = await makeTicket(hub, "web-6");
  const { sql, ...database } = await hub.openDatabase();
  const refuse = "add constraint full_disk check (event <> 'agent.enrolling') not valid";
  await sql.unsafe(`alter table audit_log ${refuse}`);
  expect(await enrolAt(hub, ticket)).toBe("AUDIT_UNAVAILABLE");
  await sql.unsafe("alter table audit_log drop constraint full_disk");
  expect((await sql`select 1 from agents where name = 'web-6'`).length).toBe(0);
  expect(await enrolAt(hub, ticket)).toBe("enrolled");
  await database.close();
});

test("a token ends with the key that made it", async () => {
  const operator = await hub.addKey({ role: "operator", agents: "*", probes: "*" });
  const made = await makeTicket(hub, "web-7", operator.key);
  expect((await hub.ask("DELETE", `/api-keys/${operator.id}`)).code).toBe(200);
  expect(await enrolAt(hub, made)).toBe("TOKEN_REFUSED");
});
