import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DnsSource } from "@sonde/schemas/manifest";
import { until } from "../product/start-product.ts";
import { isCheckedHere } from "../hosts/requirements.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

// What a real runner hears from a name server of Debian (dnsmasq), in packets of that program.

const isChecked = isCheckedHere("answers of a name server of Debian", {
  ...{ dnsmasq: "dnsmasq-base", unshare: "util-linux" },
});

/** Addresses of this host that nobody else has: a name server, and one where nothing listens. */
const NET = `127.77.${randomInt(1, 255)}`;
const SERVER = `${NET}.1`;
const CLOSED = `${NET}.2`;

const RECORDS = [
  ...["--address=/shop.example/192.0.2.10", "--address=/shop.example/2001:db8::10"],
  ...["--mx-host=shop.example,mail.shop.example,10", "--txt-record=shop.example,v=spf1 -all"],
  ...["--srv-host=_ldap._tcp.shop.example,ldap.shop.example,389,1,5"],
  ...["--host-record=one.shop.example,192.0.2.11,60", "--cname=www.shop.example,one.shop.example"],
  "--ptr-record=9.2.0.192.in-addr.arpa,nine.shop.example",
  "--local=/example/",
];

let bench: TestBench;
const stops: (() => void)[] = [];

beforeAll(async () => {
  if (!isChecked) return;
  const server = spawn(
    "dnsmasq",
    [
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"],
      ...["--pid-file=", `--listen-address=${SERVER}`, "--bind-interfaces"],
      ...["--user=root", "--local-ttl=300", ...RECORDS],
    ],
    { stdio: "ignore" },
  );
  stops.push(() => server.kill("SIGKILL"));
  bench = await createTestBench();
  const resolver = join(bench.workshop.folder, "resolv.conf");
  writeFileSync(resolver, `nameserver ${CLOSED}\nnameserver ${SERVER}\n`, { mode: 0o644 });
  bench.startRunnerAmongMounts(`mount --bind ${resolver} /etc/resolv.conf`);
  await until("the runner", () => bench.link.runners().length === 1);
  await until("the name server", async () => (await ask("shop.example", "A"))[0] === "NOERROR");
}, 60_000);
afterAll(async () => {
  for (const stop of stops) stop();
  if (isChecked) await bench.close();
});

async function look(name: string, type: DnsSource["type"], server: string) {
  const source: DnsSource = {
    ...{ kind: "dns", server, name, type },
    ...{ timeoutMs: 5000, maxBytes: 65_536 },
  };
  const { reads } = await bench.link.read([{ name: "it", source, values: {} }], 8000, [], true);
  const outcome = reads["it"];
  const data = outcome?.ok === true ? outcome.samples[0]?.data : undefined;
  if (data === undefined || !("tried" in data)) throw new Error(JSON.stringify(outcome));
  return data;
}

/** The response code, and each answer as `TYPE TTL VALUE`. */
async function ask(name: string, type: DnsSource["type"]): Promise<(string | undefined)[]> {
  const data = await look(name, type, SERVER);
  const answers = data.answers.map((one) => `${one.type} ${one.ttlSeconds} ${one.value}`);
  return [data.tried.at(-1)?.rcode, ...answers];
}

test.runIf(isChecked)("each type of record, and a name that is not there", async () => {
  expect(await ask("shop.example", "A")).toEqual(["NOERROR", "A 300 192.0.2.10"]);
  expect(await ask("shop.example", "AAAA")).toEqual(["NOERROR", "AAAA 300 2001:db8::10"]);
  expect(await ask("shop.example", "MX")).toEqual(["NOERROR", "MX 300 10 mail.shop.example"]);
  expect(await ask("shop.example", "TXT")).toEqual(["NOERROR", "TXT 300 v=spf1 -all"]);
  expect(await ask("_ldap._tcp.shop.example", "SRV")).toEqual([
    ...["NOERROR", "SRV 300 1 5 389 ldap.shop.example"],
  ]);
  expect(await ask("www.shop.example", "A")).toEqual([
    ...["NOERROR", "CNAME 300 one.shop.example", "A 60 192.0.2.11"],
  ]);
  expect(await ask("192.0.2.9", "PTR")).toEqual(["NOERROR", "PTR 300 nine.shop.example"]);
  expect(await ask("absent.example", "A")).toEqual(["NXDOMAIN"]);
  expect(await ask("one.shop.example", "NS")).toEqual(["NOERROR"]);
  // It knows no server to ask.
  expect(await ask("example.com", "A")).toEqual(["REFUSED"]);
});

test.runIf(isChecked)(
  "the host's own servers are asked in the order of /etc/resolv.conf",
  async () => {
    const { tried, answers } = await look("shop.example", "A", "resolver");
    expect(tried.map(({ server, outcome, rcode }) => [server, outcome, rcode])).toEqual([
      [`${CLOSED}:53`, "connection-refused", undefined],
      [`${SERVER}:53`, "answered", "NOERROR"],
    ]);
    expect(answers).toMatchObject([{ value: "192.0.2.10" }]);
  },
);
