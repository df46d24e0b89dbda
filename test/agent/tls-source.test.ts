import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TlsSource } from "@sonde/schemas/manifest";
import type { RunnerOutcome, TlsData } from "@sonde/schemas/reads";
import { until } from "../product/start-product.ts";
import { isCheckedHere } from "../hosts/requirements.ts";
import { makeIssuer, makeServerFiles, type ServerFiles } from "./make-certificates.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

// What a real runner sees of TLS servers on loopback, whose certificates this test makes. The runner
// has its own /etc/hosts and its own trusted certificates, which needs root.

const isChecked = isCheckedHere("certificates of TLS servers", { unshare: "util-linux" });

const HOSTS = [
  "127.0.0.1 shop.example late.example two.example",
  "127.0.0.2 two.example",
  "127.0.0.1 moved.example",
  "169.254.169.254 moved.example",
  "64:ff9b::a9fe:a9fe nat.example",
  "::ffff:169.254.169.254 mapped.example",
  "fe80::1 link.example",
  "192.0.2.1 away.example",
];

let bench: TestBench;
let ports: Record<string, number>;
let sound: ServerFiles;
const servers: Server[] = [];

beforeAll(async () => {
  if (!isChecked) return;
  const root = await makeIssuer("root of a test");
  const above = [await makeIssuer("issuer of a test", root), root];
  const shop = [
    { type: "dns" as const, value: "shop.example" },
    { type: "dns" as const, value: "*.shop.example" },
    { type: "ip" as const, value: "127.0.0.1" },
  ];
  sound = await makeServerFiles(shop, above);
  const files: Record<string, ServerFiles> = {
    sound,
    expired: await makeServerFiles(shop, above, { from: -9, to: -2 }),
    early: await makeServerFiles(shop, above, { from: 2, to: 9 }),
    named: await makeServerFiles([{ type: "dns", value: "other.example" }], above),
    self: await makeServerFiles(shop, []),
    stranger: await makeServerFiles(shop, [await makeIssuer("an unknown root")]),
    // The certificate between it and the root is not sent.
    lone: await makeServerFiles(shop, above.slice(0, 1)),
    twice: await makeServerFiles([{ type: "dns", value: "other.example" }], [], {
      from: -9,
      to: -2,
    }),
  };
  ports = Object.fromEntries(
    await Promise.all(
      Object.entries(files).map(async ([name, { certificate: cert, key }]) => {
        const server = createServer({ cert, key }, (socket) => {
          socket.on("error", () => undefined);
        });
        return [name, await listen(server)] as const;
      }),
    ),
  );
  ports["silent"] = await listen(createTcpServer());
  ports["plain"] = await listen(createTcpServer((socket) => socket.end("220 mail\r\n")));
  bench = await createTestBench();
  const trusted = join(bench.workshop.folder, "trusted.crt");
  const hosts = join(bench.workshop.folder, "hosts");
  writeFileSync(trusted, root.certificate.toString("pem"), { mode: 0o644 });
  writeFileSync(hosts, `${HOSTS.join("\n")}\n`, { mode: 0o644 });
  bench.startRunnerAmongMounts(`
    mount --bind ${trusted} /etc/ssl/certs/ca-certificates.crt
    mount --bind ${hosts} /etc/hosts
  `);
  await until("the runner", () => bench.link.runners().length === 1);
}, 60_000);
afterAll(async () => {
  for (const server of servers) server.close();
  if (isChecked) await bench.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function look(endpoint: string, more: Partial<TlsSource> = {}): Promise<RunnerOutcome> {
  const source: TlsSource = {
    ...{ kind: "tls", endpoint, timeoutMs: 4000, maxBytes: 65_536 },
    ...more,
  };
  const { reads } = await bench.link.read([{ name: "it", source, values: {} }], 8000, [], true);
  return reads["it"] as RunnerOutcome;
}

function dataOf(outcome: RunnerOutcome): TlsData {
  const data = outcome.ok ? outcome.samples[0]?.data : undefined;
  if (data === undefined || !("chain" in data)) throw new Error(JSON.stringify(outcome));
  return data;
}

const codeOf = (outcome: RunnerOutcome): string => (outcome.ok ? "ok" : outcome.failure.code);

test.runIf(isChecked)("a sound server: its chain, protocol, cipher and durations", async () => {
  const data = dataOf(await look(`shop.example:${ports["sound"]}`));
  expect(data).toMatchObject({
    endpoint: `shop.example:${ports["sound"]}`,
    addresses: [{ address: "127.0.0.1", outcome: "connected" }],
    handshake: { address: "127.0.0.1", protocol: "TLSv1.3", problems: [] },
  });
  expect(data.handshake?.cipher).toMatch(/^TLS_AES/);
  const own = new X509Certificate(sound.certificate);
  const spki = own.publicKey.export({ type: "spki", format: "der" });
  expect(data.chain.map(({ subject }) => subject)).toEqual([
    ...["CN=server of a test", "CN=issuer of a test"],
  ]);
  expect(data.chain[0]).toEqual({
    subject: "CN=server of a test",
    issuer: "CN=issuer of a test",
    names: ["shop.example", "*.shop.example", "127.0.0.1"],
    notBefore: own.validFromDate.getTime(),
    notAfter: own.validToDate.getTime(),
    serial: own.serialNumber,
    publicKeySha256: createHash("sha256").update(spki).digest("hex"),
  });
  expect(dataOf(await look(`127.0.0.1:${ports["sound"]}`)).handshake?.problems).toEqual([]);
});

test.runIf(isChecked)("what is wrong with a certificate is said in words, all of it", async () => {
  const problemsOf = async (name: string, host = "shop.example") =>
    dataOf(await look(`${host}:${ports[name]}`)).handshake?.problems;
  expect(await problemsOf("expired")).toEqual(["expired"]);
  expect(await problemsOf("early")).toEqual(["not-yet-valid"]);
  expect(await problemsOf("named")).toEqual(["name-mismatch"]);
  expect(await problemsOf("sound", "late.example")).toEqual(["name-mismatch"]);
  expect(await problemsOf("self")).toEqual(["self-signed"]);
  expect(await problemsOf("stranger")).toEqual(["unknown-issuer"]);
  expect(await problemsOf("lone")).toEqual(["unknown-issuer"]);
  expect(await problemsOf("twice")).toEqual(["expired", "name-mismatch", "self-signed"]);
});

test.runIf(isChecked)("nothing is sent above TLS, and the connection is closed", async () => {
  const heard: string[] = [];
  const closed = Promise.withResolvers<void>();
  const server = createServer({ cert: sound.certificate, key: sound.key }, (socket) => {
    socket.on("data", (data) => heard.push(data.toString()));
    socket.on("error", closed.reject);
    socket.on("close", () => closed.resolve());
  });
  await look(`shop.example:${await listen(server)}`);
  await closed.promise;
  expect(heard).toEqual([]);
});

test.runIf(isChecked)(
  "a server that is not there, says nothing or speaks no TLS is told",
  async () => {
    const closed = createTcpServer();
    const port = await listen(closed);
    await new Promise((resolve) => void closed.close(resolve));
    const refused = dataOf(await look(`shop.example:${port}`));
    expect(refused.addresses).toMatchObject([{ outcome: "connection-refused" }]);
    expect(refused).not.toHaveProperty("handshake");
    const silent = await look(`shop.example:${ports["silent"]}`, { timeoutMs: 900 });
    expect(dataOf(silent).handshake).toMatchObject({ failure: "timeout", problems: [] });
    const plain = dataOf(await look(`shop.example:${ports["plain"]}`)).handshake;
    expect(plain?.failure).toMatch(/^(wrong version number|packet length too long|record)/);
    expect(dataOf(await look("absent.invalid:443")).addresses).toEqual([]);
  },
);

test.runIf(isChecked)(
  "every address of a name is tried; a mere connection shakes no hands",
  async () => {
    const two = dataOf(await look(`two.example:${ports["sound"]}`, { only: "connect" }));
    expect(two.addresses).toMatchObject([
      { address: "127.0.0.1", outcome: "connected" },
      { address: "127.0.0.2", outcome: "connection-refused" },
    ]);
    expect(two).not.toHaveProperty("handshake");
    expect(two.chain).toEqual([]);
  },
);

test.runIf(isChecked)("a chain is cut between certificates", async () => {
  const outcome = await look(`shop.example:${ports["sound"]}`, { maxBytes: 500 });
  expect(outcome).toMatchObject({ samples: [{ truncated: true }] });
  expect(dataOf(outcome).chain).toHaveLength(1);
});

// Attack 78.
test.runIf(isChecked)(
  "a name that leads to a metadata service or a link is refused as a whole",
  async () => {
    for (const name of ["moved", "nat", "mapped", "link"]) {
      expect(codeOf(await look(`${name}.example:80`)), name).toBe("READ_NOT_GRANTED");
    }
  },
);

// Attack 78.
test.runIf(isChecked)(
  "a runner that systemd keeps on its host says so of other addresses",
  async () => {
    const kept = await createTestBench();
    try {
      kept.startRunner({}, { SONDE_RUNNER_REACH: "loopback" });
      await until("the runner", () => kept.link.runners().length === 1);
      const limits = { timeoutMs: 2000, maxBytes: 4096 };
      const asked = [
        { kind: "tls", endpoint: "192.0.2.1:443", ...limits },
        { kind: "tls", endpoint: `127.0.0.1:${ports["sound"]}`, ...limits },
        { kind: "dns", server: "192.0.2.1", name: "a.example", type: "A", ...limits },
      ] as const;
      const reads = asked.map((source, index) => ({ name: `it${index}`, source, values: {} }));
      const done = await kept.link.read(reads, 5000, [], true);
      const codes = ["it0", "it1", "it2"].map((name) => codeOf(done.reads[name] as RunnerOutcome));
      expect(codes).toEqual(["PERMISSION_NEEDED", "ok", "PERMISSION_NEEDED"]);
    } finally {
      await kept.close();
    }
  },
);
