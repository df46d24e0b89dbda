import { once } from "node:events";
import { buildHello } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const rotate = (overlapDays: number) =>
  hub.ask("POST", "/signing-keys/rotations", { key: "command", overlapDays });

// These sessions announce nothing, as agents of earlier releases do. Their keys are those of the
// enrolment.
test("an agent of an earlier release is served with the key that it knows, during the overlap", async () => {
  const { socket, channel } = await hub.connect();
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
  const [desired] = (await once(socket, "message")) as [Buffer];
  expect(channel.open(desired).header.type).toBe("desired-state");
  expect((await rotate(1)).code).toBe(201);
  const first = once(socket, "close");
  socket.close();
  await first;
  const again = await hub.connect();
  expect(again.welcome.header.type).toBe("welcome");

  // The overlap ends: so does its session, and it must be updated.
  const ended = once(again.socket, "close");
  expect((await rotate(0)).code).toBe(201);
  const [code] = (await ended) as [number];
  expect(code).toBe(1001);
  await expect(hub.connect()).rejects.toMatchObject({ code: "ENVELOPE_SIGNATURE" });
});
