import { execFile, execFileSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { findFreePort, startTestServer, type TestServer } from "./testing/index.ts";

// Servers on other machines, which have other names here. A namespace of mounts has a hosts(5) of its
// own, in which the names are addresses of this machine.
const isRoot = process.getuid?.() === 0;
let port: number;
const NAMES = { "127.0.0.2": "db1.example", "127.0.0.3": "db2.example" } as const;
const folder = mkdtempSync(join(tmpdir(), "sonde-database-tls-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  port = await findFreePort();
  const lines = Object.entries(NAMES).map(([address, name]) => `${address} ${name}`);
  writeFileSync(at("hosts"), `${lines.join("\n")}\n127.0.0.2 other.example\n`);
  openssl("req", "-x509", "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=test CA");
});

function openssl(command: string, ...words: string[]): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [command, ...key, ...words], { stdio: "pipe" });
}

/** A server with a certificate of the test's authority for that name. */
async function startAt(address: keyof typeof NAMES, names: string): Promise<TestServer> {
  const [certificate, key] = [at(`${address}.pem`), at(`${address}.key`)];
  openssl(
    ...(["req", "-x509", "-CA", at("ca.pem"), "-CAkey", at("ca.key")] as const),
    ...["-subj", "/CN=a server", "-addext", `subjectAltName=${names}`],
    ...["-keyout", key, "-out", certificate],
  );
  if (isRoot) for (const path of [folder, key, certificate]) chownSync(path, 65534, 65534);
  const server = await startTestServer([
    ...["ssl=on", `ssl_cert_file=${certificate}`, `ssl_key_file=${key}`],
    ...[`listen_addresses=${address}`, `port=${port}`],
  ]);
  onTestFinished(() => server.close());
  return server;
}

/** What a service gets that opens the database at these hosts and asks for its session. */
async function openAs(
  user: string,
  hosts: string,
  ca: string | null = at("ca.pem"),
): Promise<string> {
  const root = ca === null ? "" : `&sslrootcert=${ca}`;
  const script = `
    import { openDatabase } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    const url = "postgres://${user}@${hosts}/postgres?sslmode=verify-full${root}";
    const options = { dataDir: "/nonexistent", schema: "hub", maxConnections: 2, migrations: [], onLost() {} };
    try {
      const { sql, close } = await openDatabase({ ...options, url });
      const [row] = await sql\`select version, host(inet_server_addr()) as server from pg_stat_ssl where pid = pg_backend_pid()\`;
      console.log(row.version, row.server);
      await close();
    } catch (error) {
      const causes = [];
      for (let one = error; one !== undefined; one = Array.isArray(one.cause) ? one.cause[0] : one.cause) causes.push(one.code ?? one.message);
      console.log(causes.join(": "));
    }`;
  const enter = `mount --bind ${at("hosts")} /etc/hosts && exec "$0" "$@"`;
  const { stdout } = await promisify(execFile)("unshare", [
    ...[isRoot ? "-m" : "-rm", "sh", "-c", enter, process.execPath],
    ...["--conditions=sonde:source", "--input-type=module", "-e", script],
  ]);
  return stdout.trim();
}

test("a server proves the name or the address that it is asked by", async () => {
  const server = await startAt("127.0.0.2", "DNS:db1.example,IP:127.0.0.2");
  const { username } = new URL(server.url);
  for (const host of ["db1.example", "127.0.0.2"]) {
    expect(await openAs(username, `${host}:${port}`)).toBe("TLSv1.3 127.0.0.2");
  }
  expect(await openAs(username, `other.example:${port}`)).toBe(
    "DATABASE_UNAVAILABLE: ERR_TLS_CERT_ALTNAME_INVALID",
  );
  expect(await openAs(username, `db1.example:${port}`, null)).toBe(
    "DATABASE_UNAVAILABLE: UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  );
}, 60_000);

// The driver as it is published ends the process at the end here: it looks up types on a connection
// that is closed meanwhile.
test("of several servers one without proof is none, whichever is first", async () => {
  const genuine = await startAt("127.0.0.2", "DNS:db1.example");
  // An address is no reason to believe another name.
  await startAt("127.0.0.3", "DNS:localhost");
  const { username } = new URL(genuine.url);
  const hosts = [`db2.example:${port}`, `127.0.0.3:${port}`, `db1.example:${port}`];
  for (const order of [hosts, hosts.toReversed()]) {
    expect(await openAs(username, order.join(","))).toBe("TLSv1.3 127.0.0.2");
  }
  expect(await openAs(username, `127.0.0.3:${port}`)).toBe(
    "DATABASE_UNAVAILABLE: ERR_TLS_CERT_ALTNAME_INVALID",
  );
}, 60_000);

test("a server without TLS is refused", async () => {
  const server = await startTestServer([`listen_addresses=127.0.0.2`, `port=${port}`]);
  onTestFinished(() => server.close());
  const { username } = new URL(server.url);
  expect(await openAs(username, `db1.example:${port}`)).toBe("DATABASE_UNAVAILABLE: ECONNRESET");
}, 60_000);
