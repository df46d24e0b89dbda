import { setTimeout as sleep } from "node:timers/promises";
import { buildStatement } from "@sonde/schemas/testing";
import { ATTESTATION } from "@sonde/schemas/wire";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AttestationSession } from "../../agents/index.ts";
import { createAttestationSession, TIMES } from "./attestation-session.ts";

const able = { protocol: 2, features: new Set([ATTESTATION]) };
const statement = buildStatement();
const message = {
  envelope: { payloadType: "test", payload: "", signatures: [] },
  body: "",
};
let session: AttestationSession;
let nonces: string[];
let stated: number;
let silences: string[];

function open(times: Partial<typeof TIMES>): void {
  session = createAttestationSession({
    ask: (nonce) => nonces.push(nonce),
    stated: () => Promise.resolve(void (stated += 1)),
    silent: (why) => Promise.resolve(void silences.push(why)),
    elapsed: () => performance.now(),
    report: (error) => {
      throw error;
    },
    times: { ...TIMES, ...times },
  });
}
beforeEach(() => {
  nonces = [];
  silences = [];
  stated = 0;
});
afterEach(() => session.stop());

const answer = (nonce = nonces.at(-1) ?? "") => session.stated({ nonce, statement }, message);

test("attack 23: an agent is asked at each interval, each time over another nonce", async () => {
  open({ everyMs: 100 });
  session.begin(able);
  for (let count = 1; count <= 3; count++) {
    await expect.poll(() => nonces.length, { interval: 5 }).toBe(count);
    answer();
  }
  expect(new Set(nonces).size).toBe(nonces.length);
  await expect.poll(() => stated).toBe(3);
});

test.each([
  ["of an earlier order", () => answer(nonces[0])],
  [
    "that is answered twice",
    () => {
      answer();
      answer();
    },
  ],
  ["that the hub never made", () => answer("n".repeat(43))],
])("attack 23: a nonce %s is refused", async (_what, play) => {
  open({ everyMs: 20 });
  session.begin(able);
  await expect.poll(() => nonces.length).toBeGreaterThan(1);
  expect(play).toThrowError(expect.objectContaining({ code: "ATTESTATION_STALE" }));
});

test("attack 23: an answer that comes too late is refused", async () => {
  open({ freshMs: 10 });
  session.begin(able);
  await sleep(30);
  expect(() => answer()).toThrowError(expect.objectContaining({ code: "ATTESTATION_STALE" }));
});

test("an agent that does not answer in time is said as such, until it does", async () => {
  open({ answerMs: 10 });
  session.begin(able);
  await expect.poll(() => silences).toEqual(["it did not answer in time"]);
  answer();
  await expect.poll(() => stated).toBe(1);
  await sleep(30);
  expect(silences).toHaveLength(1);
});

test("an agent without the feature is not asked", async () => {
  open({});
  session.begin({ protocol: 2, features: new Set() });
  await expect.poll(() => silences).toEqual(["its release has no attestation"]);
  expect(nonces).toEqual([]);
});

test("many changes are one order, after a while and after the open one is answered", async () => {
  open({ gapMs: 100 });
  session.begin(able);
  for (let count = 0; count < 50; count++) session.changed();
  await sleep(150);
  expect(nonces).toHaveLength(1);
  answer();
  for (let count = 0; count < 50; count++) session.changed();
  expect(nonces).toHaveLength(1);
  await expect.poll(() => nonces.length).toBe(2);
  await sleep(150);
  expect(nonces).toHaveLength(2);
});
