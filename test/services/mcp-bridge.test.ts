import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { buildHello } from "@sonde/schemas/testing";
import { CANCEL, encodeBody, OWN_PROTOCOL } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";

// `sonde mcp` beside a client, and a hub on another machine that has a certificate of its own CA.

const program = resolve(import.meta.dirname, "../../cli/src/sonde.ts");
let hub: TestHub;
let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  const listener = { publicHosts: ["localhost"], public: { host: "127.0.0.1", port: 0 } };
  const views = { findings: "<!doctype html>" };
  hub = await startHub(undefined, listener, { names: ["localhost"], views });
  folder = mkdtempSync(join(tmpdir(), "sonde-bridge-"));
  writeFileSync(at("ca.pem"), hub.ca);
});
afterAll(async () => {
  await hub?.close();
  rmSync(folder, { recursive: true });
});

const keepKey = (key: string) => writeFileSync(at("key"), `${key}\n`, { mode: 0o600 });

type Reply = { id: number; result?: { tools?: object[] }; error?: { message: string } };

/** Starts the program, which ends with the test. It is asked one question after another. */
function startBridge(...more: string[]) {
  const url = `https://localhost:${hub.ready.public}/mcp`;
  const words = ["mcp", "--url", url, "--key-file", at("key"), ...more];
  const child = spawn(process.execPath, ["--conditions=sonde:source", program, ...words], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  onTestFinished(async () => {
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  let id = 0;
  const say = (message: object) =>
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  return {
    say,
    ask: async (method: string, params?: object): Promise<Reply> => {
      id += 1;
      say({ id, method, ...(params !== undefined && { params }) });
      return JSON.parse((await lines.next()).value ?? "{}") as Reply;
    },
  };
}

test("a hub elsewhere is asked only when its certificate comes from the CA that is named", async () => {
  keepKey(hub.operatorKey);
  const known = startBridge("--ca", at("ca.pem"));
  expect(await known.ask("ping")).toMatchObject({ id: 1, result: {} });
  expect((await known.ask("tools/list")).result?.tools?.length).toBeGreaterThan(0);
  const unknown = startBridge();
  expect((await unknown.ask("ping")).error?.message).toMatch(
    /the hub at https:\/\/localhost:\d+ .*cannot be reached \((SELF_SIGNED|UNABLE_TO)_\w+\)/,
  );
});

test("a client beside it that announces pictures in its handshake is told of them", async () => {
  keepKey(hub.operatorKey);
  const type = "text/html;profile=mcp-app";
  const told = async (extensions: object) => {
    const { ask, say } = startBridge("--ca", at("ca.pem"));
    const clientInfo = { name: "older", version: "1" };
    const capabilities = { extensions };
    await ask("initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo });
    say({ method: "notifications/initialized" });
    return JSON.stringify(await ask("tools/list")).includes("ui://sonde/findings");
  };
  expect(await told({ "io.modelcontextprotocol/ui": { mimeTypes: [type] } })).toBe(true);
  expect(await told({})).toBe(false);
});

test("a key that was replaced in its file is used from the next request", async () => {
  const { key, id } = await hub.addKey({ role: "client", agents: "*", probes: "*" });
  keepKey(key);
  const { ask } = startBridge("--ca", at("ca.pem"));
  expect(await ask("ping")).toMatchObject({ id: 1, result: {} });
  expect((await hub.ask("DELETE", `/api-keys/${id}`)).code).toBe(200);
  expect((await ask("ping")).error?.message).toContain("status 401");
  keepKey(hub.operatorKey);
  expect(await ask("ping")).toMatchObject({ id: 3, result: {} });
});

test("what the client cancels ends at the agent and gets no answer; the next question does", async () => {
  keepKey(hub.operatorKey);
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  const { socket, channel } = await hub.connect();
  onTestFinished(() => socket.terminate());
  const heard: string[] = [];
  socket.on("message", (frame: Buffer) => heard.push(channel.open(frame).header.type));
  const { name, version } = { name: "acme/hello", version: "1.0.0" };
  const pack = { ...{ name, version, digest: hub.digest, state: "active", probes: ["greet"] } };
  const packs = [{ ...pack, signer: null, approved: null, reason: null }];
  const protocol = { ...OWN_PROTOCOL, features: [CANCEL] };
  const hello = encodeBody({ ...buildHello({ packs }), protocol });
  socket.send(channel.seal({ type: "hello", body: hello }));

  const { ask, say } = startBridge("--ca", at("ca.pem"));
  const tool = "acme__hello_greet";
  const listsIt = async () => JSON.stringify(await ask("tools/list")).includes(tool);
  await expect.poll(listsIt, { timeout: 15_000 }).toBe(true);
  const params = { name: tool, arguments: { agent: "web-1" } };
  say({ id: "slow", method: "tools/call", params });
  await expect.poll(() => heard).toContain("call");
  say({ method: "notifications/cancelled", params: { requestId: "slow" } });
  await expect.poll(() => heard).toContain("cancel");
  expect(await ask("ping")).toMatchObject({ result: {} });
});
