import type { HubGrant, HubGrantsBody } from "@sonde/schemas/wire";
import type { KeptMessage } from "@sonde/trust/envelope";
import { SondeError } from "@sonde/schemas/errors";
import { beforeEach, expect, test } from "vitest";
import { HubGrants, NO_HUB_GRANTS, type SavedHubGrants } from "./hub-grants.ts";
import type { AgentEvent } from "./record-event.ts";

const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`;
const message: KeptMessage = {
  envelope: { payloadType: "t", payload: "", signatures: [] },
  body: "",
};
const grant = (given: number, change: Partial<HubGrant> = {}): HubGrant => ({
  ...{ pack: "acme/hello", digest: digestOf("1"), items: ["file /proc/loadavg"] },
  ...{ by: "person:ada", byName: "Ada", given },
  ...change,
});
const list = (revision: number, ...grants: HubGrant[]): HubGrantsBody => ({ revision, grants });

let saved: SavedHubGrants;
let events: AgentEvent[];
let isDiskFull: boolean;
/** What a kept message opens as; null when its signer does not count any more. */
let kept: HubGrantsBody | null;
let grants: HubGrants;

const open = (): HubGrants =>
  new HubGrants(
    {
      open() {
        if (kept === null) throw new SondeError("ENVELOPE_SIGNATURE", "another key");
        return kept;
      },
      save(next) {
        if (isDiskFull) throw new Error("ENOSPC");
        saved = next;
      },
      record: (event) => events.push(event),
    },
    saved,
  );
function take(body: HubGrantsBody): boolean {
  const taken = grants.take(body, message);
  if (taken) kept = body;
  return taken;
}
const codes = () => events.map(({ event, code }) => `${event} ${code}`);

beforeEach(() => {
  [saved, events, isDiskFull, kept] = [NO_HUB_GRANTS, [], false, null];
  grants = open();
});

test("a grant counts for exactly its archive, also after a restart", () => {
  expect(take(list(10, grant(10)))).toBe(true);
  grants = open();
  expect(grants.of("acme/hello", digestOf("1"))).toEqual(grant(10));
  expect(grants.of("acme/hello", digestOf("2"))).toBeNull();
  expect(grants.of("acme/other", digestOf("1"))).toBeNull();
  expect(grants.revision()).toBe(10);
});

// Attack 80.
test("an older list than the last one is refused, also after a restart", () => {
  take(list(10, grant(10)));
  take(list(20));
  grants = open();
  expect(take(list(10, grant(10)))).toBe(false);
  expect(grants.all()).toEqual([]);
  expect(codes()).toEqual(["hub-grants.refused HUB_ROLLED_BACK"]);
});

// Attacks 67 and 80: a hub that was restored from a backup has what was taken back since.
test("a later list does not bring back a grant that was taken away", () => {
  take(list(10, grant(10)));
  take(list(20));
  const other = grant(30, { pack: "acme/other" });
  expect(take(list(30, grant(10), other))).toBe(true);
  expect(grants.all()).toEqual([other]);
  // Nor after a restart, though the message that is kept has it.
  grants = open();
  expect(grants.all()).toEqual([other]);
  expect(codes()).toEqual(["hub-grants.refused HUB_ROLLED_BACK"]);
});

test("a grant of before counts as it was taken over, and not with other items", () => {
  take(list(10, grant(10)));
  take(list(20, grant(10, { items: ["file /proc/stat"] })));
  expect(grants.all()).toEqual([]);
});

test("what several people granted while the agent was away counts", () => {
  take(list(10));
  const both = [grant(20), grant(30, { pack: "acme/other" })];
  take(list(30, ...both));
  expect(grants.all()).toEqual(both);
  expect(codes()).toEqual([]);
});

test("a list that cannot be kept does not count", () => {
  isDiskFull = true;
  expect(take(list(10, grant(10)))).toBe(false);
  expect(grants.all()).toEqual([]);
  expect(codes()).toEqual(["hub-grants.refused INTERNAL"]);
});

test("a kept list counts only while its signer does, and its revision always", () => {
  take(list(10, grant(10)));
  kept = null;
  grants = open();
  expect(grants.all()).toEqual([]);
  expect(codes()).toEqual(["hub-grants.refused ENVELOPE_SIGNATURE"]);
  expect(take(list(9, grant(9)))).toBe(false);
});

test("a person on the host who accepts the hub as it is begins anew", () => {
  take(list(20));
  grants.forget();
  expect(take(list(10, grant(10)))).toBe(true);
  expect(grants.all()).toEqual([grant(10)]);
});
