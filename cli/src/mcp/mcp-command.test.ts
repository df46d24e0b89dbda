import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ensureAccounts } from "../start/system-users.ts";

// What `sonde mcp` refuses before it speaks to anybody. test/end-to-end/clients.test.ts has the rest.

const program = resolve(import.meta.dirname, "../sonde.ts");
const folder = mkdtempSync(join(tmpdir(), "sonde-mcp-"));
const keyFile = join(folder, "key");
writeFileSync(keyFile, "sonde_ak_example\n", { mode: 0o600 });
afterAll(() => rmSync(folder, { recursive: true }));

function refusal(...words: string[]): string {
  const argv = ["--conditions=sonde:source", program, "mcp", ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    ...{ input: "", encoding: "utf8", timeout: 60_000 },
  });
  expect([status, stdout]).toEqual([1, ""]);
  return stderr;
}

test.each([
  "http://hub.example/mcp",
  "http://localhost:4310/mcp",
  "http://10.0.0.1:4310/mcp",
  "ftp://127.0.0.1/mcp",
  "hub",
  "",
])("no key is sent to %s in the clear", (url) => {
  const said = refusal("--url", url, "--key-file", keyFile);
  expect(said).toContain("BAD_REQUEST: expected --url https://HOST:PORT/mcp");
});

test("a hub elsewhere needs a key file", () => {
  expect(refusal("--url", "https://hub.example/mcp")).toContain("expected --key-file");
});

test("a key file that is missing or holds several lines is said, and how to make one", () => {
  const url = ["--url", "https://hub.example/mcp", "--key-file"];
  expect(refusal(...url, join(folder, "none"))).toMatch(
    /expected a client key in \S+none, got no file; .*sonde keys add NAME --key-file FILE/,
  );
  writeFileSync(join(folder, "two"), "one\ntwo\n");
  expect(refusal(...url, join(folder, "two"))).toContain("got something else");
});

test("attack 77: whoever took the port of a hub that is down gets no key", async () => {
  // The hub's user, whom a start makes.
  ensureAccounts();
  const got: (string | undefined)[] = [];
  const other = createServer(({ headers }, response) => {
    got.push(headers.authorization);
    response.end();
  }).listen(0, "0.0.0.0");
  await once(other, "listening");
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}/mcp`;
  const argv = ["--conditions=sonde:source", program, "mcp", "--url", url, "--key-file", keyFile];
  const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stdin.end(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n`);
  await once(child, "close");
  other.close();
  expect(got).toEqual([]);
  expect(JSON.parse(said)).toMatchObject({
    id: 1,
    error: { message: expect.stringContaining("STARTING_FAILED") as string },
  });
});
