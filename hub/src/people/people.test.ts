import { afterAll, beforeAll, expect, test } from "vitest";
import { type Account, invite, makeOwner } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Accounts of a hub that runs, asked as pages and browsers ask.
let hub: TestHub;
let owner: Account;

beforeAll(async () => {
  hub = await startHub();
  owner = await makeOwner(hub);
});
afterAll(() => hub.close());

test("who makes the first account is its owner, and is signed in", async () => {
  expect(await owner.ask("GET", "/me")).toMatchObject({
    code: 200,
    answer: { name: "ada", role: "owner", methods: ["password", "totp"], hasPassword: true },
  });
});

test("who is invited gets the role of the invitation", async () => {
  const member = await invite(hub, owner, "member", "bob");
  expect((await member.ask("GET", "/me")).answer).toMatchObject({ name: "bob", role: "member" });
  expect((await member.ask("GET", "/people")).code).toBe("FORBIDDEN");
});
