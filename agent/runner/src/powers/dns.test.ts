import { createSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, encode } from "dns-packet";
import { expect, onTestFinished, test } from "vitest";
import type { DnsSource } from "@sonde/schemas/manifest";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { parseRunnerOutcomes } from "@sonde/schemas/reads";
import { askInTurn, readServers, reverseName } from "./dns.ts";
import { performReads } from "./powers.ts";

// Servers of this test, on loopback, that answer with whatever a test says. A server of Debian's
// answers in test/agent/dns-source.test.ts.

type Answer = (question: Buffer) => Buffer[];

const NOERROR = 0;
const SERVFAIL = 2;
const NXDOMAIN = 3;

/** @param rcode the number of the response code */
function reply(question: Buffer, rcode: number, answers: object[] = [], more = {}): Buffer {
  const { id, questions } = decode(question);
  const packet = { type: "response", id, flags: rcode, questions, answers, ...more };
  return encode(packet as Parameters<typeof encode>[0]);
}

const record = (data: string) => ({ name: "a.example", type: "A", ttl: 300, data });

async function serve(answer: Answer, at = "127.0.0.1"): Promise<{ port: number; asked: number[] }> {
  const socket = createSocket(at.includes(":") ? "udp6" : "udp4");
  const asked: number[] = [];
  socket.on("message", (question, from: RemoteInfo) => {
    asked.push(question.readUInt16BE(0));
    for (const bytes of answer(question)) socket.send(bytes, from.port, from.address);
  });
  socket.bind(0, at);
  await once(socket, "listening");
  onTestFinished(() => void socket.close());
  return { port: socket.address().port, asked };
}

async function ask(port: number, more: Partial<DnsSource> = {}, timeoutMs = 5000) {
  const source: DnsSource = {
    ...{ kind: "dns", server: `127.0.0.1:${port}`, name: "a.example", type: "A" },
    ...{ timeoutMs, maxBytes: 65_536, ...more },
  };
  const { outcomes } = await performReads([{ name: "it", source, values: {} }], 10_000, {
    denyPaths: [],
    onOverdue: () => undefined,
  });
  return parseRunnerOutcomes(JSON.parse(outcomes.toString()))["it"] as RunnerOutcome;
}

function dataOf(outcome: RunnerOutcome) {
  const data = outcome.ok ? outcome.samples[0]?.data : undefined;
  if (data === undefined || !("tried" in data)) throw new Error(JSON.stringify(outcome));
  return data;
}

const outcomesOf = (outcome: RunnerOutcome) =>
  dataOf(outcome).tried.map((one) => ({ outcome: one.outcome, rcode: one.rcode }));

test("an answer has its server, response code, records with the time they live, and duration", async () => {
  const { port } = await serve((question) => [
    reply(question, NOERROR, [
      { name: "a.example", type: "CNAME", ttl: 60, data: "b.example" },
      { ...record("192.0.2.7"), name: "b.example" },
    ]),
  ]);
  const { question, tried, answers } = dataOf(await ask(port));
  expect(question).toBe("a.example");
  expect(tried).toEqual([
    {
      ...{ server: `127.0.0.1:${port}`, outcome: "answered", rcode: "NOERROR" },
      ms: expect.any(Number),
    },
  ]);
  expect(answers).toEqual([
    { name: "a.example", type: "CNAME", ttlSeconds: 60, value: "b.example" },
    { name: "b.example", type: "A", ttlSeconds: 300, value: "192.0.2.7" },
  ]);
});

test("silence, a name that is not there, a broken server and a closed port are told apart", async () => {
  const [silent, absent, broken] = await Promise.all([
    serve(() => []),
    serve((question) => [reply(question, NXDOMAIN)]),
    serve((question) => [reply(question, SERVFAIL)]),
  ]);
  const closed = createSocket("udp4").bind(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address();
  closed.close();
  expect(outcomesOf(await ask(silent.port, {}, 900))).toEqual([
    { outcome: "timeout" },
    { outcome: "timeout" },
  ]);
  expect(silent.asked).toHaveLength(2);
  expect(outcomesOf(await ask(absent.port))).toEqual([{ outcome: "answered", rcode: "NXDOMAIN" }]);
  expect(outcomesOf(await ask(broken.port))).toEqual([{ outcome: "answered", rcode: "SERVFAIL" }]);
  expect(outcomesOf(await ask(port))).toEqual([{ outcome: "connection-refused" }]);
});

test("servers are asked in their order: the next one after a failure, none after an answer", async () => {
  const [broken, silent, knows, last] = await Promise.all([
    serve((question) => [reply(question, SERVFAIL)]),
    serve(() => []),
    serve((question) => [reply(question, NXDOMAIN)], "::1"),
    serve((question) => [reply(question, NOERROR)]),
  ]);
  const at = (port: number, address = "127.0.0.1") => ({ address, port });
  const { tried } = await askInTurn(
    { name: "a.example", type: "A" },
    [at(broken.port), at(silent.port), at(knows.port, "::1"), at(last.port)],
    { end: performance.now() + 4000, reach: "anywhere", signal: new AbortController().signal },
  );
  expect(tried.map(({ server, outcome, rcode }) => [server, outcome, rcode])).toEqual([
    [`127.0.0.1:${broken.port}`, "answered", "SERVFAIL"],
    [`127.0.0.1:${silent.port}`, "timeout", undefined],
    [`[::1]:${knows.port}`, "answered", "NXDOMAIN"],
  ]);
  expect(last.asked).toEqual([]);
});

// Attack 78.
test("a packet with another number, name or direction is no answer, and noise is malformed", async () => {
  const forged = await serve((question) => {
    const other = Buffer.from(reply(question, NOERROR, [record("203.0.113.66")]));
    other.writeUInt16BE((other.readUInt16BE(0) + 1) % 65_536);
    const named = { questions: [{ name: "b.example", type: "A" }] };
    return [
      ...[other, question, reply(question, NOERROR, [record("203.0.113.67")], named)],
      reply(question, NOERROR, [record("192.0.2.7")]),
    ];
  });
  expect(dataOf(await ask(forged.port)).answers).toEqual([
    { name: "a.example", type: "A", ttlSeconds: 300, value: "192.0.2.7" },
  ]);
  const noise = await serve((question) => [
    // A name that points at itself, and an end in the middle of a record.
    Buffer.concat([reply(question, NOERROR).subarray(0, 12), Buffer.from([0xc0, 0x0c])]),
  ]);
  expect(outcomesOf(await ask(noise.port))).toEqual([{ outcome: "malformed" }]);
});

test("an answer that does not fit a packet is asked for by TCP", async () => {
  const many = Array.from({ length: 200 }, (_, index) => record(`192.0.2.${index}`));
  const tcp = createServer((socket) =>
    socket.once("data", (data) => {
      const whole = reply(data.subarray(2), NOERROR, many);
      const head = Buffer.alloc(2);
      head.writeUInt16BE(whole.length);
      socket.write(Buffer.concat([head, whole.subarray(0, 100)]));
      setImmediate(() => socket.end(whole.subarray(100)));
    }),
  ).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  onTestFinished(() => void tcp.close());
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket("udp4").bind(port, "127.0.0.1");
  await once(udp, "listening");
  onTestFinished(() => void udp.close());
  udp.on("message", (question, from) => {
    // TC, RFC 1035, 4.1.1
    udp.send(reply(question, NOERROR, [], { flags: 0x0200 }), from.port, from.address);
  });
  expect(dataOf(await ask(port)).answers).toHaveLength(200);
  const cut = await ask(port, { maxBytes: 100 });
  expect(cut).toMatchObject({ samples: [{ truncated: true }] });
  expect(dataOf(cut).answers).toHaveLength(5);
});

// Attack 76.
test("each type is spelled as in a zone file, and no byte of a stranger is a control character", async () => {
  const soa = {
    ...{ mname: "ns.example", rname: "root.example", serial: 7, refresh: 1, retry: 2 },
    ...{ expire: 3, minimum: 4 },
  };
  const data: Record<string, unknown> = {
    MX: { preference: 10, exchange: "mail.example" },
    SRV: { priority: 1, weight: 5, port: 389, target: "ldap.example" },
    TXT: ["v=spf1 ", "-all\u001b[2J\né"],
    AAAA: "2001:db8::1",
    NS: "ns.example",
    PTR: "host.example",
    SOA: soa,
  };
  const values = await Promise.all(
    Object.entries(data).map(async ([type, value]) => {
      const records = [{ name: "a.example", type, ttl: 1, data: value }];
      const { port } = await serve((question) => [reply(question, NOERROR, records)]);
      const asked = type as "MX";
      return dataOf(await ask(port, { type: asked })).answers.map((one) => one.value);
    }),
  );
  expect(values.flat()).toEqual([
    ...["10 mail.example", "1 5 389 ldap.example", String.raw`v=spf1 -all\027[2J\010\195\169`],
    ...["2001:db8::1", "ns.example", "host.example", "ns.example root.example 7 1 2 3 4"],
  ]);
});

test("the name of an address is asked for beneath in-addr.arpa and ip6.arpa", () => {
  expect(reverseName("192.0.2.10")).toBe("10.2.0.192.in-addr.arpa");
  expect(reverseName("2001:db8::567:89ab")).toBe(
    "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
  );
  expect(reverseName("::ffff:192.0.2.1")).toBe(
    "1.0.2.0.0.0.0.c.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
  );
  expect(reverseName("_ldap._tcp.example")).toBe("_ldap._tcp.example");
});

test("the host's servers are the first three of resolv.conf, and without one its own", () => {
  const folder = mkdtempSync(join(tmpdir(), "resolv-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "resolv.conf");
  writeFileSync(
    file,
    "# by hand\nnameserver 192.0.2.1\nnameserver nonsense\n#nameserver 192.0.2.9\n nameserver 192.0.2.8\nnameserver\tfe80::1%lo\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
  );
  const addresses = ["192.0.2.1", "fe80::1%lo", "192.0.2.3"];
  expect(readServers(file)).toEqual(addresses.map((one) => ({ address: one, port: 53 })));
  expect(readServers(join(folder, "absent"))).toEqual([{ address: "127.0.0.1", port: 53 }]);
});
