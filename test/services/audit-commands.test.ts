import { type ChildProcess, spawn } from "node:child_process";
import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import { parseAuditExportLine } from "@sonde/schemas/audit-search";
import { chainRecord, EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { formatNoteKey } from "@sonde/trust/log";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createAuditStore, openAudit } from "../../hub/src/audit/index.ts";
import { fillOldLog } from "../../hub/src/testing/fill-old-log.ts";
import { makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { workspace } from "../product/start-product.ts";

// `sonde audit list | tail | show | export | verify`: the program as a process, with a hub that runs.
const folder = mkdtempSync("/tmp/sonde-audit-");
const caFile = join(folder, "ca.pem");
const out = join(folder, "log.jsonl");
let hub: TestHub;
const running: ChildProcess[] = [];

beforeAll(async () => {
  hub = await startHub(undefined, {
    publicHosts: ["localhost"],
    public: { host: "127.0.0.1", port: 0 },
  });
  writeFileSync(caFile, hub.ca);
  const url = `https://localhost:${hub.ready.public}`;
  expect((await sonde(["login", "--hub", url, "--ca", caFile], hub.operatorKey)).code).toBe(0);
  await tag("role=web");
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await hub.close();
  rmSync(folder, { recursive: true });
});

function start(words: string[]): ChildProcess {
  const program = join(workspace, "cli/src/sonde.ts");
  const child = spawn(process.execPath, ["--conditions=sonde:source", program, ...words], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_CONFIG_HOME: folder },
  });
  running.push(child);
  return child;
}

async function sonde(words: string[], input = "") {
  const child = start(words);
  const ended = { code: null as number | null, out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (ended.out += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (ended.err += text));
  child.stdin?.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { ...ended, code };
}

/** Appends entries, as another process of the hub. */
async function fillLog(entries: number, filling: string): Promise<void> {
  const { sql, ...database } = await hub.openDatabase();
  const log = await openAudit(createAuditStore(sql, "00000000-0000-4000-8000-000000000001"));
  const fill = () => log.append(buildAuditRecord(new Date(), "log.read", { detail: { filling } }));
  await Promise.all(Array.from({ length: entries }, fill));
  await database.close();
}

const tag = (set: string) => hub.ask("POST", "/agents/web-1/tags", { set: [set], remove: [] });
const toEntries = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditEntry);
const codeOf = (text: string) => (JSON.parse(text) as { error: { code: string } }).error.code;

test("list shows the newest entries that fit, the last one below", async () => {
  const whole = await sonde(["audit", "--last", "5"]);
  expect(whole.out).toMatch(/^SEQ +AT +EVENT +STATUS +WHO +AGENT +WHAT\n/);
  const tagged = await sonde([
    "audit",
    "list",
    "--event",
    "agent.tagged",
    "--agent",
    "web-1",
    "--json",
  ]);
  const entries = toEntries(tagged.out);
  expect(entries.map(({ record }) => [record.event, record.agent])).toEqual([
    ["agent.tagged", "web-1"],
  ]);
  await tag("rack=a1");
  const seqs = toEntries((await sonde(["audit", "list", "--agent", "web-1", "--json"])).out);
  expect(seqs.map(({ seq }) => seq)).toEqual(seqs.map(({ seq }) => seq).toSorted((a, b) => a - b));
  const recent = await sonde(["audit", "list", "--since", "1h", "--text", "RACK=A1", "--json"]);
  expect(toEntries(recent.out).map(({ record }) => record.event)).toContain("agent.tagged");
  expect(toEntries((await sonde(["audit", "list", "--until", "1h", "--json"])).out)).toEqual([]);
});

test("a person is found by name", async () => {
  const ada = await makeOwner(hub);
  await ada.ask("GET", "/agents");
  const found = await sonde(["audit", "list", "--person", "ada", "--json"]);
  const whose = new Set(toEntries(found.out).map(({ record }) => record.principal));
  expect([...whose]).toEqual([`person:${ada.id}`]);
  const nobody = await sonde(["audit", "list", "--person", "bob", "--json"]);
  expect([nobody.code, codeOf(nobody.out)]).toEqual([1, "BAD_REQUEST"]);
  expect(nobody.err).toContain("ada");
});

test.each([
  ["--since", "yesterday"],
  ["--event", "everything"],
  ["--tag", "role=nobody"],
  ["--status", "bad"],
  ["--last", "0"],
])("%s %s is refused in words", async (option, value) => {
  const refused = await sonde(["audit", "list", option, value, "--json"]);
  expect([refused.code, codeOf(refused.out)]).toEqual([1, "BAD_REQUEST"]);
  expect(refused.err).toContain("expected");
});

test("show tells everything of an entry, and both entries of a call", async () => {
  const listed = await sonde(["audit", "list", "--event", "agent.tagged", "--last", "1", "--json"]);
  const [entry] = toEntries(listed.out);
  const shown = await sonde(["audit", "show", String(entry?.seq)]);
  expect(shown.out).toContain(`Entry ${entry?.seq}`);
  expect(shown.out).toMatch(/ {2}hash +sha256:[0-9a-f]{64}/);
  const refused = await hub.ask("POST", "/tools/no_such_tool/call", {});
  const [callId] = (refused.answer["callIds"] ?? []) as string[];
  const call = await sonde(["audit", "show", callId ?? "", "--json"]);
  expect(JSON.parse(call.out)).toMatchObject({
    entries: [{ record: { callId, event: "call.denied", detail: { tool: "no_such_tool" } } }],
  });
  const missing = await sonde(["audit", "show", "99999999", "--json"]);
  expect([missing.code, codeOf(missing.out)]).toEqual([1, "NOT_FOUND"]);
  const other = await sonde(["audit", "show", "all", "--json"]);
  expect(codeOf(other.out)).toBe("BAD_REQUEST");
});

test("tail goes on over a restart of the hub, tells each entry once, and ends with the key", async () => {
  const { id, key } = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  const url = `https://localhost:${hub.ready.public}`;
  const words = ["--hub", url, "--ca", caFile, "--profile", "auditor"];
  await sonde(["login", ...words], key);
  const main = ["--hub", url, "--ca", caFile];
  await sonde(["login", ...main], hub.operatorKey);
  const child = start([
    ...["audit", "tail", "--event", "agent.tagged", "--last", "1"],
    ...["--profile", "auditor", "--json"],
  ]);
  let said = "";
  let told = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (told += text));
  const racks = () => toEntries(said).filter((line) => "record" in line);
  await expect.poll(() => racks().length, { timeout: 10_000 }).toBe(1);
  await tag("rack=one");
  await expect.poll(() => racks().length, { timeout: 10_000 }).toBe(2);
  await hub.restart();
  await tag("rack=two");
  await expect.poll(() => racks().length, { timeout: 20_000 }).toBe(3);
  expect(told).toContain("trying again");
  const seqs = racks().map(({ seq }) => seq);
  expect(new Set(seqs).size).toBe(3);
  await hub.ask("DELETE", `/api-keys/${id}`);
  const [code] = (await once(child, "close")) as [number];
  expect([code, told.includes("UNAUTHENTICATED")]).toEqual([1, true]);
});

test("export writes the whole chain for one user, and replaces the file", async () => {
  writeFileSync(out, "before");
  const done = await sonde(["audit", "export", "--out", out, "--json"]);
  expect(done.code).toBe(0);
  expect(statSync(out).mode & 0o777).toBe(0o600);
  const [proof, ...lines] = readFileSync(out, "utf8").trimEnd().split("\n");
  expect(JSON.parse(proof ?? "")).toMatchObject({ attestation: { hubId: hub.ready.hubId } });
  const entries = lines.slice(0, -1).map((line) => JSON.parse(line) as AuditEntry);
  const end = parseAuditExportLine(JSON.parse(lines.at(-1) ?? ""));
  expect(end).toMatchObject({ complete: true, head: verifyChain(entries, EMPTY_HEAD) });
  expect(JSON.parse(done.out)).toMatchObject({ file: out, entries: entries.length });
  const some = await sonde(["audit", "export", "--event", "agent.tagged", "--out", out]);
  expect(some.out).toMatch(/^[0-9]+ entries are in /);
  expect(readdirSync(folder).filter((name) => name.endsWith(".new"))).toEqual([]);
});

test("an export that breaks off on the way is refused, and the file is as it was", async () => {
  await fillLog(3_000, "x".repeat(1_000));
  // Lets a megabyte of the hub's answer pass.
  const wire = createServer((client) => {
    let passed = 0;
    const target = connect(hub.ready.public, "127.0.0.1");
    client.on("error", () => target.destroy()).pipe(target);
    target.on("error", () => client.destroy());
    target.on("data", (bytes) => {
      client.write(bytes);
      passed += bytes.length;
      if (passed < 1_000_000) return;
      target.destroy();
      client.destroy();
    });
  });
  await once(wire.listen(0, "127.0.0.1"), "listening");
  const url = `https://localhost:${(wire.address() as AddressInfo).port}`;
  const logIn = ["login", "--hub", url, "--ca", caFile, "--profile", "cut"];
  expect((await sonde(logIn, hub.operatorKey)).code).toBe(0);
  writeFileSync(out, "before");
  const ended = await sonde(["audit", "export", "--out", out, "--profile", "cut", "--json"]);
  wire.close();
  expect([ended.code, codeOf(ended.out)]).toEqual([1, "AUDIT_UNAVAILABLE"]);
  expect(readFileSync(out, "utf8")).toBe("before");
  expect(readdirSync(folder).filter((name) => name.endsWith(".new"))).toEqual([]);
});

test("a witness forgets a log after a yes, and names what it had cosigned", async () => {
  const logIn = ["login", "--hub", `https://localhost:${hub.ready.public}`, "--ca", caFile];
  expect((await sonde(logIn, hub.operatorKey)).code).toBe(0);
  const origin = "log.example/one";
  const root = Buffer.alloc(32, 7);
  const { sql, ...database } = await hub.openDatabase();
  await sql`insert into witnessed_logs (origin, size, root) values (${origin}, 12, ${root})`;
  await database.close();
  const forget = ["hub", "witnesses", "forget", origin, "--json"];
  const unsure = await sonde(forget);
  expect([unsure.code, codeOf(unsure.out)]).toEqual([1, "FORBIDDEN"]);
  const sure = await sonde([...forget, "--yes"]);
  expect(sure.code).toBe(0);
  expect(JSON.parse(sure.out)).toEqual({ origin, size: 12, root: root.toString("base64") });
  const again = await sonde([...forget, "--yes"]);
  expect([again.code, codeOf(again.out)]).toEqual([1, "NOT_FOUND"]);
  expect((await sonde(["hub", "witnesses"])).out).toContain("No witness is configured");
});

describe("verify", () => {
  beforeAll(async () => {
    const logIn = ["login", "--hub", `https://localhost:${hub.ready.public}`, "--ca", caFile];
    expect((await sonde(logIn, hub.operatorKey)).code).toBe(0);
    await fillLog(40, "one of those that are cut away");
    expect((await sonde(["audit", "export", "--out", file])).code).toBe(0);
  });
  const file = join(folder, "whole.jsonl");
  const fingerprint = () =>
    createHash("sha256").update(new X509Certificate(hub.ca).raw).digest("hex");
  /** Writes the export with other lines. */
  const rewrite = (change: (lines: string[]) => string[]): string => {
    const path = join(folder, "rewritten.jsonl");
    writeFileSync(path, `${change(readFileSync(file, "utf8").trimEnd().split("\n")).join("\n")}\n`);
    return path;
  };
  const verify = async (...words: string[]) => {
    const { code, out: text } = await sonde(["audit", "verify", ...words, "--json"]);
    return { ...(JSON.parse(text) as { bad?: object }), code };
  };

  test("the hub's log is signed to its last entry but those of the question", async () => {
    const words = await sonde(["audit", "verify", "--fingerprint", fingerprint()]);
    expect([words.code, words.err]).toEqual([0, ""]);
    expect(words.out).toMatch(/^Entries 1 to [0-9]+ follow one another/);
    expect(words.out).toMatch(/signed entries 1 to [0-9]+ at /);
    // The reading of the log is an entry too.
    expect(words.out).toContain("Unattested tail of 1:");
    expect(words.out).toContain("The hub's CA is the one that was named");
    const other = await sonde(["audit", "verify", "--fingerprint", "0".repeat(64), "--json"]);
    expect([other.code, codeOf(other.out)]).toEqual([1, "HUB_UNTRUSTED"]);
  });

  test("a witness that is named must have cosigned the log", async () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const vkey = formatNoteKey({ name: "witness.example/w1", publicKey }, "cosignature");
    const words = await sonde(["audit", "verify", "--witness", vkey]);
    expect(words.code).toBe(1);
    expect(words.out).toContain("Witness witness.example/w1: nothing here is cosigned by its key.");
    const none = await sonde(["audit", "verify", "--witness", "w1", "--json"]);
    expect([none.code, codeOf(none.out)]).toEqual([1, "BAD_REQUEST"]);
  });

  test("an export is verified without the hub", async () => {
    const child = await verify(file, "--profile", "nobody");
    expect(child).toMatchObject({
      code: 0,
      bad: null,
      unattested: 1,
      authority: { pinned: false },
    });
  });

  // Attack 59.
  test("an export in which an entry was edited, or whose end was cut, names the first bad entry", async () => {
    const edited = rewrite((lines) =>
      lines.map((line) => (line.startsWith('{"seq":3,') ? line.replace("info", "failure") : line)),
    );
    expect(await verify(edited)).toMatchObject({ code: 1, bad: { seq: 3 } });
    const cut = rewrite((lines) => lines.toSpliced(-30, 20));
    expect(await verify(cut)).toMatchObject({ code: 1, bad: { seq: expect.any(Number) } });
    const shorter = rewrite((lines) => lines.toSpliced(-21, 20));
    expect((await verify(shorter)).bad).toMatchObject({
      proves: expect.stringMatching(/newer ones were removed/),
    });
    const torn = rewrite((lines) => lines.slice(0, -1));
    expect(await verify(torn)).toMatchObject({ code: 1, error: { code: "AUDIT_UNAVAILABLE" } });
    const bare = rewrite((lines) => lines.slice(1));
    expect(await verify(bare)).toMatchObject({ code: 1, error: { code: "AUDIT_UNAVAILABLE" } });
  });

  test("the log of an agent is compared, and a call that only it has is named", async () => {
    const callId = "0f3c2a1b-0f3c-4a1b-8f3c-0f3c2a1b0f3c";
    const record = buildAuditRecord(new Date(), "call.request", { callId, agent: "web-1" });
    const own = join(folder, "agent.jsonl");
    writeFileSync(own, `${JSON.stringify(chainRecord(EMPTY_HEAD, record))}\n`);
    const found = await verify(file, "--agent-log", `web-1=${own}`);
    expect(found).toMatchObject({
      code: 1,
      differences: [{ agent: "web-1", callId, hubSeq: null, agentSeq: 1 }],
    });
    expect(await verify(file, "--agent-log", "web-1")).toMatchObject({
      ...{ code: 1, error: { code: "BAD_REQUEST" } },
    });
  });
});

describe("a log of which content was dropped", () => {
  const START = new Date("2026-01-02T00:00:00.000Z");
  const file = join(folder, "dropped.jsonl");
  let old: TestHub;

  beforeAll(async () => {
    old = await startHub(({ sql }) => fillOldLog(sql, 1, START), {
      publicHosts: ["localhost"],
      public: { host: "127.0.0.1", port: 0 },
    });
    // The limits come after the checkpoint, so the hub's first look at them finds the content signed.
    await old.ask("POST", "/audit/checkpoints");
    await old.reload({ audit: { retention: { maxDays: 30 } } });
    const { sql, ...database } = await old.openDatabase();
    const wasDropped = async () => (await sql`select 1 from audit_dropped`).length === 1;
    await vi.waitUntil(wasDropped, { timeout: 60_000 });
    await database.close();
    const logIn = ["login", "--hub", `https://localhost:${old.ready.public}`, "--profile", "old"];
    writeFileSync(join(folder, "old.pem"), old.ca);
    const known = [...logIn, "--ca", join(folder, "old.pem")];
    expect((await sonde(known, old.operatorKey)).code).toBe(0);
  });
  afterAll(() => old.close());
  const ask = (...words: string[]) => sonde(["audit", ...words, "--profile", "old"]);

  test("list and show say so in words", async () => {
    const list = await ask("list", "--until", "2026-02-01");
    expect(list.err).toContain("Entries up to 4095, until 2026-01-02T00:06:49.500Z, are not all");
    expect((await ask("list", "--last", "1")).err).toBe("");
    const shown = await ask("show", "7");
    expect(shown.out).toMatch(/^Entry 7: its content was dropped.*\n {2}previous +sha256:/);
    const call = await ask("show", "0f3c2a1b-0f3c-4a1b-8f3c-0f3c2a1b0f3c");
    expect(call.err).toContain("Entries up to 4095");
  });

  test("an export of a part says so in words", async () => {
    const some = join(folder, "some.jsonl");
    expect((await ask("export", "--status", "info", "--out", some)).err).toContain("up to 4095");
  });

  test("verify follows the hashes, and names the entry that speaks for the content", async () => {
    const online = await ask("verify");
    expect([online.code, online.err]).toEqual([0, ""]);
    expect(online.out).toMatch(
      /^4095 of them, up to entry 4095 and until .*: entry [0-9]+ \(log\.dropped\) says/m,
    );
    expect((await ask("export", "--out", file)).code).toBe(0);
    const offline = await sonde(["audit", "verify", file, "--json"]);
    expect(JSON.parse(offline.out)).toMatchObject({ bad: null, dropped: { entries: 4_095 } });
  });

  // Attack 59.
  test("an export from which other content was taken is broken", async () => {
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const forged = lines.map((line) => {
      if (!line.includes('"log.dropped"')) return line;
      const { seq, previous, hash } = JSON.parse(line) as AuditEntry;
      return JSON.stringify({ seq, previous, hash, dropped: true });
    });
    const path = join(folder, "forged.jsonl");
    writeFileSync(path, `${forged.join("\n")}\n`);
    const found = await sonde(["audit", "verify", path]);
    expect([found.code, found.out.split(" at entry")[0]]).toEqual([1, "BROKEN"]);
  });

  test("holds are made, listed and ended", async () => {
    expect((await ask("hold")).out).toContain("Nothing is on hold.");
    const made = await ask("hold", "add", "--reason", "Case 7.", "--agent", "web-1", "--json");
    const { id } = JSON.parse(made.out) as { id: string };
    const listed = await ask("hold", "list");
    expect(listed.out).toMatch(new RegExp(`^${id} .* agent web-1 +Case 7\\.`, "m"));
    expect((await ask("hold", "remove", id)).out).toContain("Nothing is on hold.");
    const again = await ask("hold", "remove", id, "--json");
    expect([again.code, codeOf(again.out)]).toEqual([1, "NOT_FOUND"]);
  });
});
