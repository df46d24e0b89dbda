import { afterAll, beforeAll, expect, test } from "vitest";
import { createOAuthClient } from "../testing/oauth-client.ts";
import { type Account, invite, makeOwner } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// What a person made ends with the person: keys, what keys of theirs made, links and tokens.
let hub: TestHub;
let owner: Account;

beforeAll(async () => {
  hub = await startHub();
  owner = await makeOwner(hub);
});
afterAll(() => hub.close());

const POLICY = { role: "operator", agents: "*", probes: "*" };
const codeWith = async (key: string) => (await hub.ask("GET", "/agents", undefined, key)).code;
const keyOf = ({ answer }: { answer: Record<string, unknown> }) => String(answer["key"]);

/** A key of the person, one that it made, and one that a client of the person's made. */
async function makeKeys(person: Account): Promise<string[]> {
  const asked = { name: "ci", policy: POLICY };
  const own = keyOf(await person.ask("POST", "/api-keys", asked));
  const made = keyOf(await hub.ask("POST", "/api-keys", asked, own));
  const origin = `http://localhost:${hub.ready.http}`;
  const { accessToken } = await createOAuthClient(origin).connect(person.cookie, {
    ...{ resource: `${origin}/api/v1`, scope: "api.read api.write" },
  });
  const ofClient = keyOf(await hub.ask("POST", "/api-keys", asked, accessToken));
  return [own, made, ofClient];
}

const change = async (person: Account, disabled: boolean) =>
  expect((await owner.ask("PATCH", `/people/${person.id}`, { disabled })).code).toBe(200);

test("keys of a person are refused at once while the person is disabled", async () => {
  const person = await invite(hub, owner, "admin", "bob");
  const keys = await makeKeys(person);
  // They were used, so this hub has them in memory.
  for (const key of keys) expect(await codeWith(key)).toBe(200);
  await change(person, true);
  for (const key of keys) await expect.poll(() => codeWith(key)).toBe("UNAUTHENTICATED");
  await change(person, false);
  for (const key of keys) await expect.poll(() => codeWith(key)).toBe(200);
});

test("keys of a person who is deleted are refused for good, and others stay", async () => {
  const person = await invite(hub, owner, "admin", "eve");
  const keys = await makeKeys(person);
  const other = await hub.addKey();
  for (const key of [...keys, other.key]) expect(await codeWith(key)).toBe(200);
  expect((await owner.ask("DELETE", `/people/${person.id}`)).code).toBe(200);
  for (const key of keys) await expect.poll(() => codeWith(key)).toBe("UNAUTHENTICATED");
  expect([await codeWith(other.key), await codeWith(hub.operatorKey)]).toEqual([200, 200]);
  await hub.restart();
  for (const key of keys) expect(await codeWith(key)).toBe("UNAUTHENTICATED");
});

test("a link that a key of a disabled person gave lets nobody in", async () => {
  const person = await invite(hub, owner, "admin", "mallory");
  const [key = ""] = await makeKeys(person);
  const { answer } = await hub.ask("POST", "/people/invitations", { role: "member" }, key);
  const link = new URL(String(answer["link"]));
  const open = async () =>
    (await fetch(`http://localhost:${hub.ready.http}${link.pathname}${link.search}`)).status;
  expect(await open()).toBe(200);
  await change(person, true);
  expect(await open()).toBe(401);
});
