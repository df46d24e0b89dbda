import { randomUUID } from "node:crypto";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import { buildAuditRecord } from "@sonde/schemas/audit";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createAuditStore, openAudit } from "../../hub/src/audit/index.ts";
import { fillOldLog } from "../../hub/src/testing/fill-old-log.ts";
import { type Account, invite, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import {
  type ConsoleHost,
  faultsOf,
  type OpenedConsole,
  startConsoleHost,
} from "../product/console-host.ts";

// The Activity page in Chromium over a log that is longer than what a page holds: its filters ask the hub.

const DAY_MS = 24 * 3_600_000;
const START = new Date(Date.now() - 60 * DAY_MS);
/** Markup, and a text that reorders a line. */
const EVIL = `<img src=x onerror="alert(1)">\u202e`;
const CALL = randomUUID();
const FAILED = randomUUID();
const KEY = `key:${randomUUID()}`;
/** The entry of the call that nobody is told of by the newest ones, and one beside it. */
const [ASKED, ENDED, OTHER] = [100, 101, 4_500];

let hub: TestHub;
let host: ConsoleHost;
let owner: Account;
const opened: OpenedConsole[] = [];

beforeAll(async () => {
  [hub, host] = await Promise.all([
    startHub(
      ({ sql }) =>
        fillOldLog(sql, 2, START, (seq) => {
          const call = { callId: CALL, agent: "old-1", probe: "acme/hello.greet", principal: KEY };
          if (seq === ASKED) return { ...call, event: "call.request", status: "ok" };
          if (seq === ENDED) return { ...call, event: "call.response", status: "ok" };
          const failed = { ...call, callId: FAILED, agent: "old-2" };
          if (seq === OTHER) return { ...failed, event: "call.request", status: "ok" };
          return seq === OTHER + 1
            ? { ...failed, event: "call.response", status: "failure", code: "READ_TIMEOUT" }
            : {};
        }),
      {},
      { console: await buildConsole() },
    ),
    startConsoleHost(),
  ]);
  owner = await makeOwner(hub);
}, 120_000);
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
afterAll(async () => {
  await host?.close();
  await hub?.close();
});

async function open(who = owner, options = {}): Promise<OpenedConsole> {
  const one = await host.open(`http://localhost:${hub.ready.http}`, who, options);
  opened.push(one);
  return one;
}
const searchOf = (one: OpenedConsole): string => new URL(one.page.url()).search;
const rows = ({ page }: OpenedConsole) => page.locator("tbody tr");
const tag = (value: string) =>
  hub.ask("POST", "/agents/web-1/tags", { set: [`rack=${value}`], remove: [] });

/** Writes records as another hub of the database does. */
async function write(
  records: readonly Parameters<typeof buildAuditRecord>[2][],
  event: Parameters<typeof buildAuditRecord>[1],
): Promise<void> {
  const { sql, ...database } = await hub.openDatabase();
  const log = await openAudit(createAuditStore(sql, randomUUID()));
  await Promise.all(records.map((known) => log.append(buildAuditRecord(new Date(), event, known))));
  await database.close();
}

describe("the filters", () => {
  test("find what is older than the page holds, and an address with them is shared", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/activity", "Activity");
    await page.getByText("More filters").click();
    await page.getByLabel("Host", { exact: true }).fill("old-1");
    await page.keyboard.press("Enter");
    await expect.poll(() => rows(one).count()).toBe(1);
    await rows(one).getByText("answered").waitFor();
    await page.getByText("The whole log was searched.").waitFor();
    expect(searchOf(one)).toBe("?agent=old-1");

    // Somebody else opens it.
    const other = await open(await invite(hub, owner, "auditor", "grace"));
    await other.go(`/activity${searchOf(one)}`, "Activity");
    await other.page.getByRole("link", { name: "acme/hello.greet" }).click();
    await other.page.getByRole("heading", { level: 1, name: "One call" }).waitFor();
    await other.page.getByText("old-1").first().waitFor();
    await other.go(`/activity/entries/${ASKED}`, "One entry");
    await other.page.getByText("call.request").waitFor();
    await other.go("/activity/entries/99999999", "One entry");
    await other.page.getByText("The log has no entry of this number.").waitFor();
    expect([...faultsOf(one), ...faultsOf(other)]).toEqual([]);
  });

  test("are each asked of the hub, said, and taken off by the keyboard", async () => {
    const one = await open();
    const { page } = one;
    await one.go(`/activity?principal=${KEY}&status=failure`, "Activity");
    await expect.poll(() => rows(one).count()).toBe(1);
    await rows(one).getByText("READ_TIMEOUT").waitFor();
    const { answer } = await hub.ask("GET", "/audit?event=log.read&limit=1&text=failure");
    expect(answer["entries"]).toMatchObject([
      { record: { detail: { search: { principal: KEY, status: "failure" }, order: "newest" } } },
    ]);
    const inForce = page.getByRole("list", { name: "Filters in force" });
    await inForce.getByRole("button", { name: "Take off Outcome: failure" }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => rows(one).count()).toBe(2);
    // A button of a line is a filter too.
    await rows(one).getByRole("button", { name: "old-2" }).click();
    await expect.poll(() => rows(one).count()).toBe(1);
    expect(new URLSearchParams(searchOf(one)).get("agent")).toBe("old-2");
    await inForce.getByRole("button", { name: "Take all off" }).click();
    await expect.poll(() => searchOf(one)).toBe("");
    expect(faultsOf(one)).toEqual([]);
  });

  test("that find a request without its end do not say that the call runs", async () => {
    const one = await open();
    await one.go("/activity?decision=allow&agent=old-1", "Activity");
    await rows(one).getByText("asked", { exact: true }).waitFor();
    await one.go("/activity?agent=old-1", "Activity");
    await rows(one).getByText("answered").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("a time and a text", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/activity", "Activity");
    await page.getByRole("searchbox").fill("read_timeout");
    await expect.poll(() => searchOf(one)).toContain("text=read_timeout");
    await rows(one).getByText("READ_TIMEOUT").waitFor();
    await page.getByText("More filters").click();
    await page.getByLabel("Since (UTC)").fill(new Date().toISOString().slice(0, 16));
    await page.keyboard.press("Tab");
    await page.getByText("Nothing fits.").waitFor();
    expect(new URLSearchParams(searchOf(one)).get("since")).toMatch(/T[0-9]{2}:[0-9]{2}Z$/);
    expect(faultsOf(one)).toEqual([]);
  });

  test.each([
    ["a tag that no agent has", "tag=role%3Dnobody", "tag: expected one that an agent has"],
    ["an agent that can be none", `agent=${encodeURIComponent(EVIL)}`, "agent"],
    ["a day that is none", "since=2026-02-30", "since: expected a time of the calendar"],
  ])("%s is refused in words, and the way out stays", async (_what, query, words) => {
    const one = await open();
    const { page } = one;
    await one.go(`/activity?${query}`, "Activity");
    const alert = page.getByRole("alert");
    await alert.getByText("BAD_REQUEST").waitFor();
    expect(await alert.textContent()).toContain(words);
    await alert.getByText("Correct the request").waitFor();
    expect((await page.locator("body").textContent())?.includes("\u202e")).toBe(false);
    await page.getByRole("button", { name: "Take all off" }).click();
    await alert.waitFor({ state: "detached" });
    await rows(one).first().waitFor();
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("what is found", () => {
  test("older entries come when somebody asks, down to the first", async () => {
    const filling = Array.from({ length: 1_050 }, (_, number) => ({
      ...{ agent: "many-1", detail: { number } },
    }));
    await write(filling, "agent.tagged");
    const one = await open();
    const { page } = one;
    await one.go("/activity?agent=many-1&show=acts", "Activity");
    const older = page.getByRole("button", { name: "Older" });
    for (const count of [500, 1_000, 1_050]) {
      await expect.poll(() => rows(one).count()).toBe(count);
      expect(await page.getByText("Searched back to entry").count()).toBe(count < 1_050 ? 1 : 0);
      if (count < 1_050) await older.click();
    }
    await page.getByText("The whole log was searched.").waitFor();
    expect(await older.count()).toBe(0);
    expect(faultsOf(one)).toEqual([]);
  });

  test("new entries are shown as they are written when they fit, and no others", async () => {
    const one = await open();
    await one.go("/activity?text=rack%3Dlive&show=acts", "Activity");
    await one.page.getByText("Nothing fits").waitFor();
    await tag("other");
    await tag("live-1");
    await expect.poll(() => rows(one).count()).toBe(1);
    await rows(one).getByText("agent.tagged").waitFor();
    // Also what was written while the hub was away.
    await hub.restart(async () => {
      await one.page.getByText("The hub does not answer.").waitFor();
      await write([{ agent: "web-1", detail: { set: ["rack=live-2"] } }], "agent.tagged");
    });
    await expect.poll(() => rows(one).count(), { timeout: 30_000 }).toBe(2);
    expect(one.dialogs).toEqual([]);
  });

  test("attack 38: words of a stranger are text, and no filter that cannot be", async () => {
    const detail = { tool: EVIL, reason: EVIL };
    await write(
      [
        {
          callId: randomUUID(),
          principal: EVIL,
          agent: EVIL,
          status: "denied",
          code: "FORBIDDEN",
          detail,
        },
      ],
      "call.denied",
    );
    const one = await open();
    const { page } = one;
    await one.go(`/activity?show=denied&text=${encodeURIComponent("<img")}`, "Activity");
    await expect.poll(() => rows(one).count()).toBe(1);
    const text = (await page.locator("body").textContent()) ?? "";
    expect(text.split("onerror=").length - 1).toBeGreaterThanOrEqual(3);
    expect(text.includes("\u202e")).toBe(false);
    expect(await rows(one).getByRole("button").count()).toBe(0);
    expect(await page.locator("img, main script").count()).toBe(0);
    expect(await one.findViolations()).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });

  test.each([
    ["a phone, in the dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
    ["a wide screen, in the light", { viewport: { width: 2560, height: 1440 } }],
  ])("%s: it fits, and axe-core finds nothing", async (_what, options) => {
    const one = await open(owner, options);
    const { page } = one;
    const long = "x".repeat(150);
    for (const query of ["", "?show=all", `?text=${long}&agent=old-1`, "?tag=role%3Dnobody"]) {
      await one.go(`/activity${query}`, "Activity");
      await page.getByText("More filters").click();
      await expect.poll(() => page.getByText("Reading").count()).toBe(0);
      expect([query, await one.findViolations()]).toEqual([query, []]);
      expect([query, await one.isTooWide()]).toEqual([query, false]);
    }
    expect(faultsOf(one)).toEqual([]);
  });

  test("says what was dropped, in a search and for one entry", async () => {
    await hub.ask("POST", "/audit/checkpoints");
    await hub.reload({ audit: { retention: { maxDays: 30 } } });
    const { sql, ...database } = await hub.openDatabase();
    await vi.waitUntil(
      async () => {
        const [row] = await sql<{ count: number }[]>`
          select count(*)::int as count from audit_dropped`;
        return row?.count === 2;
      },
      { timeout: 60_000 },
    );
    await database.close();
    const one = await open();
    await one.go("/activity?agent=old-1", "Activity");
    await one.page.getByText("Nothing fits.").waitFor();
    const words = `What was recorded up to entry ${lastOf(1).toLocaleString("en-US")}, until `;
    await one.page.getByText(words).waitFor();
    await one.go(`/activity/entries/${firstOf(1)}`, "One entry");
    await one.page.getByText("The content of this entry was dropped").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });
});
