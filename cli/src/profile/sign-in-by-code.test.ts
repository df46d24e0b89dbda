import { afterEach, expect, test } from "vitest";
import { type Scripted, type ScriptedHub, startScriptedHub } from "../testing/scripted-hub.ts";
import type { DeviceCode } from "./oauth.ts";
import { signInByCode } from "./sign-in-by-code.ts";

let hub: ScriptedHub | null = null;
afterEach(() => {
  hub?.close();
  hub = null;
});

const CODE = {
  ...{ device_code: "the-device-code", user_code: "BCDF-GHJK", expires_in: 600, interval: 5 },
  verification_uri: "https://hub.example/oauth/device",
};
const TOKENS = { access_token: "sonde_at_1", refresh_token: "sonde_rt_1", expires_in: 600 };
const refusal = (error: string): Scripted => ({ status: 400, body: { error } });
const tokens: Scripted = { status: 200, body: TOKENS };

/** Signs in at a hub that answers so, one after the other; time passes only while it waits. */
async function signIn(polls: Scripted[], resource?: string) {
  const shown: DeviceCode[] = [];
  const waited: number[] = [];
  let at = Date.parse("2026-03-01T12:00:00.000Z");
  hub = await startScriptedHub(
    (path) =>
      path === "/oauth/device/code"
        ? { status: 200, body: CODE }
        : (polls.shift() ?? refusal("authorization_pending")),
    resource,
  );
  const ended = await signInByCode(hub, {
    show: (code) => shown.push(code),
    wait: async (ms) => {
      waited.push(ms / 1000);
      at += ms;
      return await Promise.resolve();
    },
    now: () => new Date(at),
  }).catch((error: { code: string; message: string }) => error);
  return { ended, shown, waited, asked: hub.asked };
}

test("a terminal shows the code, and asks at the pace that the hub says", async () => {
  const pending = refusal("authorization_pending");
  const slower = refusal("slow_down");
  const { ended, shown, waited, asked } = await signIn([pending, slower, pending, slower, tokens]);
  expect(shown).toMatchObject([{ userCode: "BCDF-GHJK", intervalSeconds: 5 }]);
  expect(waited).toEqual([5, 5, 10, 10, 15]);
  expect(ended).toEqual({
    ...{ access: "sonde_at_1", refresh: "sonde_rt_1", expiresAt: "2026-03-01T12:10:45.000Z" },
  });
  expect(asked[1]?.form).toMatchObject({ client_id: "sonde-cli", resource: `${hub?.hub}/api/v1` });
  expect(asked[2]?.form).toMatchObject({ device_code: "the-device-code", client_id: "sonde-cli" });
});

test("a hub that is away for a while still knows the code", async () => {
  const { ended, waited } = await signIn(["hang up", "hang up", tokens]);
  expect(waited).toEqual([5, 10, 20]);
  expect(ended).toMatchObject({ access: "sonde_at_1" });
});

test("a person who refuses, and a code that is over, end the wait", async () => {
  const refused = await signIn([refusal("authorization_pending"), refusal("access_denied")]);
  expect(refused.ended).toMatchObject({ code: "FORBIDDEN" });
  hub?.close();
  const over = await signIn([refusal("expired_token")]);
  expect(over.ended).toMatchObject({
    code: "UNAUTHENTICATED",
    message: expect.stringContaining("--device"),
  });
});

test("nobody waits longer than the code is good for", async () => {
  const { ended, waited, asked } = await signIn([]);
  expect(ended).toMatchObject({ code: "UNAUTHENTICATED" });
  expect(waited.reduce((sum, seconds) => sum + seconds, 0)).toBe(600);
  expect(asked.filter(({ path }) => path === "/oauth/token")).toHaveLength(119);
});

test("another refusal is told as the hub says it", async () => {
  const { ended } = await signIn([refusal("invalid_client")]);
  expect(ended).toMatchObject({
    code: "BAD_REQUEST",
    message: expect.stringContaining("invalid_client"),
  });
});

test("attack 30: a token is asked for the hub that was named, and for no other", async () => {
  const { ended, shown, asked } = await signIn([tokens], "https://other.example/api/v1");
  expect(ended).toMatchObject({
    code: "BAD_REQUEST",
    message: expect.stringContaining("https://other.example/api/v1"),
  });
  expect([shown, asked.length]).toEqual([[], 1]);
});
