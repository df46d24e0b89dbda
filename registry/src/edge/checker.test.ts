import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type CheckedPack } from "@sonde/schemas/trust";
import { archiveDigest } from "@sonde/trust/archive";
import {
  buildAdmitProgram,
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  signSample,
} from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Checker, createChecker } from "./checker.ts";

// Real processes. The hostile ones act as an admit program that an archive has taken over.

const root = mkdtempSync(join(tmpdir(), "sonde-checker-"));
const folder = join(root, "uploads");
const programs = join(root, "programs");
const admitPath = join(programs, "admit.cjs");
const hostilePath = join(programs, "hostile.cjs");
const behaviour = join(programs, "behaviour.cjs");
const key = createSampleKey();
const archive = buildSampleArchive();
const policy = buildSamplePolicy({ acme: [key] });
const request = {
  archive: { path: join(folder, "archive"), digest: archiveDigest(archive) },
  bundle: join(folder, "bundle"),
  policy: { publishers: policy.publishers, allowUnsignedPacks: false },
};
const MB = 1024 * 1024;
const limits = { deadlineMs: 15_000, maxLineBytes: MB, maxMemoryBytes: 384 * MB };
let checker: Checker;

beforeAll(async () => {
  for (const path of [folder, programs]) mkdirSync(path);
  writeFileSync(request.archive.path, archive);
  writeFileSync(request.bundle, signSample(archive, key));
  await buildAdmitProgram(admitPath);
  // Runs the test's behaviour first, and then the admit program.
  writeFileSync(hostilePath, `require("./behaviour.cjs"); require("./admit.cjs");`);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  checker = createChecker(hostilePath, folder, limits);
  behave("");
});
afterEach(() => checker.close());

const behave = (source: string): void => writeFileSync(behaviour, source);
const codeOf = (checking: Promise<CheckedPack>): Promise<string> =>
  checking.then(
    () => "accepted",
    (thrown: unknown) => (thrown instanceof SondeError ? thrown.code : String(thrown)),
  );
const check = (changes: Partial<typeof request> = {}) =>
  codeOf(checker.checkUpload({ ...request, ...changes }));
/** Returns the admit programs that this test process started. */
const checkers = (): string[] =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8")
    .split(" ")
    .filter((pid) => pid !== "" && commandOf(pid).includes(hostilePath));
const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // The process has ended meanwhile.
    return "";
  }
};

test("one process checks upload after upload, and returns what it verified", async () => {
  const checked = await checker.checkUpload(request);
  expect(checked).toMatchObject({
    digest: request.archive.digest,
    signer: { kind: "rsa-sha256", publisher: "acme" },
    manifest: { name: "acme/hello" },
    readme: "# Hello\n",
  });
  const [pid] = checkers();
  // A refusal is an answer too, so the process stays.
  writeFileSync(join(folder, "unsigned"), "{}");
  expect(await check({ bundle: join(folder, "unsigned") })).toBe("SIGNATURE_INVALID");
  expect(await check()).toBe("accepted");
  expect(checkers()).toEqual([pid]);
  expect(await Promise.all([check(), check()])).toEqual(["accepted", "accepted"]);
  expect(checkers().length).toBe(2);
});

test("the process can read uploads only, write nothing and start nothing", async () => {
  const secret = join(root, "log-key.pem");
  writeFileSync(secret, archive);
  expect(await check({ archive: { ...request.archive, path: secret } })).toBe("ARCHIVE_INVALID");
  checker.close();
  checker = createChecker(hostilePath, folder, limits);
  behave(`
    const tried = (work) => { try { work(); return "done"; } catch (error) { return error.code; } };
    const all = [
      tried(() => require("node:fs").writeFileSync(${JSON.stringify(join(folder, "new"))}, "")),
      tried(() => require("node:fs").readFileSync(${JSON.stringify(secret)})),
      tried(() => require("node:child_process").execFileSync("true")),
      tried(() => new (require("node:worker_threads").Worker)("", { eval: true })),
      Object.keys(process.env).join(),
    ];
    console.log(JSON.stringify({ ok: false, error: { code: "FORBIDDEN", message: all.join(" ") } }));
  `);
  const refused = await checker.checkUpload(request).catch((thrown: unknown) => thrown);
  const denied = Array(4).fill("ERR_ACCESS_DENIED").join(" ");
  expect(refused).toMatchObject({ code: "FORBIDDEN", message: `${denied} ` });
});

/** Lets the admit program give its right answer with some changes. */
const answer = (changes: string): string => `
  const admitted = process.stdout.write;
  process.stdout.write = (line) => {
    const reply = JSON.parse(line);
    Object.assign(reply.checked, ${changes});
    return admitted.call(process.stdout, JSON.stringify(reply) + "\\n");
  };`;
const sleepMs = (ms: number): string =>
  `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms});`;
const OTHER = `"sha256:${"0".repeat(64)}"`;
test.each<[string, string, Partial<typeof limits>]>([
  ["ends", `process.exit(0);`, {}],
  ["is killed", `process.kill(process.pid, "SIGKILL");`, {}],
  // Enough time for the next check, also on a loaded machine.
  ["never answers", `for (;;);`, { deadlineMs: 8000 }],
  ["takes ever more memory", `const all = []; for (;;) all.push(Buffer.alloc(${MB}, 1));`, {}],
  // Without the memory limit this one would go on and give the right answer.
  ["takes too much memory for a while", `Buffer.alloc(${600 * MB}, 1); ${sleepMs(5000)}`, {}],
  ["speaks without end", `for (;;) require("node:fs").writeSync(1, "x".repeat(1e5));`, {}],
  ["answers no JSON", `console.log("yes");`, {}],
  ["answers in another form", `console.log('{"ok":true}');`, {}],
  ["answers for another archive", answer(`{ digest: ${OTHER} }`), {}],
  ["answers without a signer", answer(`{ signer: { kind: "none", publisher: "acme" } }`), {}],
  [
    "answers with a signer whom nobody trusts",
    answer(`{ signer: { kind: "rsa-sha256", publisher: "acme", keyId: ${OTHER} } }`),
    {},
  ],
  ["answers with no manifest", answer(`{ manifest: { name: "acme/hello" } }`), {}],
])("a process that %s costs its upload, and the next is checked", async (_what, source, less) => {
  checker = createChecker(hostilePath, folder, { ...limits, ...less });
  behave(source);
  expect(await check()).toBe("CHECK_FAILED");
  await expect.poll(checkers).toEqual([]);
  behave("");
  expect(await check()).toBe("accepted");
});

test("a process that died while idle costs no upload", async () => {
  expect(await check()).toBe("accepted");
  const [pid = ""] = checkers();
  process.kill(Number(pid), "SIGKILL");
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  expect(await check()).toBe("accepted");
});

test("the processes end with their parent", async () => {
  const owner = `
    import { createChecker } from ${JSON.stringify(join(import.meta.dirname, "checker.ts"))};
    const checker = createChecker(${JSON.stringify(hostilePath)}, ${JSON.stringify(folder)});
    await checker.checkUpload(${JSON.stringify(request)});
    const { readFileSync } = await import("node:fs");
    console.log(readFileSync("/proc/self/task/" + process.pid + "/children", "utf8"));
    process.kill(process.pid, "SIGKILL");`;
  const path = join(root, "owner.mjs");
  writeFileSync(path, owner);
  let out = "";
  try {
    execFileSync(process.execPath, ["--conditions=sonde:source", path], { encoding: "utf8" });
  } catch (thrown) {
    out = (thrown as { stdout: string }).stdout.trim();
  }
  expect(out).toMatch(/^[0-9]+$/);
  await expect.poll(() => commandOf(out)).toBe("");
});
