import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import type { AuditEntry } from "@sonde/schemas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub(undefined, { trustedProxies: ["127.0.0.1"] });
});
afterAll(() => hub.close());

async function ask(headers: Record<string, string>): Promise<number> {
  const url = `http://127.0.0.1:${hub.ready.http}/api/v1/agents`;
  const [response] = (await once(get(url, { headers, agent: false }), "response")) as [
    IncomingMessage,
  ];
  response.resume();
  return response.statusCode ?? 0;
}

test.each([
  ["a foreign host", { host: "rebound.example" }],
  ["a foreign origin", { origin: "https://rebound.example" }],
])(
  "attack 32: %s is recorded, each time, also by a hub that is stopped at once",
  async (_what, headers) => {
    const { answer: before } = await hub.ask("GET", "/audit?afterSeq=0&limit=1");
    const { size } = before["head"] as { size: number };
    for (let count = 0; count < 5; count++) expect(await ask(headers)).toBe(403);
    await hub.restart();
    const { answer } = await hub.ask("GET", `/audit?afterSeq=${size}&limit=1000`);
    const rows = (answer["entries"] as AuditEntry[]).filter(
      ({ record }) => record.event === "request.refused",
    );
    expect(rows.map(({ record }) => record.detail)).toEqual([
      { address: "127.0.0.1", count: 1 },
      { address: "127.0.0.1", count: 4 },
    ]);
  },
);

test("behind a trusted proxy refused keys are counted for each client, not for the proxy", async () => {
  const { answer: before } = await hub.ask("GET", "/audit?afterSeq=0&limit=1");
  const { size } = before["head"] as { size: number };
  for (const client of ["192.0.2.1", "192.0.2.2"]) {
    const headers = { authorization: "Bearer sonde_ak_guess", "x-forwarded-for": client };
    expect(await ask(headers)).toBe(401);
  }
  const { answer } = await hub.ask("GET", `/audit?afterSeq=${size}&limit=1000`);
  const rows = (answer["entries"] as AuditEntry[]).filter(
    ({ record }) => record.event === "key.refused",
  );
  expect(rows.map(({ record }) => record.detail["address"])).toEqual(["192.0.2.1", "192.0.2.2"]);
});
