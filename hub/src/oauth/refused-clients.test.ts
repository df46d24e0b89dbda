import { afterAll, beforeAll, expect, test } from "vitest";
import { createOAuthClient } from "../testing/oauth-client.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// What an admin learns of clients that the configuration refuses.

let hub: TestHub;
let client: ReturnType<typeof createOAuthClient>;
beforeAll(async () => {
  hub = await startHub();
  client = createOAuthClient(`http://localhost:${hub.ready.http}`);
});
afterAll(() => hub.close());

const REDIRECT = "https://chat.example/callback";
const METADATA = {
  ...{ client_name: "Chat", redirect_uris: [REDIRECT] },
  token_endpoint_auth_method: "none",
};

type Refused = { id: string; value: string; line: string };
const listRefused = async () =>
  (await hub.ask("GET", "/oauth/refused-clients")).answer["refused"] as Refused[];

test("a client that is refused is listed until the configuration names it, by the line that is shown", async () => {
  expect((await client.register(METADATA)).status).toBe(400);
  const [refused] = await listRefused();
  expect(refused).toMatchObject({
    ...{ name: "Chat", member: "redirects", value: REDIRECT, times: 1 },
    from: expect.stringMatching(/127\.0\.0\.1|::1/) as string,
  });
  const clients = JSON.parse(`{${refused?.line}}`) as object;
  expect(await hub.reload({ oauth: { clients } })).toContain("taken over: oauth.clients");
  expect(await client.register(METADATA)).toMatchObject({ status: 201 });
  expect(await listRefused()).toEqual([]);
  expect(await hub.reload({})).toContain("taken over: oauth.clients");
});

test("an id on a host that no rule names is listed, and forgotten on record", async () => {
  const query = new URLSearchParams({ client_id: "https://chat.example/client.json" });
  const asked = await fetch(
    `http://localhost:${hub.ready.http}/oauth/authorize?${query.toString()}`,
  );
  expect(asked.status).toBe(400);
  const found = (await listRefused()).find(({ value }) => value === "chat.example");
  expect(found).toMatchObject({ member: "documentHosts", name: null, from: null });
  const { answer, code } = await hub.ask("DELETE", `/oauth/refused-clients/${found?.id}`);
  expect([code, answer["refused"]]).not.toContainEqual(found);
  expect((await hub.ask("DELETE", `/oauth/refused-clients/${found?.id}`)).code).toBe("NOT_FOUND");
  const { answer: log } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = log["entries"] as { record: { event: string; detail: object } }[];
  expect(entries.map(({ record }) => [record.event, record.detail])).toContainEqual([
    "client.removed",
    expect.objectContaining({ refused: found?.id, value: "chat.example" }),
  ]);
});
