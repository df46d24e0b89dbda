import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { events } from "./events.ts";

/** Events as Docker's API has them (`GET /events`). */
const event = (Action: string, attributes: Record<string, string> = {}, second = 0) => ({
  ...{ Type: "container", Action, timeNano: 1_767_225_600_000_000_000 + second * 1e9 },
  Actor: { ID: "f".repeat(64), Attributes: { name: "shop", image: "shop:1", ...attributes } },
});

function ask(list: readonly unknown[], truncated = false) {
  const body = list
    .map((one) => `${typeof one === "string" ? one : JSON.stringify(one)}\n`)
    .join("");
  const samples = [{ at: 0, truncated, data: { status: 200, body } }];
  const reads: GuestInput["reads"] = { answer: { ok: true, samples } };
  return events.call({ params: {}, now: 0, reads }) as Record<string, unknown>;
}

test("ends, kills for want of memory and changes of health are counted for each container", () => {
  const answer = ask([
    event("start"),
    event("oom", {}, 1),
    event("die", { exitCode: "137" }, 2),
    event("start", {}, 3),
    event("health_status: unhealthy", {}, 4),
    event("health_status", { health_status: "healthy" }, 5),
    event("die", { exitCode: "2" }, 6),
  ]);
  expect(answer).toMatchObject({
    ...{ eventCount: 7, containerCount: 1, incomplete: false },
    containers: [
      {
        ...{ name: "shop", image: "shop:1", startCount: 2, endCount: 2, lastExitCode: 2 },
        ...{ outOfMemoryCount: 1, unhealthyCount: 1, lastHealth: "healthy" },
      },
    ],
  });
  const [newest] = answer["events"] as unknown[];
  expect(newest).toEqual({
    ...{ at: "2026-01-01T00:00:06.000Z", type: "container", action: "die", name: "shop" },
    ...{ id: "f".repeat(12), image: "shop:1", exitCode: 2 },
  });
});

// Attack 55.
test("no command, label or other text beside names is in an answer", () => {
  const answer = ask([
    event("exec_create: /bin/sh -c mysql --password=s3cret"),
    event("top: s3cret"),
    event("health_status: s3cret", { s3cret: "s3cret", label: "s3cret", exitCode: "s3cret" }),
  ]);
  expect(JSON.stringify(answer)).not.toContain("s3cret");
  expect((answer["events"] as { action: string }[]).map(({ action }) => action)).toEqual([
    "health_status",
    "top",
  ]);
});

test("what is no event is said, and members of the wrong type are empty", () => {
  expect(ask(["{"])).toMatchObject({ eventCount: 0, incomplete: true });
  expect(ask([event("start")], true)).toMatchObject({ eventCount: 1, incomplete: true });
  expect(ask([])).toMatchObject({ events: [], containers: [], incomplete: false });
  const odd = { Type: 7, Action: ["die"], timeNano: 1e300, Actor: { Attributes: "x" } };
  expect(ask([odd, 7, { Type: "container" }])).toMatchObject({
    events: [
      { at: null, type: "container" },
      { at: null, type: "" },
      { at: null, type: "", action: "", name: "", exitCode: null },
    ],
  });
});
