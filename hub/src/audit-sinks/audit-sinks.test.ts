import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry } from "@sonde/schemas/audit";
import type { KeyedCertificate } from "@sonde/trust/ca";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type HttpReceiver,
  issueForLocalhost,
  startHttpReceiver,
} from "../testing/sink-receivers.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Hubs as processes, with sinks. A hub of root's runs as nobody.
const NOBODY = 65_534;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
let folder: string;
let own: KeyedCertificate & { ca: string };
let receiver: HttpReceiver;
let hub: TestHub;
const at = (name: string) => join(folder, name);

/** A file of the user that runs the hub. */
function write(name: string, text: string, mode = 0o600): string {
  writeFileSync(at(name), text);
  if (process.getuid?.() === 0) chownSync(at(name), NOBODY, NOBODY);
  chmodSync(at(name), mode);
  return at(name);
}

beforeAll(async () => {
  own = await issueForLocalhost();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-hub-sinks-"));
  if (process.getuid?.() === 0) chownSync(folder, NOBODY, NOBODY);
  write("ca.pem", own.ca);
  write("key", SECRET);
  receiver = await startHttpReceiver(own);
});
afterEach(async () => {
  await hub.close();
  await receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

const webhook = (more: object = {}) => ({
  ...{ name: "hook", kind: "webhook", from: "start", url: `https://localhost:${receiver.port}/` },
  ...{ keyPath: at("key"), caPath: at("ca.pem"), ...more },
});
const file = () => ({ name: "disk", kind: "file", from: "start", path: at("audit.jsonl") });
const start = async (...auditSinks: object[]) => {
  hub = await startHub(undefined, undefined, { config: { auditSinks } });
};

const entriesOf = ({ body }: { body: string }) =>
  (JSON.parse(body) as { data: { entries: AuditEntry[] } }).data.entries;
const seqs = () => receiver.requests.flatMap(entriesOf).map(({ seq }) => seq);
const upTo = (end: number) => Array.from({ length: end }, (_, index) => index + 1);
const linesOf = (name: string) =>
  readFileSync(at(name), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditEntry);
/** Each makes an entry. */
const makeEntries = async (count: number) => {
  for (let index = 0; index < count; index++) {
    expect(
      (await hub.ask("POST", "/agents/web-1/tags", { set: [`n=v${index}`], remove: [] })).code,
    ).toBe(200);
  }
};
const headOf = async () => {
  const { answer } = await hub.ask("GET", "/health");
  return (answer["audit"] as { size: number }).size;
};
const sinksOf = async () => (await hub.ask("GET", "/audit/sinks")).answer["sinks"];

test("what a hub records arrives at each sink, and route, health and metrics say how far", async () => {
  await start(webhook(), file());
  await makeEntries(5);
  const head = await headOf();
  await expect.poll(seqs).toEqual(upTo(head));
  await expect.poll(() => linesOf("audit.jsonl").map(({ seq }) => seq)).toEqual(upTo(head));
  for (const { headers, body } of receiver.requests) {
    new Webhook(SECRET).verify(body, headers as Record<string, string>);
  }
  const well = { seq: head, lagEntries: 0, lagSeconds: 0, failingSince: null, lastError: null };
  const states = [
    { name: "hook", kind: "webhook", ...well, failures: 0, rejected: 0 },
    { name: "disk", kind: "file", ...well, failures: 0, rejected: 0 },
  ];
  await expect.poll(sinksOf).toEqual(states);
  expect((await hub.ask("GET", "/health")).answer["sinks"]).toEqual(states);
  const scraped = await fetch(`http://127.0.0.1:${hub.ready.http}/metrics`, {
    headers: { authorization: `Bearer ${hub.operatorKey}` },
  });
  const metrics = await scraped.text();
  expect(metrics).toContain('\nsonde_audit_sink_lag_entries{sink="hook"} 0\n');
  expect(metrics).toContain('\nsonde_audit_sink_failing{sink="disk"} 0\n');
  expect(metrics).toContain('\nsonde_audit_sink_failures_total{sink="hook"} 0\n');
});

test("a sink that fails says so, to who may read the log and to nobody else", async () => {
  receiver.answer = (_request, response) => void response.writeHead(500).end();
  await start(webhook());
  await makeEntries(1);
  await expect.poll(sinksOf).toMatchObject([
    {
      ...{ name: "hook", seq: 0, lastError: { code: "SINK_REFUSED" } },
      failingSince: expect.stringMatching(/Z$/) as string,
    },
  ]);
  const { answer } = await hub.ask("GET", "/health");
  const [state] = answer["sinks"] as { lagEntries: number; lagSeconds: number; failures: number }[];
  expect(state?.lagEntries).toBeGreaterThan(0);
  expect(state?.lagSeconds).toBeGreaterThan(0);
  expect(state?.failures).toBeGreaterThan(0);
  const client = await hub.addKey();
  expect((await hub.ask("GET", "/audit/sinks", undefined, client.key)).code).toBe("FORBIDDEN");
});

test("attack 61: a hub that is killed between sending and acknowledgement loses nothing and sends one batch twice", async () => {
  let isHeld = false;
  receiver.answer = (_request, response) => {
    if (!isHeld) response.writeHead(204).end();
  };
  await start(webhook());
  await makeEntries(3);
  const head = await headOf();
  await expect.poll(seqs).toEqual(upTo(head));
  const before = receiver.requests.length;
  isHeld = true;
  await makeEntries(4);
  await expect.poll(() => receiver.requests.length).toBe(before + 1);
  await makeEntries(2);
  await hub.restart(() => void (isHeld = false), "SIGKILL");
  await makeEntries(1);
  const end = await headOf();
  await expect.poll(() => seqs().at(-1), { timeout: 20_000 }).toBe(end);
  const [inVain, again] = receiver.requests.slice(before);
  expect(again?.headers["webhook-id"]).toBe(inVain?.headers["webhook-id"]);
  expect(again?.body).toBe(inVain?.body);
  // Without the batch that came twice, each entry is there once and in its order.
  const once = receiver.requests.toSpliced(before, 1).flatMap(entriesOf);
  expect(once.map(({ seq }) => seq)).toEqual(upTo(end));
}, 60_000);

test("attack 60: of two hubs one sends, and the other goes on when it is killed", async () => {
  await start(webhook());
  const second = await hub.startSecond();
  const key = hub.operatorKey;
  const tagBySecond = async (tag: string) => {
    const answer = await fetch(`http://127.0.0.1:${second}/api/v1/agents/web-1/tags`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ set: [tag], remove: [] }),
    });
    expect(answer.status).toBe(200);
  };
  for (let round = 0; round < 10; round++) {
    await makeEntries(1);
    await tagBySecond(`second=v${round}`);
  }
  const head = await headOf();
  await expect.poll(seqs).toEqual(upTo(head));
  await hub.restart(async () => {
    await tagBySecond("alone=yes");
    // A hub counts as gone when it was not seen for 20 seconds.
    await expect
      .poll(() => receiver.requests.flatMap(entriesOf).map(({ record }) => record.detail), {
        ...{ timeout: 40_000, interval: 200 },
      })
      .toContainEqual(
        expect.objectContaining({ tags: expect.arrayContaining(["alone=yes"]) as string[] }),
      );
  }, "SIGKILL");
  await makeEntries(1);
  const end = await headOf();
  await expect.poll(() => seqs().at(-1)).toBe(end);
  expect(seqs()).toEqual(upTo(end));
}, 90_000);

test("attack 40: a receiver that hangs slows neither what is asked nor another sink", async () => {
  const time = async () => {
    const before = performance.now();
    await makeEntries(40);
    return performance.now() - before;
  };
  await start(file());
  await time();
  const alone = await time();
  receiver.answer = () => undefined;
  await hub.restart(() => {
    const config = JSON.parse(readFileSync(hub.configPath, "utf8")) as object;
    writeFileSync(hub.configPath, JSON.stringify({ ...config, auditSinks: [webhook(), file()] }));
  });
  await time();
  const beside = await time();
  const head = await headOf();
  await expect.poll(() => linesOf("audit.jsonl").map(({ seq }) => seq)).toEqual(upTo(head));
  expect(receiver.requests.length).toBeGreaterThan(0);
  expect(await sinksOf()).toMatchObject([
    { name: "hook", seq: 0 },
    { name: "disk", lagEntries: 0 },
  ]);
  // The machine is shared, so only a delay that a hanging receiver would cause counts.
  expect(beside).toBeLessThan(alone * 3 + 2_000);
}, 60_000);

test("sinks change while the hub runs, and one that cannot work changes nothing", async () => {
  await start(file());
  await makeEntries(1);
  await expect.poll(() => linesOf("audit.jsonl").length).toBeGreaterThan(0);
  expect(await hub.reload({ auditSinks: [file(), webhook()] })).toContain("taken over: auditSinks");
  await makeEntries(1);
  const head = await headOf();
  await expect.poll(seqs).toEqual(upTo(head));
  write("open-key", SECRET, 0o640);
  write("bad-key", "hunter2");
  const { url: _url, ...withoutUrl } = webhook();
  const refused: [object[], string][] = [
    [[{ ...file(), kind: "kafka" }], "auditSinks"],
    [[webhook({ url: "http://hub.example/" })], "auditSinks"],
    [[withoutUrl], "auditSinks"],
    [[file(), { ...file(), path: at("b") }], "expected a name of its own"],
    [[file(), { ...file(), name: "b" }], "expected a file of its own"],
    [[webhook({ keyPath: at("none") })], "expected a webhook key at"],
    [[webhook({ keyPath: at("open-key") })], "chmod 600"],
    [[webhook({ keyPath: at("bad-key") })], "expected 1 to 3 lines"],
    [[webhook({ caPath: at("none") })], "expected a certificate of an authority at"],
    [[webhook({ caPath: at("bad-key") })], "expected certificates in PEM"],
    [
      [{ ...file(), path: "/nonexistent/audit.jsonl" }],
      "expected a folder that this user can write",
    ],
    [[{ ...file(), path: "audit.jsonl" }], "auditSinks"],
  ];
  for (const [auditSinks, why] of refused) {
    const said = await hub.reload({ auditSinks });
    expect(said).toContain("configuration not reloaded, nothing was changed: CONFIG_INVALID: ");
    expect(said).toContain(why);
    expect(said).not.toContain("hunter2");
  }
  await makeEntries(1);
  const later = await headOf();
  await expect.poll(seqs).toEqual(upTo(later));
  // A sink that is gone sends nothing, and goes on later where it was.
  await hub.reload({ auditSinks: [file()] });
  await makeEntries(2);
  await expect.poll(() => linesOf("audit.jsonl").length).toBe(await headOf());
  expect(seqs()).toEqual(upTo(later));
  await hub.reload({ auditSinks: [file(), webhook()] });
  const end = await headOf();
  await expect.poll(seqs).toEqual(upTo(end));
}, 60_000);

test("a hub whose sink cannot work does not start, and says why", async () => {
  await start(file());
  const restarted = hub.restart(() => {
    const config = JSON.parse(readFileSync(hub.configPath, "utf8")) as object;
    const auditSinks = [webhook({ keyPath: at("none") })];
    writeFileSync(hub.configPath, JSON.stringify({ ...config, auditSinks }));
  });
  const message = `auditSinks, hook: expected a webhook key at ${at("none")}, cannot read it`;
  await expect(restarted).rejects.toThrow(`"code":"CONFIG_INVALID","message":"${message}"`);
});
