import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, expect, test } from "vitest";
import { createHubClient } from "./hub-client.ts";
import { askTool } from "./start/first-question.ts";
import { ensureAccounts } from "./start/system-users.ts";

// The hub's user, whom a start makes.
beforeAll(() => void ensureAccounts());

/** Whoever has the hub's port while no hub has it. */
async function squat(host: string) {
  const got: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    got.push(request.headers.authorization);
    response.writeHead(200, { "content-type": "application/json" }).end('{"agents":[]}');
  });
  await new Promise<void>((done) => server.listen(0, host, done));
  const { port } = server.address() as AddressInfo;
  return {
    got,
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((done) => server.close(() => done())),
  };
}

const ask = (url: string) => createHubClient(url, "sonde_ak_x").listAgents();

test.runIf(process.getuid?.() === 0)(
  "attack 77: whoever took the port of a hub that is down gets no key",
  async () => {
    await using other = await squat("127.0.0.1");
    await expect(ask(`http://127.0.0.1:${other.port}`)).rejects.toMatchObject({
      code: "HUB_UNTRUSTED",
      message: expect.stringContaining("user 0 listens"),
    });
    expect(other.got).toEqual([]);
  },
);

test.each(["0.0.0.0", "::"])("attack 77: nor who listens at every address, %s", async (host) => {
  await using other = await squat(host);
  await expect(ask(`http://127.0.0.1:${other.port}`)).rejects.toMatchObject({
    code: "STARTING_FAILED",
  });
  expect(other.got).toEqual([]);
});

test("attack 77: nor is a tool asked there", async () => {
  await using other = await squat("0.0.0.0");
  const url = `http://127.0.0.1:${other.port}/mcp`;
  await expect(askTool(url, "sonde_ak_x", "list_agents", {})).rejects.toMatchObject({
    code: "STARTING_FAILED",
  });
  expect(other.got).toEqual([]);
});

test("attack 77: nor another host", async () => {
  await expect(ask("http://127.0.0.1:1@localhost:2")).rejects.toMatchObject({
    code: "HUB_UNTRUSTED",
  });
});

test.runIf(process.getuid?.() !== 0)("a hub of the present user is asked", async () => {
  await using hub = await squat("127.0.0.1");
  expect(await ask(`http://127.0.0.1:${hub.port}`)).toEqual([]);
});
