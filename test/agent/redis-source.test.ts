import { once } from "node:events";
import { chmodSync } from "node:fs";
import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { REDIS_COMMANDS, type RedisSource } from "@sonde/schemas/manifest";
import type { RedisData, RunnerOutcome } from "@sonde/schemas/reads";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";
import { type TestRedis, startRedis } from "./start-redis.ts";

// What a real runner gets from a real Redis, and from servers that only seem to be one.

const isChecked = isCheckedHere("sources of kind redis", { "redis-server": "redis-server" });

let bench: TestBench;
let redis: TestRedis;
beforeAll(async () => {
  if (!isChecked) return;
  redis = await startRedis({ settings: ["--slowlog-log-slower-than", "0"] });
  bench = await createTestBench();
  // As on an installed host.
  bench.startRunner({}, { SONDE_RUNNER_REACH: "loopback" });
  await until("the runner", () => bench.link.runners().length === 1);
}, 60_000);
afterAll(async () => {
  await bench?.close();
  await redis?.close();
});

let servers: Server[] = [];
const connections = new Set<Socket>();
afterEach(async () => {
  for (const connection of connections) connection.destroy();
  for (const server of servers) server.close();
  servers = [];
});

async function ask(command: string, more: Partial<RedisSource> = {}): Promise<RunnerOutcome> {
  const way = "endpoint" in more || "socket" in more ? {} : { socket: redis.socket };
  const source: RedisSource = {
    ...{ kind: "redis", command, timeoutMs: 8000, maxBytes: 1_048_576, ...way, ...more },
    ...(command === "SLOWLOG GET" && { newest: 100 }),
  };
  const { reads } = await bench.link.read([{ name: "it", source, values: {} }], 10_000, [], true);
  return reads["it"] as RunnerOutcome;
}

function lookOf(outcome: RunnerOutcome): RedisData & { truncated: boolean } {
  const sample = outcome.ok ? outcome.samples[0] : undefined;
  if (sample === undefined || !("reply" in sample.data)) throw new Error(JSON.stringify(outcome));
  return { ...sample.data, truncated: sample.truncated };
}
const replyOf = (outcome: RunnerOutcome): RedisData["reply"] => lookOf(outcome).reply;
const codeOf = (outcome: RunnerOutcome): string => (outcome.ok ? "ok" : outcome.failure.code);
const messageOf = (outcome: RunnerOutcome): string => (outcome.ok ? "" : outcome.failure.message);
/** What a person types in redis-cli, as the failure says. */
const typed = (outcome: RunnerOutcome): string[] =>
  (/: (ACL SETUSER .*)$/.exec(messageOf(outcome))?.[1] ?? "").split(" ");

test.runIf(isChecked)("each command is answered, over the socket and the port", async () => {
  await redis.cli("SET", "a", "b");
  for (const command of REDIS_COMMANDS) {
    const outcome = await ask(command);
    expect(codeOf(outcome), `${command}: ${messageOf(outcome)}`).toBe("ok");
  }
  const overPort = { endpoint: `127.0.0.1:${redis.port}` };
  expect(replyOf(await ask("DBSIZE", overPort))).toBe(1);
  expect(replyOf(await ask("ROLE", overPort))).toEqual(await redis.json("ROLE"));
  for (const setting of ["save", "maxclients", "slowlog-log-slower-than"]) {
    const told = replyOf(await ask(`CONFIG GET ${setting}`));
    expect(Object.fromEntries([told as [string, string]])).toEqual(
      await redis.json("CONFIG", "GET", setting),
    );
  }
  const info = String(replyOf(await ask("INFO server", overPort)));
  const known = await redis.cli("INFO", "server");
  const runId = /run_id:(\w+)/;
  expect(runId.exec(info)?.[1]).toBe(runId.exec(known)?.[1]);
});

// Attack 52.
test.runIf(isChecked)(
  "the list has no command that writes, waits, subscribes or has a key",
  async () => {
    type Known = [name: string, arity: number, flags: string[], first: number];
    const names = REDIS_COMMANDS.map((command) => {
      const [name = "", part] = command.toLowerCase().split(" ");
      return name === "info" || part === undefined ? name : `${name}|${part}`;
    });
    const known = (await redis.json("COMMAND", "INFO", ...new Set(names))) as Known[];
    expect(known.map(([name]) => name).toSorted()).toEqual([...new Set(names)].toSorted());
    for (const [name, , flags, first] of known) {
      for (const flag of ["write", "blocking", "pubsub", "movablekeys", "denyoom"]) {
        expect(flags, name).not.toContain(flag);
      }
      expect(first, name).toBe(0);
    }
  },
);

test.runIf(isChecked)("one command is sent and nothing else, and the connection ends", async () => {
  let sent = "";
  const { endpoint, ended } = await startServer((socket, chunk) => {
    sent += chunk;
    if (sent.endsWith("memory\r\n")) socket.write("$2\r\nok\r\n");
  });
  expect(replyOf(await ask("INFO memory", { endpoint }))).toBe("ok");
  await ended();
  expect(sent).toBe("*2\r\n$4\r\nINFO\r\n$6\r\nmemory\r\n");
});

// Attack 50.
test.runIf(isChecked)("a runner that is told another command does not send it", async () => {
  await redis.cli("SET", "kept", "1");
  for (const command of ["FLUSHALL", "GET kept", "CONFIG GET requirepass"]) {
    const outcome = await ask(command).catch((error: { code?: string }) => error.code);
    expect(typeof outcome === "object" ? codeOf(outcome) : outcome, command).not.toBe("ok");
  }
  expect(await redis.cli("GET", "kept")).toBe("1");
  await until("the runner", () => bench.link.runners().length === 1);
});

// Attack 53.
test.runIf(isChecked)("the slow log has names and sizes, and no key or value", async () => {
  await redis.cli("SLOWLOG", "RESET");
  await redis.cli("SET", "key-of-somebody", "value-of-somebody".repeat(20));
  await redis.cli("CONFIG", "SET", "timeout", "0");
  const reply = replyOf(await ask("SLOWLOG GET")) as unknown[][];
  expect(JSON.stringify(reply)).not.toContain("of-somebody");
  const known = (await redis.json("SLOWLOG", "GET", "100")) as [number, number, number, string[]][];
  const shown = reply.map(([id, at, micros, given]) => ({ id, at, micros, given }));
  for (const { id, at, micros } of shown) {
    expect(known).toContainEqual(expect.arrayContaining([id, at, micros]));
  }
  expect(shown.map(({ given }) => given)).toEqual([
    ["CONFIG SET", 2, 8, 7],
    ["SET", 2, 355, 340],
    ["SLOWLOG RESET", 0, 0, 0],
  ]);
});

test.runIf(isChecked)(
  "bytes of the slow log that are no text are counted as they are",
  async () => {
    const log =
      "*1\r\n*4\r\n:1\r\n:2\r\n:3\r\n*2\r\n$3\r\nGET\r\n$4\r\n\u00c3\u00bc\u00ff\u0000\r\n";
    const { endpoint } = await startServer((socket) => void socket.write(log, "latin1"));
    expect(replyOf(await ask("SLOWLOG GET", { endpoint }))).toEqual([[1, 2, 3, ["GET", 1, 4, 4]]]);
  },
);

test.runIf(isChecked)("a text is cut at the cap and says so", async () => {
  const cut = lookOf(await ask("INFO", { maxBytes: 300 }));
  expect(cut.truncated).toBe(true);
  expect(String(cut.reply)).toHaveLength(300);
  const few = lookOf(await ask("MEMORY STATS", { maxBytes: 200 }));
  expect(few.truncated).toBe(true);
  const whole = replyOf(await ask("MEMORY STATS")) as unknown[];
  const kept = few.reply as unknown[];
  expect(kept.length).toBeGreaterThan(2);
  expect(kept.length).toBeLessThan(whole.length);
});

test.runIf(isChecked)(
  "a server with a password is refused, with what lets the runner look",
  async () => {
    await redis.cli("CONFIG", "SET", "requirepass", "hunter2");
    await redis.cli("-a", "hunter2", "ACL", "SETUSER", "boss", "on", ">x", "+@all", "~*");
    const as = ["--user", "boss", "-a", "x"];
    const refused = await ask("SLOWLOG LEN");
    expect(codeOf(refused)).toBe("PERMISSION_NEEDED");
    expect(messageOf(refused)).not.toContain("hunter2");
    expect(typed(refused).slice(0, 3)).toEqual(["ACL", "SETUSER", "default"]);
    expect(await redis.cli(...as, ...typed(refused))).toBe("OK");
    expect(codeOf(await ask("SLOWLOG LEN"))).toBe("ok");
    // The user that needs no password can now do that and no more.
    expect(await redis.cli("GET", "kept")).toContain("NOPERM");
    for (const command of REDIS_COMMANDS) {
      const denied = await ask(command);
      if (denied.ok) continue;
      expect(codeOf(denied), messageOf(denied)).toBe("PERMISSION_NEEDED");
      expect(await redis.cli(...as, ...typed(denied))).toBe("OK");
      expect(codeOf(await ask(command)), command).toBe("ok");
    }
    expect(await redis.cli("CONFIG", "SET", "timeout", "0")).toContain("NOPERM");
    const undo = ["ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all"];
    await redis.cli(...as, ...undo);
    expect(await redis.cli("ACL", "DELUSER", "boss")).toBe("1");
  },
);

test.runIf(isChecked)(
  "a command that a server lacks, and one that is full, are said as such",
  async () => {
    const other = await startRedis({
      settings: ["--rename-command", "SLOWLOG", "", "--maxclients", "1"],
    });
    try {
      const there = { socket: other.socket };
      const lacking = await ask("SLOWLOG LEN", there);
      expect(codeOf(lacking)).toBe("SOURCE_NOT_FOUND");
      expect(messageOf(lacking)).toContain("this server has no SLOWLOG LEN");
      const waiting = other.begin("BLPOP", "none", "0");
      await once(waiting, "spawn");
      await until("the client", async () => codeOf(await ask("DBSIZE", there)) !== "ok");
      expect(messageOf(await ask("DBSIZE", there))).toMatch(/max number of clients|\(maxclients\)/);
    } finally {
      await other.close();
    }
  },
);

test.runIf(isChecked)("a server that runs a script for too long is said to be busy", async () => {
  await redis.cli("CONFIG", "SET", "busy-reply-threshold", "1");
  redis.begin("EVAL", "while true do end", "0");
  await until("the script", async () => !(await ask("DBSIZE")).ok);
  const busy = await ask("DBSIZE");
  expect(codeOf(busy)).toBe("READ_FAILED");
  expect(messageOf(busy)).toContain("BUSY");
  await redis.cli("SCRIPT", "KILL");
  await until("its end", async () => (await ask("DBSIZE")).ok);
});

test.runIf(isChecked)("a server that is not there, and a socket that may not be used", async () => {
  const socket = join(bench.workshop.folder, "none.sock");
  expect(codeOf(await ask("ROLE", { socket }))).toBe("SOURCE_NOT_FOUND");
  const { endpoint, close } = await startServer(() => undefined);
  await close();
  const refused = await ask("ROLE", { endpoint });
  expect(codeOf(refused)).toBe("READ_FAILED");
  expect(messageOf(refused)).toBe(`redis://${endpoint}: nobody listens`);
  chmodSync(redis.socket, 0o700);
  expect(codeOf(await ask("ROLE"))).toBe("PERMISSION_NEEDED");
  chmodSync(redis.socket, 0o777);
  expect(codeOf(await ask("ROLE"))).toBe("ok");
});

// Attack 78.
test.runIf(isChecked)("nothing is asked of another host, whoever named it", async () => {
  let isAsked = false;
  const { endpoint } = await startServer(() => void (isAsked = true));
  const [, port] = endpoint.split(":");
  for (const host of ["192.0.2.1", "localhost", "127.0.0.2", "[::ffff:127.0.0.1]"]) {
    expect(codeOf(await ask("ROLE", { endpoint: `${host}:${port}` })), host).toBe(
      "READ_NOT_GRANTED",
    );
  }
  expect(isAsked).toBe(false);
});

// Attack 56.
const HOSTILE: [string, string, string, string?][] = [
  ["says that there is an error", "-ERR no\u001b[31m\r\n", "READ_FAILED", "ERR no?[31m"],
  ["wants a password", "-NOAUTH Authentication required.\r\n", "PERMISSION_NEEDED"],
  ["protects itself", "-DENIED Redis is running in protected mode\r\n", "PERMISSION_NEEDED"],
  ["announces lists of millions", "*30000000\r\n".repeat(3), "READ_TIMEOUT"],
  ["has lists within lists", "*1\r\n".repeat(100_000), "READ_FAILED", "lists within lists"],
  ["is a web server", "HTTP/1.1 400 Bad Request\r\n\r\n", "READ_FAILED", "another type"],
];
test.runIf(isChecked).each(HOSTILE)("a server that %s harms nobody", async (_, said, code, why) => {
  const { endpoint, ended } = await startServer((socket) => void socket.write(said));
  const outcome = await ask("CLIENT LIST", { endpoint, timeoutMs: 1500 });
  expect(codeOf(outcome), messageOf(outcome)).toBe(code);
  expect(messageOf(outcome)).toContain(why ?? "");
  await ended();
  expect(codeOf(await ask("ROLE"))).toBe("ok");
});

// Attack 56.
test.runIf(isChecked)("an answer without an end is cut, and its connection ended", async () => {
  for (const [head, part] of [
    ["$999999999999\r\n", "x".repeat(50_000)],
    ["*999999999999\r\n", "$5\r\nabcde\r\n".repeat(5000)],
  ] as const) {
    const { endpoint, ended } = await startServer((socket) => {
      socket.write(head);
      const more = (): void => {
        while (!socket.destroyed && socket.write(part));
      };
      socket.on("drain", more);
      more();
    });
    const look = lookOf(await ask("CLIENT LIST", { endpoint, maxBytes: 100_000 }));
    expect(look.truncated).toBe(true);
    expect(JSON.stringify(look.reply).length).toBeLessThan(110_000);
    await ended();
  }
});

// Attack 56.
test.runIf(isChecked)("a server that never answers is left at the deadline", async () => {
  const { endpoint, ended } = await startServer(() => undefined);
  expect(codeOf(await ask("ROLE", { endpoint, timeoutMs: 300 }))).toBe("READ_TIMEOUT");
  await ended();
  const closing = await startServer((socket) => void socket.destroy());
  const outcome = await ask("ROLE", { endpoint: closing.endpoint });
  expect(codeOf(outcome)).toBe("READ_FAILED");
});

test.runIf(isChecked)("a runner has four connections at once, however much is asked", async () => {
  const held: Socket[] = [];
  const { endpoint } = await startServer((socket) => void held.push(socket));
  const first = Array.from({ length: 4 }, () => ask("ROLE", { endpoint }));
  await until("four connections", () => held.length === 4);
  const more = Array.from({ length: 8 }, () => ask("ROLE", { endpoint, timeoutMs: 300 }));
  expect((await Promise.all(more)).map(codeOf)).toEqual(Array(8).fill("READ_TIMEOUT"));
  expect(held).toHaveLength(4);
  for (const socket of held) socket.write("$2\r\nok\r\n");
  expect((await Promise.all(first)).map(replyOf)).toEqual(Array(4).fill("ok"));
});

/** @param onData called with each chunk that comes */
async function startServer(onData: (socket: Socket, chunk: string) => void) {
  const closed: Promise<unknown>[] = [];
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on("error", () => undefined);
    closed.push(new Promise((resolve) => socket.once("close", resolve)));
    socket.on("data", (chunk) => onData(socket, chunk.toString("latin1")));
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return {
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Resolves once the other side closed each connection. */
    ended: () => Promise.all(closed),
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
