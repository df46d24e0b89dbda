import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, get } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judge, type Judgement } from "../../foundation/runbooks/src/index.ts";
import { checkSource } from "../../foundation/sources/src/check-source.ts";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import { isCheckedHere } from "../hosts/requirements.ts";
import { until } from "../product/start-product.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";

// What sonde/nginx says of a real nginx, which this test starts with the configuration of its Debian
// package and one server more. A real runner reads. nginx and the runner see the test's own
// /etc/nginx and /var/log/nginx, which needs root.

const isChecked = isCheckedHere("nginx", {
  ...{ nginx: "nginx-light", unshare: "util-linux", nsenter: "util-linux", ip: "iproute2" },
});

const SHOP = (port: number, slowPort: number) => `
log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
upstream slow { server 127.0.0.1:${slowPort}; }
server {
  listen 127.0.0.1:${port};
  server_name shop.example;
  access_log /var/log/nginx/access.log timed;
  ssl_certificate_key /etc/ssl/private/shop-secret.key;
  location = /nginx_status { stub_status; access_log off; }
  location /slow/ { proxy_pass http://slow; }
  location /dead/ { proxy_pass http://127.0.0.1:1/; }
  location /orders/ { return 204; }
}
`;

type Nginx = { folder: string; process: ChildProcess; mounts: string };

let folder: string;
let site: Nginx;
let untouched: Nginx;
let pack: AskedPack;
let untouchedPack: AskedPack;
let slow: Server;
let endpoint: string;

beforeAll(async () => {
  if (!isChecked) return;
  folder = mkdtempSync(join(tmpdir(), "sonde-nginx-"));
  chmodSync(folder, 0o755);
  slow = createHttpServer((request, response) => {
    const ms = Number(request.url?.split("/")[2]);
    setTimeout(() => response.end("late"), ms);
  });
  const slowPort = await listen(slow);
  const free = createServer();
  const port = await listen(free);
  await new Promise((resolve) => void free.close(resolve));
  endpoint = `127.0.0.1:${port}`;
  site = startNginx("site", (etc) => {
    rmSync(join(etc, "sites-enabled/default"));
    writeFileSync(join(etc, "conf.d/shop.conf"), SHOP(port, slowPort));
  });
  untouched = startNginx("untouched", undefined, ["--net"]);
  [pack, untouchedPack] = (await Promise.all(
    [site, untouched].map(async ({ mounts }) => await openAskedPack("nginx", mounts)),
  )) as [AskedPack, AskedPack];
  await until("nginx", async () => (await statusOf("/nginx_status").catch(() => 0)) === 200);
  await until("the untouched nginx", () => askUntouched("/").status === 0);
}, 60_000);
afterAll(async () => {
  if (!isChecked) return;
  for (const { process: nginx } of [site, untouched]) {
    if (nginx.exitCode !== null) continue;
    const ended = once(nginx, "exit");
    nginx.kill("SIGTERM");
    await ended;
  }
  slow.close();
  await Promise.all([pack.close(), untouchedPack.close()]);
  rmSync(folder, { recursive: true });
});

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Starts nginx in the foreground, with a copy of the package's /etc/nginx and its own logs. */
function startNginx(
  name: string,
  change: (etc: string) => void = () => undefined,
  apart: string[] = [],
): Nginx {
  const own = join(folder, name);
  const [etc, log] = [join(own, "etc"), join(own, "log")];
  mkdirSync(log, { recursive: true, mode: 0o755 });
  spawnSync("cp", ["-a", "/etc/nginx", etc]);
  change(etc);
  const mounts = `mount --bind ${etc} /etc/nginx\nmount --bind ${log} /var/log/nginx`;
  const up = apart.length > 0 ? "ip link set lo up" : "";
  const script = `set -e\n${mounts}\nmount -t tmpfs tmpfs /run\n${up}\numask 022\nexec nginx -g 'daemon off;'`;
  const nginx = spawn(
    "unshare",
    ["--mount", "--propagation", "private", ...apart, "sh", "-c", script],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  return { folder: own, process: nginx, mounts };
}

function statusOf(path: string): Promise<number> {
  const [host, port] = endpoint.split(":");
  return new Promise((resolve, reject) => {
    get({ host, port, path, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    }).on("error", reject);
  });
}

/** Asks from within the network of the untouched nginx, which has its own port 80. */
function askUntouched(path: string) {
  const ask = `require("node:http").get("http://127.0.0.1${path}", (response) => response.resume())`;
  const within = ["--net", "--target", String(untouched.process.pid)];
  return spawnSync("nsenter", [...within, process.execPath, "-e", ask], { stdio: "ignore" });
}

const logOf = ({ folder: own }: Nginx, name: string): string => join(own, "log", name);
const linesOf = (path: string): string[] => readFileSync(path, "utf8").trim().split("\n");
/** What awk says of a log: an independent reader. */
const awk = (program: string, path: string): string =>
  spawnSync("sh", ["-c", `awk '${program}' "$1"`, "sh", path], { encoding: "utf8" }).stdout;

type Answer = Record<string, unknown>;
const ask = async (probe: string, params = {}) => (await pack.ask(probe, params)) as Answer;

test.runIf(isChecked)(
  "access.summary agrees with awk, and shows no query and no client",
  async () => {
    const log = logOf(site, "access.log");
    const paths = [
      ...Array.from({ length: 30 }, (_, n) => `/orders/${n}?token=secret${n}`),
      ...Array.from({ length: 12 }, (_, n) => `/slow/${n * 10}/${n}`),
      ...Array.from({ length: 6 }, (_, n) => `/dead/${n}?x=secret`),
      "/none",
    ];
    for (const path of paths) await statusOf(path);
    await until("the log", () => linesOf(log).length === paths.length);
    const found = await ask("access.summary");
    const counts = awk("{ n[$9]++ } END { for (s in n) print s, n[s] }", log).trim().split("\n");
    expect(found["statuses"]).toEqual(
      counts
        .map((line) => line.split(" ").map(Number))
        .toSorted(([a = 0], [b = 0]) => a - b)
        .map(([status, count]) => ({ status, count })),
    );
    const times = awk("{ print $NF * 1000 }", log).trim().split("\n").map(Number);
    const sorted = times.toSorted((a, b) => a - b);
    expect(found).toMatchObject({
      ...{
        requests: paths.length,
        unreadLines: 0,
        formats: ["combined", "timed"],
        incomplete: false,
      },
      ...{ serverErrors: 6, clientErrors: 1, serverErrorPercent: 12.24 },
      times: { p95Ms: sorted[Math.ceil(0.95 * sorted.length) - 1], maxMs: sorted.at(-1) },
    });
    const routes = (list: string) =>
      (found[list] as { route: string; count: number }[]).map(
        ({ route, count }) => `${count} ${route}`,
      );
    expect(routes("busiest")).toEqual([
      ...["30 GET /orders/:id", "12 GET /slow/:id/:id", "6 GET /dead/:id", "1 GET /none"],
    ]);
    expect(routes("failing")).toEqual(["6 GET /dead/:id", "1 GET /none"]);
    expect(routes("slowest")[0]).toBe("12 GET /slow/:id/:id");
    expect(JSON.stringify(found)).not.toMatch(/secret|127\.0\.0\.1/);
  },
);

test.runIf(isChecked)("errors agrees with awk, and names the upstream that refused", async () => {
  const log = logOf(site, "error.log");
  const count = Number(awk("/Connection refused/ { n++ } END { print n + 0 }", log));
  expect(count).toBeGreaterThan(0);
  const found = await ask("errors");
  expect(found["messages"]).toContainEqual({
    ...{ level: "error", kind: "upstream-refused", count },
    message: "connect() failed (111: Connection refused) while connecting to upstream",
    ...{ routes: ["GET /dead/:id"], upstreams: [expect.stringContaining("127.0.0.1:1")] },
    ...{ firstAt: expect.any(String), lastAt: expect.any(String) },
    lastMinutesAgo: expect.any(Number),
  });
  expect(JSON.stringify(found)).not.toContain("secret");
});

test.runIf(isChecked)("config has what nginx itself reads, and no path of a key", async () => {
  const found = await ask("config");
  expect(found).toMatchObject({
    ...{ serverCount: 1, notRead: [], incomplete: false },
    servers: [
      {
        ...{ names: ["shop.example"], listens: [endpoint], certificateKey: "(masked)" },
        locations: expect.arrayContaining([
          { path: "/dead/", does: "passes to http://127.0.0.1:1/" },
        ]),
        place: "conf.d/shop.conf:4",
      },
    ],
    upstreams: [{ name: "slow" }],
    statusPages: [{ listens: [endpoint], path: "/nginx_status" }],
    workers: {
      processes: "auto",
      connections: expect.stringMatching(/^[0-9]+$/),
      user: "www-data",
    },
  });
  // nginx prints every file that it reads, as root.
  const dump = spawnSync("nsenter", [
    "--mount",
    "--target",
    String(site.process.pid),
    "nginx",
    "-T",
  ]);
  const files = [...dump.stdout.toString().matchAll(/^# configuration file (\S+):$/gm)];
  const counted = files.filter(([, path = ""]) => !/mime\.types|modules/.test(path));
  expect(found["fileCount"]).toBe(counted.length);
  expect(JSON.stringify(found)).not.toContain("shop-secret");
});

test.runIf(isChecked)("status agrees with the page, at a port of loopback alone", async () => {
  const found = await ask("status", { endpoint });
  const looks = 2;
  const before = Number(found["requests"]);
  const again = await ask("status", { endpoint });
  expect(Number(again["requests"]) - before).toBe(looks);
  expect(again).toMatchObject({ droppedConnections: 0, requestsPerSecond: 0, writing: 1 });
  await expect(ask("status", { endpoint: "192.0.2.1:80" })).rejects.toThrow("READ_NOT_GRANTED");
  await expect(ask("status", { endpoint, page: "stub_status" })).rejects.toThrow(
    "SOURCE_NOT_FOUND",
  );
});

// Attack 51.
test.runIf(isChecked)("no caller reads a log elsewhere, and no such source can be declared", () => {
  for (const log of ["/etc/shadow", "../auth.log", "/var/log/auth.log", "a/../../auth.log", "-x"]) {
    for (const probe of ["access.summary", "errors"]) {
      expect(() => planReads(pack.manifest, probe, { log }), log).toThrow(
        "expected a normalised path",
      );
    }
  }
  const { requests } = pack.manifest.sources;
  if (requests?.kind !== "lines") throw new Error("expected the source of the access log");
  const careless = { ...requests.holes, log: { type: "text", maxLength: 200 } } as const;
  expect(() => checkSource("requests", { ...requests, holes: careless })).toThrow("no free text");
});

test.runIf(isChecked)(
  "a log that the runner may not read names the group that it needs",
  async () => {
    const log = logOf(site, "access.log");
    spawnSync("chgrp", ["adm", log]);
    chmodSync(log, 0o640);
    await expect(ask("access.summary")).rejects.toThrow(/PERMISSION_NEEDED.*group adm/);
    chmodSync(log, 0o644);
  },
);

/** As the pack's `diagnose`, at a status page of this test, or without one. */
async function diagnose(one: AskedPack, statusEndpoint?: string): Promise<Judgement> {
  const { runbook } = one.manifest;
  if (runbook === undefined) throw new Error("sonde/nginx has no runbook");
  const asked = Object.entries(runbook.probes).filter(
    ([as]) => as !== "status" || statusEndpoint !== undefined,
  );
  const answers = await Promise.all(
    asked.map(async ([as, { probe }]): Promise<[string, Answer]> => {
      const params = as === "status" ? { endpoint: statusEndpoint } : {};
      return [as, (await one.ask(probe, params)) as Answer];
    }),
  );
  return judge(runbook, new Map(answers));
}

test.runIf(isChecked)("diagnose tells of the upstream that refuses", async () => {
  const { findings, unseen } = await diagnose(pack, endpoint);
  const serious = findings.filter(({ severity }) => severity !== "info");
  expect(serious.map(({ severity, finding }) => [severity, finding])).toEqual([
    ["critical", "Many of the newest requests fail with a server error."],
    ["warning", "A route fails most of the time."],
    ["warning", "An upstream does not answer as it should."],
  ]);
  expect(unseen).toEqual([]);
});

test.runIf(isChecked)("an nginx as its package left it gives nothing above info", async () => {
  for (const path of ["/", "/none"]) askUntouched(path);
  await until("its log", () => linesOf(logOf(untouched, "access.log")).length >= 2);
  const { findings } = await diagnose(untouchedPack);
  expect(findings.filter(({ severity }) => severity !== "info")).toEqual([]);
  expect(await untouchedPack.ask("access.summary")).toMatchObject({
    ...{ unreadLines: 0, formats: ["combined"], times: null },
  });
  expect(await untouchedPack.ask("config")).toMatchObject({
    ...{ serverCount: 1, notRead: [], statusPages: [] },
  });
});
