import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Scripted, type ScriptedHub, startScriptedHub } from "../testing/scripted-hub.ts";
import { createBearer } from "./bearer.ts";
import { type ChosenProfile, readProfiles, writeProfiles } from "./profiles.ts";

const NOW = new Date("2026-03-01T12:00:00.000Z");
const now = () => NOW;
const inSeconds = (seconds: number) => new Date(NOW.getTime() + seconds * 1000).toISOString();

let folder: string;
let file: string;
let hub: ScriptedHub;
let refused: Scripted | null;
beforeEach(async () => {
  folder = mkdtempSync("/tmp/sonde-bearer-");
  file = join(folder, "profiles.json");
  refused = null;
  let count = 1;
  hub = await startScriptedHub(() => {
    count += 1;
    const next = { access_token: `a-${count}`, refresh_token: `r-${count}`, expires_in: 600 };
    return refused ?? { status: 200, body: next };
  });
});
afterEach(() => {
  hub.close();
  rmSync(folder, { recursive: true });
});

/** A profile whose access token is good for so many seconds. */
function keep(seconds: number): ChosenProfile {
  const token = { access: "a-1", refresh: "r-1", expiresAt: inSeconds(seconds) };
  const profile = { hub: hub.hub, ca: hub.ca, token };
  const other = { hub: "https://other", key: "sonde_ak_x" };
  writeProfiles(file, { current: "other", profiles: { mine: profile, other } });
  return { name: "mine", file, profile };
}

test("a key is sent as it is, and a token as long as it is good", async () => {
  const profile = { hub: hub.hub, key: "sonde_ak_x" };
  expect(await createBearer({ name: "x", file, profile }, now)()).toBe("sonde_ak_x");
  expect(await createBearer(keep(31), now)()).toBe("a-1");
  expect(hub.asked).toEqual([]);
});

test("a token that ends is replaced once, and the next is kept for the user alone", async () => {
  const chosen = keep(29);
  const first = createBearer(chosen, now);
  expect(await Promise.all([first(), first()])).toEqual(["a-2", "a-2"]);
  // Another command that read the profile before.
  expect(await createBearer(chosen, now)()).toBe("a-2");
  expect(hub.asked.map(({ form }) => form["refresh_token"])).toEqual(["r-1"]);
  const { current, profiles } = readProfiles(file);
  expect([current, Object.keys(profiles)]).toEqual(["other", ["mine", "other"]]);
  expect(profiles["mine"]).toEqual({
    ...{ hub: hub.hub, ca: hub.ca },
    token: { access: "a-2", refresh: "r-2", expiresAt: inSeconds(600) },
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a sign-in that has ended says how to sign in again, and is kept as it is", async () => {
  const chosen = keep(0);
  refused = { status: 400, body: { error: "invalid_grant" } };
  await expect(createBearer(chosen, now)()).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
    message: expect.stringContaining("--profile mine --device"),
  });
  expect(readProfiles(file).profiles["mine"]).toEqual(chosen.profile);
});

test("a hub that is away costs no sign-in", async () => {
  const chosen = keep(0);
  refused = "hang up";
  const bearer = createBearer(chosen, now);
  await expect(bearer()).rejects.toMatchObject({ code: "HUB_UNREACHABLE" });
  refused = null;
  expect(await bearer()).toBe("a-3");
});
