import { readFileSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VIEW_META, VIEW_NAMES, type ViewName } from "../../hub/src/mcp/core/views.ts";
import { buildViews } from "../../hub/src/mcp/views/build-views.ts";
import {
  type Shown,
  type ShowOptions,
  startViewHost,
  type ViewHost,
} from "../product/view-host.ts";

// The pictures in Chromium, in a client that speaks the protocol of MCP Apps.

const fixtures = join(import.meta.dirname, "../../packs/system/fixtures");
let views: Record<ViewName, string>;
let host: ViewHost;
beforeAll(async () => {
  [views, host] = await Promise.all([buildViews(), startViewHost()]);
});
afterAll(() => host?.close());

/** What the pack answered to a recorded call. */
function recorded(name: string): Record<string, unknown> {
  const text = readFileSync(join(fixtures, `${name}.json`), "utf8");
  return (JSON.parse(text) as { expected: { result: Record<string, unknown> } }).expected.result;
}

const NO_REDACTIONS = { redactions: { count: 0, rules: {} } };
const READ_AT = "2026-11-29T03:00:00.000Z";
const ok = (agent: string, data: object, more: object = {}) => ({
  ...{ agent, status: "ok", data, ...NO_REDACTIONS, collectedAt: READ_AT, ...more },
});
const failed = (agent: string) => ({
  ...{ agent, status: "failure", ...NO_REDACTIONS, collectedAt: null },
  failure: {
    ...{ code: "AGENT_OFFLINE", message: `agent ${agent} is not connected` },
    ...{ retryable: true, hint: "Try again shortly." },
  },
});
const resultOf = (...results: object[]) => ({
  ...{ content: [{ type: "text", text: "x" }], structuredContent: { results }, isError: false },
});

const FINDINGS = {
  runbooks: ["sonde/system 0.2.0"],
  findings: [
    {
      ...{ severity: "critical", finding: "A filesystem is full.", tool: "system_disk_usage" },
      ...{ count: 2, next: ["system_disk_io"] },
      evidence: [{ mountPoint: "/srv", usedPercent: 97.5, availableBytes: 3 * 2 ** 30 }],
    },
    {
      ...{ severity: "warning", finding: "The load is high.", tool: "system_overview" },
      ...{ count: 1, next: [], evidence: [] },
    },
  ],
  unseen: [{ tool: "system_pressure", why: "cpu is not reported here" }],
};
const SERVER = {
  ...{ tags: ["role=web"], online: true, held: [], attestation: "approved", os: "Debian 12" },
  packs: ["sonde/system 0.2.0 active", "sonde/docker 0.1.0 pending"],
};
const OVERVIEW = {
  ...{ ...SERVER, lastSeenAt: READ_AT, release: "0.1.0", kernel: "6.1.0", clockSkewMs: 12 },
  ...{
    drift: { expected: 1, toReview: 2 },
    certificateExpiresAt: null,
    missing: ["acme/web 1.0.0"],
  },
  packs: [
    { pack: "sonde/docker 0.1.0", state: "held", why: "PERMISSION_NEEDED: group", tools: [] },
  ],
};

/** An answer for each picture. */
const answers: Record<ViewName, () => object> = {
  disk: () => recorded("disk-usage"),
  processes: () => recorded("processes-top"),
  pressure: () => recorded("pressure"),
  findings: () => FINDINGS,
  fleet: () => OVERVIEW,
};

async function open(name: ViewName, options: ShowOptions = {}): Promise<Shown> {
  return await host.show({ text: views[name], _meta: VIEW_META }, options);
}

/** Pictures that are open already: opening one takes longer than all else. */
const opened = new Map<ViewName, Promise<Shown>>();

/** Draws a result. Each picture takes one result after the other. */
async function draw(name: ViewName, result: unknown): Promise<Shown> {
  const known = opened.get(name) ?? open(name);
  opened.set(name, known);
  const shown = await known;
  await shown.answer(result);
  return shown;
}

/** All text of a picture, also of what is closed. */
const readText = async ({ frame }: Shown): Promise<string> =>
  (await frame.locator("main").textContent())?.replaceAll(/\s+/g, " ") ?? "";

/** The picture's tables, cell by cell, without columns of bars. */
async function readRows({ frame }: Shown): Promise<string[][]> {
  return await frame
    .locator("tbody tr:not(.chart)")
    .evaluateAll((rows) =>
      rows.map((row) =>
        [...row.children]
          .filter((cell) => cell.querySelector("svg") === null)
          .map((cell) => cell.textContent ?? ""),
      ),
    );
}

const METHODS = ["ui/initialize", "ui/notifications/initialized", "ui/notifications/size-changed"];
const expectQuiet = async (shown: Shown) => {
  expect(shown.requests).toEqual([]);
  expect(host.asked).toEqual([]);
  expect(shown.errors).toEqual([]);
  const asked = (await shown.heard()).filter(({ method }) => method !== undefined);
  expect([...new Set(asked.map(({ method }) => method))].sort()).toEqual(METHODS);
};

describe("what they show", () => {
  test("disk: each filesystem with its numbers and units", async () => {
    const shown = await draw("disk", resultOf(ok("web-1", answers.disk())));
    const [first, second] = await readRows(shown);
    expect(first).toEqual([
      ...[
        "//dev/vda \u00b7 ext478.5 GiB free of 252 GiB",
        "22.6 %",
        "23 GiB of 252 GiB",
        "78.5 GiB",
      ],
    ]);
    expect(second?.slice(1)).toEqual(["0 %", "0 B of 11.8 GiB", "11.8 GiB"]);
    const fill = shown.frame.locator("tbody tr").first().locator(".fill");
    expect(await fill.getAttribute("width")).toBe("22.6%");
    expect(await readText(shown)).toContain("web-1read at 2026-11-29 03:00:00 UTC");
    await expectQuiet(shown);
  });

  test("disk: what could not be asked is named as that", async () => {
    const shown = await draw("disk", resultOf(ok("web-1", recorded("disk-usage-mounts"))));
    const { unreadable = [] } = recorded("disk-usage-mounts") as {
      unreadable?: { mountPoint: string; code: string }[];
    };
    expect(unreadable.length).toBeGreaterThan(0);
    const text = await readText(shown);
    expect(text).toContain("Could not be asked: not empty");
    for (const { mountPoint, code } of unreadable) expect(text).toContain(`${mountPoint} ${code}:`);
  });

  test("processes: each with CPU, memory and state, and how many there are", async () => {
    const shown = await draw("processes", resultOf(ok("web-1", answers.processes())));
    expect((await readRows(shown))[0]).toEqual([
      ...["node busy.mjs12 \u00b7 MainThread", "92 %", "49.3 MiB", "0.2 %", "running"],
    ]);
    expect(await readText(shown)).toContain("7 processes2 running5 sleeping");
    await expectQuiet(shown);
  });

  test("processes: hidden ones are told", async () => {
    const shown = await draw("processes", resultOf(ok("web-1", recorded("processes-top-hidden"))));
    expect(await readText(shown)).toContain("The kernel hides the processes of other users");
  });

  test("pressure: each resource over time, and one that the kernel does not report", async () => {
    const shown = await draw("pressure", resultOf(ok("web-1", answers.pressure())));
    expect((await readRows(shown)).slice(0, 2)).toEqual([
      ["Some", "26.7 %", "23.1 %", "15.1 %"],
      ["All", "0 %", "0 %", "0 %"],
    ]);
    const text = await readText(shown);
    expect(text).toContain("CPU15.1 %falling");
    expect(text).toContain("InterruptsThis kernel does not report it.");
    expect(text).toContain("Columns end at 50 %.");
    await expectQuiet(shown);
  });

  test("findings: by severity with their evidence, what was not seen, what to ask next", async () => {
    const shown = await draw("findings", resultOf(ok("web-1", FINDINGS)));
    const items = await shown.frame.locator(".finding").allTextContents();
    expect(items).toEqual([
      "criticalA filesystem is full.mountPoint/srvusedPercent97.5 %availableBytes3 GiBSeen by system_disk_usage in 2 rowsAsk next: system_disk_io",
      "warningThe load is high.Seen by system_overview",
    ]);
    expect(await readText(shown)).toContain(
      "Could not be seen (1)system_pressure cpu is not reported here",
    );
    await expectQuiet(shown);
  });

  test("findings: none is not the same as all well when something was not seen", async () => {
    const none = { ...FINDINGS, findings: [] };
    const text = await readText(await draw("findings", resultOf(ok("web-1", none))));
    expect(text).toContain("that is not nothing wrong");
    const well = { ...none, unseen: [] };
    const calm = await readText(await draw("findings", resultOf(ok("web-1", well))));
    expect(calm).toContain("No finding in what was looked at.");
    expect(calm).not.toContain("not nothing wrong");
  });

  test("servers: state, facts and packs of one", async () => {
    const shown = await draw("fleet", resultOf(ok("web-1", OVERVIEW)));
    const text = await readText(shown);
    for (const fact of ["Kernel6.1.0", "Drift1 expected, 2 to review", "Clock differs by12 ms"]) {
      expect(text).toContain(fact);
    }
    expect(text).toContain("Assigned, not thereacme/web 1.0.0");
    expect(await readRows(shown)).toEqual([
      ["sonde/docker 0.1.0", "held PERMISSION_NEEDED: group"],
    ]);
    await expectQuiet(shown);
  });

  test("servers: those that need a look first", async () => {
    const held = { ...SERVER, held: ["drift: the program differs"] };
    const shown = await draw(
      "fleet",
      resultOf(ok("a", SERVER), ok("b", held), ok("c", { ...SERVER, online: false }), failed("d")),
    );
    const lines = await shown.frame.locator("summary").allTextContents();
    expect(lines).toEqual([
      "dAGENT_OFFLINE",
      ...["cnot connected", "bheld", "aconnected"].map(
        (text) => `${text}Debian 12 \u00b7 role=web`,
      ),
    ]);
  });

  test.each([
    ["disk", "/ 22.6 %"],
    ["processes", "node busy.mjs 92 %"],
    ["pressure", "CPU 15.1 %"],
    ["findings", "1 critical, 1 warning, 1 unseen"],
  ] as const)(
    "%s: many servers are a line each, which opens by the keyboard",
    async (name, line) => {
      const data = answers[name]();
      const shown = await draw(
        name,
        resultOf(ok("web-1", data), failed("web-2"), ok("web-3", data)),
      );
      const lines = shown.frame.locator("summary");
      expect(await lines.allTextContents()).toEqual([
        ...["web-2AGENT_OFFLINE", `web-1${line}`, `web-3${line}`],
      ]);
      expect(await readText(shown)).toContain("2 of 3 servers answered");
      const before = await shown.height();
      await lines.nth(1).focus();
      await shown.page.keyboard.press("Enter");
      await expect.poll(() => shown.frame.locator("details[open]").count()).toBe(1);
      await expect.poll(() => shown.height()).toBeGreaterThan(before);
    },
  );
});

describe("states", () => {
  test("a picture waits until the answer is there", async () => {
    const shown = await open("disk");
    expect(await readText(shown)).toContain("Waiting for the answer");
    expect(await shown.frame.locator("main").getAttribute("aria-busy")).toBe("true");
    await shown.answer(resultOf(ok("web-1", answers.disk())));
    expect(await readText(shown)).not.toContain("Waiting");
    expect(await shown.frame.getByRole("status").textContent()).toBe("Disk: the answer is here.");
  });

  test("a cancelled call is told", async () => {
    const shown = await open("disk");
    await shown.send({ method: "ui/notifications/tool-cancelled", params: { reason: "user" } });
    await expect.poll(() => readText(shown)).toContain("The call was cancelled.");
  });

  test("a failure has its code, words and advice", async () => {
    const text = await readText(await draw("pressure", resultOf(failed("web-1"))));
    expect(text).toContain("AGENT_OFFLINEagent web-1 is not connectedTry again shortly.");
  });

  test.each([
    ["has no data", { content: [] }, "has no data to draw"],
    ["is too long", { structuredContent: { results: [], cursor: "c" } }, "too long to draw"],
    ["is of no server", { structuredContent: { results: [] } }, "there is none to ask"],
    ["has another shape", resultOf(ok("a", { other: 1 })), "another shape"],
  ])("an answer that %s says so", async (_what, result, said) => {
    for (const name of VIEW_NAMES) {
      expect(await readText(await draw(name, result)), name).toContain(said);
    }
  });

  test("what is incomplete, cut or scrubbed says so", async () => {
    const data = { ...answers.disk(), incomplete: true };
    const more = { truncated: true, redactions: { count: 3, rules: {} } };
    const text = await readText(await draw("disk", resultOf(ok("web-1", data, more))));
    expect(text).toContain("The mount table was longer than the read allows");
    expect(text).toContain("this is incomplete");
    expect(text).toContain("3 secrets were taken out.");
  });

  test("an empty list is told", async () => {
    const empty = { ...answers.disk(), filesystems: [], filesystemCount: 0 };
    const text = await readText(await draw("disk", resultOf(ok("web-1", empty))));
    expect(text).toContain("There is no filesystem with storage.");
  });
});

const ATTACKS = [
  "<script>window.taken = 1</script>",
  "<img src=x onerror='window.taken = 1'>",
  "<img src=http://localhost/leak>",
  '"><svg onload="window.taken = 1">',
  "</script><script>window.taken = 1</script>",
  "<style>@import url(http://localhost/leak);body{display:none}</style>",
  '<meta http-equiv="refresh" content="0;url=http://localhost/gone">',
  "<base href=http://localhost/>",
  "javascript:window.taken=1",
].join(" ");

/** The same with each text replaced. */
function poison(value: unknown, text: string): unknown {
  if (typeof value === "string") return text;
  if (Array.isArray(value)) return value.map((one) => poison(one, text));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      // Without these the values have no place.
      name === "severity" || name === "state" ? one : poison(one, text),
    ]),
  );
}

describe("hostile answers", () => {
  test.each(VIEW_NAMES)(
    "attack 79: %s writes markup as text, and nothing of it runs",
    async (name) => {
      const data = poison(answers[name](), ATTACKS) as object;
      const result = resultOf(ok(ATTACKS, data), ok("b", { ...data, [ATTACKS]: ATTACKS }));
      const shown = await draw(name, result);
      expect(await readText(shown)).toContain("<script>window.taken = 1</script>");
      const foreign =
        "script:not(body > script:first-of-type), img, base, iframe, main style, [onload]";
      expect(await shown.frame.locator(`main :is(${foreign})`).count()).toBe(0);
      expect(await shown.frame.evaluate("'taken' in window")).toBe(false);
      await expectQuiet(shown);
    },
  );

  test("attack 79: characters that nobody sees, or that reorder a line, are shown as escapes", async () => {
    const data = { ...recorded("disk-usage"), unreadable: [] };
    const [first] = data["filesystems" as never] as object[];
    const filesystems = [{ ...first, mountPoint: "/safe\u202e\u0007\u200bgnp" }];
    const shown = await draw("disk", resultOf(ok("web-1", { ...data, filesystems })));
    expect(await shown.frame.locator("tbody code").first().textContent()).toBe(
      "/safe\\u202e\\u0007\\u200bgnp",
    );
  });

  const ODD = [
    ...[null, 7, "x", true, [], [[]], {}, { length: 9 }, { filesystems: [null, 7, "x", [], {}] }],
    ...[{ findings: [{ evidence: [[], null, { a: { b: [1] } }], next: "x", severity: {} }] }],
    ...[{ processes: [{ pid: "1", cpuPercent: "9e9", state: 4 }], countByState: [1, { a: {} }] }],
    ...[{ cpu: { some: [], full: "x" }, memory: 7, io: { some: { avg10Percent: -1e308 } } }],
    ...[{ online: true, packs: [null, {}, "", { pack: [] }], held: {}, tags: [[]], drift: "x" }],
    { online: true, packs: "sonde", lastSeenAt: "not a time", clockSkewMs: 1e308 },
  ];
  test.each(VIEW_NAMES)("%s draws something of any shape, and breaks at none", async (name) => {
    const shown = await open(name);
    const results = [
      ...ODD.map((data) => ({
        structuredContent: { results: [{ agent: 7, status: "ok", data }] },
      })),
      ...ODD.map((structuredContent) => ({ structuredContent })),
      ...ODD.map((one) => ({ structuredContent: { results: one } })),
      ...ODD.map((failure) => ({ structuredContent: { results: [{ failure }, null, 7] } })),
      ...ODD,
    ];
    for (const result of results) {
      await shown.answer(result);
      expect((await readText(shown)).length).toBeGreaterThan(20);
    }
    await shown.answer(resultOf(ok("last", answers[name]())));
    expect(await readText(shown)).toContain("last");
    expect(shown.errors).toEqual([]);
  });

  test.each(VIEW_NAMES)(
    "%s draws a part of a huge answer, and says how much it left out",
    async (name) => {
      const long = (value: unknown): unknown =>
        Array.isArray(value)
          ? Array.from(
              { length: 5000 },
              (_, place) => value[place % Math.max(1, value.length)] as unknown,
            )
          : value;
      const data = Object.fromEntries(
        Object.entries(answers[name]()).map(([member, value]) => [member, long(value)]),
      );
      const agent = `${"a".repeat(100_000)}b`;
      const one = await draw(name, resultOf(ok(agent, data)));
      expect(await one.frame.locator("*").count()).toBeLessThan(4000);
      const drawn = await readText(one);
      expect(drawn).not.toContain("aab");
      if (["disk", "processes", "findings"].includes(name)) {
        expect(drawn).toMatch(/4,900 more \S+ are not drawn\./);
      }
      const many = await draw(
        name,
        resultOf(
          ...Array.from({ length: 1000 }, (_, place) => ok(`web-${place}`, answers[name]())),
        ),
      );
      expect(await many.frame.locator("summary").count()).toBe(200);
      const text = await readText(many);
      expect(text).toContain("800 more servers are not drawn.");
      expect(text).toMatch(
        name === "fleet" ? /^Servers1,000 servers/ : /1,000 of 1,000 servers answered/,
      );
    },
  );
});

describe("messages", () => {
  test("attack 79: only the window around a picture is heard", async () => {
    const shown = await open("disk");
    // The page's own window is not the picture's parent: that is the sandbox.
    const forged = resultOf(ok("forged", answers.disk()));
    const message = { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: forged };
    await shown.page.evaluate(`frames[0].frames[0].postMessage(${JSON.stringify(message)}, "*")`);
    // What comes later by the right way is there, so the other would be too.
    await shown.reach();
    expect(await readText(shown)).toContain("Waiting for the answer");
    await shown.answer(resultOf(ok("web-1", answers.disk())));
    expect(await readText(shown)).toContain("web-1");
  });

  test("a message of another shape has no effect", async () => {
    const shown = await open("disk");
    const { structuredContent } = resultOf(ok("odd", answers.disk()));
    const odd = [
      ...["null", "7", "'x'", "[]", "{}", "[{ jsonrpc: '2.0' }]"],
      JSON.stringify({ method: "ui/notifications/tool-result", params: { structuredContent } }),
      JSON.stringify({ jsonrpc: "1.0", method: "ui/notifications/tool-result", params: {} }),
      JSON.stringify({ jsonrpc: "2.0", method: "ui/notifications/other", params: {} }),
      JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code: 1, message: "x" } }),
      JSON.stringify({
        jsonrpc: "2.0",
        method: "ui/notifications/host-context-changed",
        params: 7,
      }),
    ];
    for (const message of odd) {
      await shown.page.evaluate(`frame.contentWindow.postMessage(${message}, "*")`);
    }
    await shown.reach();
    expect(await readText(shown)).toContain("Waiting for the answer");
    expect(shown.errors).toEqual([]);
  });

  test("attack 79: a picture introduces itself, tells its size, and asks for nothing", async () => {
    for (const name of VIEW_NAMES) {
      const shown = await draw(name, resultOf(ok("web-1", answers[name]())));
      const [first, second] = await shown.heard();
      expect(first).toMatchObject({
        ...{ jsonrpc: "2.0", method: "ui/initialize" },
        params: { protocolVersion: "2026-01-26", appCapabilities: {} },
      });
      expect(second).toMatchObject({ method: "ui/notifications/initialized" });
      await shown.frame.locator("main").click();
      await expectQuiet(shown);
    }
  });

  test("a value that no JSON has is told, and the next answer is drawn", async () => {
    const shown = await open("findings");
    const round = `const evidence = [{}]; evidence[0].round = { evidence };
      const params = { structuredContent: { results: [{ status: "ok", data: { findings: [{ evidence }] } }] } };
      send({ method: "ui/notifications/tool-result", params });`;
    await shown.page.evaluate(`{ ${round} }`);
    await shown.reach();
    expect(await readText(shown)).toContain("This answer could not be drawn.");
    await shown.answer(resultOf(ok("web-1", FINDINGS)));
    expect(await readText(shown)).toContain("A filesystem is full.");
  });

  test("it answers a client that ends it, and refuses what it does not know", async () => {
    const shown = await open("fleet");
    await shown.send({ id: "end", method: "ui/resource-teardown", params: { reason: "x" } });
    await shown.send({ id: "odd", method: "tools/list", params: {} });
    const replies = async () => (await shown.heard()).filter(({ method }) => method === undefined);
    await expect.poll(async () => (await replies()).length).toBe(2);
    expect(await replies()).toMatchObject([
      { id: "end", result: {} },
      { id: "odd", error: { code: -32_601 } },
    ]);
  });

  test("the client's frame is as high as the picture, and follows it", async () => {
    const shown = await open("disk", { width: 500 });
    const heightOfBody = () =>
      shown.frame.evaluate<number>("Math.ceil(document.body.getBoundingClientRect().height)");
    const fits = async () => (await shown.height()) - (await heightOfBody());
    await expect.poll(fits).toBe(0);
    const before = await shown.height();
    await shown.answer(resultOf(ok("web-1", answers.disk())));
    await expect.poll(fits).toBe(0);
    await expect.poll(() => shown.height()).not.toBe(before);
  });
});

describe("the document", () => {
  test("has at most 40 KiB, loads nothing, and is the same when it is built again", async () => {
    for (const [name, text] of Object.entries(views)) {
      expect(Buffer.byteLength(text), name).toBeLessThanOrEqual(40 * 1024);
      expect(text.replaceAll("http://www.w3.org/2000/svg", ""), name).not.toMatch(
        /https?:|\bsrc=|@import|url\(/,
      );
      expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(/);
    }
    expect(await buildViews()).toEqual(views);
  });

  /** Each tries to reach the client's server. */
  const TRIES = [
    "fetch(`${url}/fetch`, { mode: 'no-cors' }).catch(() => null)",
    "navigator.sendBeacon(`${url}/beacon`)",
    "new Promise((done) => { const it = new Image(); it.onload = it.onerror = done; it.src = `${url}/image`; })",
    "import(`${url}/module`).catch(() => null)",
    "new Promise((done) => { const it = document.createElement('script'); it.onload = it.onerror = done; it.src = `${url}/script`; document.body.append(it); })",
    "new Promise((done) => { const it = document.createElement('link'); it.rel = 'stylesheet'; it.onload = it.onerror = done; it.href = `${url}/style`; document.head.append(it); })",
    "new Promise((done) => { const it = new XMLHttpRequest(); it.onloadend = done; it.open('GET', `${url}/xhr`); it.send(); })",
  ];

  test.each([true, false])(
    "attack 79: code in a picture reaches no server; by the client's policy too: %s",
    async (policy) => {
      const shown = await open("disk", { policy });
      const url = JSON.stringify(host.url);
      for (const attempt of TRIES) {
        await shown.frame.evaluate(`(async (url) => { await ${attempt}; })(${url})`);
      }
      const inline =
        "const it = document.createElement('script'); it.textContent = 'window.taken = 1'; document.body.append(it); 'taken' in window";
      expect(await shown.frame.evaluate(inline)).toBe(false);
      expect(host.asked).toEqual([]);
      // Chromium tells of an attempt too, so a picture that is quiet made none.
      expect(shown.requests).toContain(`${host.url}/image`);
    },
  );

  test("without both policies such code would reach the server, and be seen", async () => {
    const text = views.disk.replace(/<meta http-equiv[^>]*>/, "");
    const bare = await host.show({ text }, { policy: false });
    const address = `${host.url}/control`;
    await bare.frame.evaluate(`fetch(${JSON.stringify(address)})`);
    expect([host.asked.splice(0), bare.requests]).toEqual([["/control"], [address]]);
  });
});

describe("how they look", () => {
  const ground = ({ frame }: Shown) =>
    frame.evaluate<string>("getComputedStyle(document.body).backgroundColor");

  test("they follow the theme of the client, and its changes", async () => {
    const shown = await open("disk", { context: { theme: "dark" } });
    expect(await ground(shown)).toBe("rgb(21, 25, 27)");
    const params = { theme: "light" };
    await shown.send({ method: "ui/notifications/host-context-changed", params });
    await expect.poll(() => ground(shown)).toBe("rgb(255, 255, 255)");
  });

  test("they take the client's colours and fonts, but nothing that loads", async () => {
    const variables = {
      ...{ "--color-background-primary": "light-dark(#010203, #040506)", "--font-sans": "serif" },
      "--color-text-primary": `url(${host.url}/color)`,
      "--color-border-primary": `red; background: image-set("${host.url}/x")`,
      "--round": "99px",
    };
    const context = {
      theme: "light",
      styles: { variables, css: { fonts: `@import "${host.url}/font";` } },
    };
    const shown = await open("disk", { context });
    await shown.answer(resultOf(ok("web-1", answers.disk())));
    expect(await ground(shown)).toBe("rgb(1, 2, 3)");
    const own = (name: string) =>
      shown.frame.evaluate<string>(`document.documentElement.style.getPropertyValue("${name}")`);
    expect(await own("--font-sans")).toBe("serif");
    for (const name of ["--color-text-primary", "--color-border-primary", "--round"]) {
      expect(await own(name)).toBe("");
    }
    await expectQuiet(shown);
  });

  test.each(VIEW_NAMES)(
    "%s has no fault for who does not see well, in both themes and widths",
    async (name) => {
      const one = resultOf(ok("web-1", answers[name](), { truncated: true }));
      const many = resultOf(ok("web-1", answers[name]()), failed("web-2"));
      const shown = await open(name);
      await shown.frame.evaluate(axe.source);
      for (const [theme, width, result] of [
        ["light", 900, one],
        ["dark", 320, one],
        ["light", 320, many],
        ["dark", 900, many],
      ] as const) {
        await shown.page.setViewportSize({ width, height: 700 });
        const params = { theme };
        await shown.send({ method: "ui/notifications/host-context-changed", params });
        await shown.answer(result);
        await shown.frame.locator("details").evaluateAll((all) => {
          for (const each of all) each.setAttribute("open", "");
        });
        const wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        await expect.poll(() => shown.frame.evaluate("innerWidth")).toBe(width);
        expect(await shown.frame.evaluate(wide), `${theme} ${width}`).toBe(0);
        const run = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
          violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + " " + html)))`;
        expect(await shown.frame.evaluate(run), `${theme} ${width}`).toEqual([]);
      }
    },
  );
});
