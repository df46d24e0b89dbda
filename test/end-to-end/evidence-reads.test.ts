import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Evidence } from "@sonde/schemas/evidence";
import { buildSampleArchive } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { askProgram, runProgram } from "../product/run-program.ts";
import { type Product, startProduct, workspace } from "../product/start-product.ts";

// Evidence with what the pack read: a hub and a host that were told to keep it, and a stranger who
// computes the answer again.

let product: Product;
const fileOf = (name: string) => join(product.data, name);

/** As an operator changes a service's file and reloads it. */
function change(service: "hub" | "agent", evidence: object): void {
  const path = join(product.data, "config", `${service}.json`);
  const config = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...config, evidence }));
  process.kill(product.pids[service] ?? 0, "SIGHUP");
}

/** Calls a probe, and exports its evidence to that file. */
async function exportCall(name: string): Promise<Evidence> {
  const data = ["--data", product.data];
  const called = ["call", "system_memory_usage", ...data];
  const { callIds } = await askProgram<{ callIds: string[] }>("sonde", called);
  const out = ["--out", fileOf(name)];
  const { code, err } = await runProgram("sonde", [
    ...["evidence", "export", callIds[0] ?? "", ...out, ...data],
  ]);
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(readFileSync(fileOf(name), "utf8")) as Evidence;
}

/** The program that a stranger has, without a network. */
function verify(...args: string[]) {
  const program = join(workspace, "dist/cli/sonde-evidence.js");
  const line = ["--net", process.execPath, program, ...args];
  return spawnSync("unshare", line, { encoding: "utf8", env: {} });
}

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
  const version = product.packs.find(({ name }) => name === "sonde/system")?.version ?? "";
  const path = `/api/v1/packs/sonde/system/${version}/archive`;
  const answer = await fetch(new URL(path, product.registryUrl));
  writeFileSync(fileOf("system.tgz"), Buffer.from(await answer.arrayBuffer()));
});
afterAll(() => product?.stop());

test("the host has the last word on what it gives, and a hub that may have it is told why it has none", async () => {
  change("hub", { reads: true });
  const { reads, gaps } = await exportCall("without.json");
  expect(reads).toBe(null);
  expect(gaps).toEqual([{ part: "reads", why: expect.stringContaining("evidence.sendReads") }]);
  const { code, out } = await runProgram("sonde", [
    ...["evidence", "verify", fileOf("without.json"), "--pack", fileOf("system.tgz")],
  ]);
  expect([code, out]).toEqual([1, expect.stringMatching(/^MISSING recomputed: /m)]);
});

test("the answer is computed again in the isolate, without a network, and only with its own pack", async () => {
  change("hub", { reads: true });
  change("agent", { sendReads: true });
  await vi.waitFor(async () => expect((await exportCall("kept.json")).gaps).toEqual([]), 60_000);
  const kept = fileOf("kept.json");
  expect(verify(kept).stdout).toContain("--pack ARCHIVE computes the answer again");
  const { status, stdout, stderr } = verify(kept, "--pack", fileOf("system.tgz"));
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(
    /^PROVEN {2}recomputed: this program: with these reads and parameters the pack gives this answer/m,
  );
  const { findings } = JSON.parse(
    verify(kept, "--pack", fileOf("system.tgz"), "--json").stdout,
  ) as { findings: object[] };
  expect(findings.at(-1)).toMatchObject({ about: "recomputed", state: "proven" });

  writeFileSync(fileOf("other.tgz"), buildSampleArchive());
  const other = verify(kept, "--pack", fileOf("other.tgz"));
  const { digest } = product.packs.find(({ name }) => name === "sonde/system") ?? {};
  expect([other.status, other.stderr]).toEqual([
    1,
    expect.stringContaining(`DIGEST_MISMATCH: expected the archive ${digest ?? ""}`),
  ]);
  expect(verify(kept, "--pack", fileOf("none.tgz"))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("BAD_REQUEST"),
  });
}, 120_000);
