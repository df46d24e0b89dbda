import { REDIS_COMMANDS, type RedisSource, parseManifestShape } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkSource } from "../check-source.ts";
import { classifySource } from "../classify-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { listItems } from "../items.ts";
import { asksHosts } from "../list-needs.ts";
import { verdict } from "../testing/verdict.ts";
import { renderRedisCommand } from "./redis.ts";

const source = (command: string, more: Partial<RedisSource> = {}): RedisSource => ({
  ...{ kind: "redis", command, timeoutMs: 1000, maxBytes: 4096 },
  ...(more.socket === undefined && { endpoint: "127.0.0.1:6379" }),
  ...more,
});
const check = (command: string, more: Partial<RedisSource> = {}) =>
  verdict(() => checkSource("it", source(command, more)));
const items = (one: RedisSource) => listItems(deriveRequires({ it: one }));

const holes = {
  where: { type: "endpoint" },
  limit: { type: "integer", minimum: 1, maximum: 128 },
} as const;
const slow = source("SLOWLOG GET", {
  ...{ endpoint: { hole: "where" }, newest: { hole: "limit" }, holes },
});

test("a person grants one command to one server, which stays on the host", () => {
  expect(items(source("INFO memory"))).toEqual(["socket 127.0.0.1:6379 REDIS INFO memory"]);
  const local = source("CLIENT LIST", { socket: "/run/redis/redis.sock" });
  expect(items(local)).toEqual(["socket /run/redis/redis.sock REDIS CLIENT LIST"]);
  expect(items(slow)).toEqual(["socket <endpoint> REDIS SLOWLOG GET <1..128>"]);
  expect([source("ROLE"), local, slow].map(asksHosts)).toEqual([false, false, false]);
  expect([source("ROLE"), local, slow].map((one) => classifySource(one))).toEqual([
    ...["observe", "observe", "observe"],
  ]);
  expect(verdict(() => checkSource("it", slow))).toBe("accepted");
});

test("a person reads what is asked, and over which way", () => {
  expect(describeRead(slow)).toBe("SLOWLOG GET <limit> over redis://<where>");
  const filled = { name: "it", source: slow, values: { where: "127.0.0.1:1", limit: "7" } };
  expect(describeRead(filled)).toBe("SLOWLOG GET 7 over redis://127.0.0.1:1");
  const local = source("MEMORY STATS", { socket: "/run/redis/redis.sock" });
  expect(describeRead(local)).toBe("MEMORY STATS over unix:/run/redis/redis.sock");
});

const shape = (it: object) =>
  verdict(() =>
    parseManifestShape({
      ...{ manifest: 1, name: "acme/hello", version: "1.0.0", description: "What it is for." },
      ...{ license: "MIT", repository: "https://acme.example/x", engines: { agent: "*" } },
      ...{ sources: { it }, requires: { groups: [], commands: [], files: [], sockets: [] } },
      probes: {
        greet: {
          ...{ description: "Says what it is.", capability: "observe", reads: {} },
          ...{
            params: { type: "object", properties: {}, required: [], additionalProperties: false },
          },
          result: { type: "string" },
        },
      },
    }),
  );

// Attack 50.
const CARELESS: [string, string][] = [
  ["reads a value", "GET session"],
  ["reads a key of the caller's choice", "GET"],
  ["lists keys", "KEYS *"],
  ["walks keys", "SCAN 0"],
  ["looks at a key", "DEBUG OBJECT session"],
  ["measures a key", "MEMORY USAGE session"],
  ["writes", "SET a b"],
  ["empties", "FLUSHALL"],
  ["ends", "SHUTDOWN NOSAVE"],
  ["waits", "BLPOP a 0"],
  ["subscribes", "SUBSCRIBE a"],
  ["listens to everybody", "MONITOR"],
  ["resets the slow log", "SLOWLOG RESET"],
  ["resets the latencies", "LATENCY RESET"],
  ["resets the counters", "CONFIG RESETSTAT"],
  ["sets", "CONFIG SET maxmemory 1"],
  ["reads the password", "CONFIG GET requirepass"],
  ["reads the password of the primary", "CONFIG GET masterauth"],
  ["reads all settings", "CONFIG GET *"],
  ["reads who may what", "ACL LIST"],
  ["becomes a replica", "REPLICAOF 192.0.2.1 6379"],
  ["ends a client", "CLIENT KILL TYPE normal"],
  ["runs a script", "EVAL return 0"],
  ["loads code", "MODULE LOAD /tmp/x.so"],
  ["writes a file", "BGSAVE"],
  ["is two commands", "INFO memory\r\nFLUSHALL"],
  ["is in small letters", "info memory"],
  ["is nothing", ""],
];
test.each(CARELESS)(
  "a command that %s cannot be expressed, and no runner sends it",
  (_, command) => {
    expect(shape(source("INFO memory"))).toBe("accepted");
    expect(shape(source(command))).toBe("MANIFEST_INVALID");
    expect(verdict(() => renderRedisCommand(source(command), {}))).toBe("READ_NOT_GRANTED");
  },
);

// Attack 50.
test("no part of a command is a hole but how many entries of the slow log are wanted", () => {
  const it = { hole: "it" };
  const given = { holes: { it: { type: "enum", values: ["memory"] } } };
  expect(shape({ ...source("ROLE"), command: it, ...given })).toBe("MANIFEST_INVALID");
  expect(shape({ ...source("ROLE"), command: ["INFO ", it], ...given })).toBe("MANIFEST_INVALID");
  expect(shape({ ...source("ROLE"), arguments: ["a"] })).toBe("MANIFEST_INVALID");
});

// Attack 50.
test("a count is a number from 1 to 1000, of the slow log alone", () => {
  const newest = { hole: "it" };
  const counted = (it: NonNullable<RedisSource["holes"]>[string]) =>
    check("SLOWLOG GET", { newest, holes: { it } });
  expect(counted({ type: "integer", minimum: 1, maximum: 1000 })).toBe("accepted");
  expect(counted({ type: "integer", minimum: 0, maximum: 10 })).toBe("MANIFEST_INVALID");
  expect(counted({ type: "integer", minimum: 1, maximum: 1001 })).toBe("MANIFEST_INVALID");
  expect(counted({ type: "integer", minimum: 1, maximum: 9, optional: true })).toBe(
    "MANIFEST_INVALID",
  );
  expect(counted({ type: "text", maxLength: 9 })).toBe("MANIFEST_INVALID");
  expect(check("SLOWLOG GET")).toBe("MANIFEST_INVALID");
  expect(check("SLOWLOG GET", { newest: 5 })).toBe("accepted");
  expect(check("INFO memory", { newest: 5 })).toBe("MANIFEST_INVALID");
  const of = (limit: string) =>
    verdict(() => renderRedisCommand(slow, { where: "127.0.0.1:1", limit }));
  expect(renderRedisCommand(slow, { limit: "128" })).toEqual(["SLOWLOG", "GET", "128"]);
  for (const limit of ["0", "-1", "1001", "1e3", "5 6", "5\r\nFLUSHALL", ""]) {
    expect(of(limit), limit).toBe("PARAMS_INVALID");
  }
});

// Attack 78.
test("a server is on the host: at a socket that packs may use, or a port of loopback", () => {
  for (const endpoint of ["127.0.0.1:6379", "[::1]:7000"]) {
    expect(check("ROLE", { endpoint })).toBe("accepted");
  }
  for (const endpoint of ["192.0.2.1:6379", "cache.example:6379", "localhost:6379"]) {
    expect(check("ROLE", { endpoint }), endpoint).toBe("MANIFEST_INVALID");
  }
  expect(check("ROLE", { socket: "/run/redis/redis.sock" })).toBe("accepted");
  expect(check("ROLE", { socket: "/run/sonde/agent.sock" })).toBe("MANIFEST_INVALID");
  expect(check("ROLE", { socket: "/run/../redis.sock" })).toBe("MANIFEST_INVALID");
  const both = { ...source("ROLE"), socket: "/run/redis.sock" };
  expect(verdict(() => checkSource("it", both))).toBe("MANIFEST_INVALID");
  expect(verdict(() => checkSource("it", { ...slow, endpoint: "127.0.0.1:1" }))).toBe(
    "MANIFEST_INVALID",
  );
});

test("no setting of the list is a secret, a path, or who may what", () => {
  const settings = REDIS_COMMANDS.filter((command) => command.startsWith("CONFIG"));
  expect(settings.length).toBeGreaterThan(10);
  const secret = /pass|auth|user|acl|key|cert|file|dir|path|module|rename|[*?[]/;
  expect(settings.filter((command) => secret.test(command.replace("keepalive", "")))).toEqual([]);
  expect(new Set(REDIS_COMMANDS).size).toBe(REDIS_COMMANDS.length);
});
