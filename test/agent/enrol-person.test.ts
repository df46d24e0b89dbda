import { afterAll, beforeAll, expect, test } from "vitest";
import { createOAuthClient } from "../../hub/src/testing/oauth-client.ts";
import { invite, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { enrolAt, makeTicket, readTicket } from "./enrol-at.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

test("a token ends with the person who made it, by themselves, by a key or by a client", async () => {
  const owner = await makeOwner(hub);
  const person = await invite(hub, owner, "admin", "bob");
  const policy = { role: "operator", agents: "*", probes: "*" };
  const { answer } = await person.ask("POST", "/api-keys", { name: "ci", policy });
  const ofKey = await makeTicket(hub, "web-8", String(answer["key"]));
  const origin = `http://localhost:${hub.ready.http}`;
  const { accessToken } = await createOAuthClient(origin).connect(person.cookie, {
    ...{ resource: `${origin}/api/v1`, scope: "api.read api.write" },
  });
  const ofClient = await makeTicket(hub, "web-10", accessToken);
  const made = await person.ask("POST", "/enrolment-tokens", { agentName: "web-9" });
  const ofPerson = readTicket("web-9", made.answer);
  const setDisabled = async (disabled: boolean) =>
    expect((await owner.ask("PATCH", `/people/${person.id}`, { disabled })).code).toBe(200);
  await setDisabled(true);
  expect(await enrolAt(hub, ofKey)).toBe("TOKEN_REFUSED");
  expect(await enrolAt(hub, ofPerson)).toBe("TOKEN_REFUSED");
  expect(await enrolAt(hub, ofClient)).toBe("TOKEN_REFUSED");
  await setDisabled(false);
  expect(await enrolAt(hub, ofKey)).toBe("enrolled");
  expect(await enrolAt(hub, ofPerson)).toBe("enrolled");
});
