import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry } from "@sonde/schemas/audit";
import { buildHello } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { startHub } from "../testing/start-hub.ts";

const SOCKET = ".s.PGSQL.5432";

/** Stands between a hub and PostgreSQL, and can lose the answer to one statement. */
async function startProxy(databaseUrl: string) {
  const target = new URL(databaseUrl).searchParams.get("host") ?? "";
  const folder = mkdtempSync(join(tmpdir(), "sonde-proxy-"));
  const sockets = new Set<Socket>();
  let losing: string | null = null;
  const server = createServer((client) => {
    const database = connect(join(target, SOCKET));
    let isLost = false;
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    }
    client.on("data", (chunk: Buffer) => {
      if (losing !== null && chunk.includes(losing)) {
        isLost = true;
        losing = null;
      }
      database.write(chunk);
    });
    // PostgreSQL answers a statement when it is committed.
    database.on("data", (chunk: Buffer) => (isLost ? client.destroy() : client.write(chunk)));
  });
  server.listen(join(folder, SOCKET));
  await once(server, "listening");
  // The hub runs as another user.
  chmodSync(folder, 0o755);
  chmodSync(join(folder, SOCKET), 0o777);
  const url = new URL(databaseUrl);
  url.searchParams.set("host", folder);
  return {
    url: url.href,
    loseAnswerTo: (words: string) => (losing = words),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      rmSync(folder, { recursive: true });
    },
  };
}

test("attack 61: a request whose commit nobody answered is not sent, and ends on record", async () => {
  const hub = await startHub();
  const config = JSON.parse(readFileSync(hub.configPath, "utf8")) as { databaseUrl: string };
  const proxy = await startProxy(config.databaseUrl);
  try {
    await hub.restart(() => {
      writeFileSync(hub.configPath, JSON.stringify({ ...config, databaseUrl: proxy.url }));
    });
    const path = "/agents/web-1/packs/acme/hello";
    expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
    const agent = await hub.connect();
    const sent: string[] = [];
    agent.socket.on("message", (frame: Buffer) => {
      sent.push(agent.channel.open(frame).header.type);
    });
    const { digest } = hub;
    const pack = { name: "acme/hello", version: "1.0.0", digest, state: "active" } as const;
    const report = { ...pack, signer: null, probes: ["greet"], approved: null, reason: null };
    const hello = buildHello({ name: "web-1", packs: [report] });
    agent.socket.send(agent.channel.seal({ type: "hello", body: encodeBody(hello) }));
    await expect.poll(() => sent).toContain("desired-state");

    proxy.loseAnswerTo('"event":"call.request"');
    const { answer } = await hub.ask("POST", "/tools/acme__hello_greet/call", { agent: "web-1" });
    expect(JSON.stringify(answer)).toContain("AUDIT_UNAVAILABLE");
    const readCalls = async () => {
      const { answer: page } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
      return (page["entries"] as AuditEntry[])
        .filter(({ record }) => record.event.startsWith("call."))
        .map(({ record }) => [record.event, record.code]);
    };
    await expect.poll(readCalls).toEqual([
      ["call.request", null],
      ["call.response", "AUDIT_UNAVAILABLE"],
    ]);
    expect(sent).not.toContain("call");
    agent.socket.terminate();
  } finally {
    await hub.close();
    proxy.close();
  }
});
