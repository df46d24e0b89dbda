import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { enrolAt, makeTicket } from "./enrol-at.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const describe = async (name: string) => (await hub.ask("GET", `/agents/${name}`)).answer;

test("a host that is invited again after a revocation is a new agent", async () => {
  expect(await enrolAt(hub, await makeTicket(hub, "web-5"))).toBe("enrolled");
  await hub.ask("POST", "/agents/web-5/tags", { set: ["role=web"], remove: [] });
  const first = await describe("web-5");
  const unused = await makeTicket(hub, "web-5");
  expect((await hub.ask("DELETE", "/agents/web-5")).code).toBe(200);

  expect(await enrolAt(hub, unused)).toBe("TOKEN_REFUSED");
  expect(await enrolAt(hub, await makeTicket(hub, "web-5"))).toBe("enrolled");
  const second = await describe("web-5");
  expect(second["id"]).not.toBe(first["id"]);
  expect([first["tags"], second["tags"]]).toEqual([["role=web"], []]);
});
