import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { createAuthority, openAuthority } from "@sonde/trust/ca";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestRegistry } from "./testing/test-registry.ts";

const http = (names: string[], more: object = {}) => ({
  http: {
    ...{ host: "127.0.0.1", port: 0, behindProxy: false },
    public: { host: "127.0.0.1", port: 0, names, ...more },
  },
});
let registry: TestRegistry;
let publicPort: number;

beforeAll(async () => {
  registry = await TestRegistry.start(http(["registry.example"]));
  const kept = readFileSync(join(registry.dataDir, "run/registry.json"), "utf8");
  publicPort = (JSON.parse(kept) as { publicPort: number }).publicPort;
});
afterAll(() => registry.close());

const read = (name: string) => readFileSync(join(registry.dataDir, "tls", name), "utf8");

/** @returns the certificate that was shown */
async function ask(servername: string, ca: string): Promise<X509Certificate> {
  const target = { host: "127.0.0.1", port: publicPort, agent: false, path: "/log/checkpoint" };
  const asked = request({ ...target, servername, ca }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  const shown = (response.socket as TLSSocket).getPeerX509Certificate();
  response.resume();
  return shown as X509Certificate;
}

async function restart(changes: object): Promise<void> {
  await registry.stop("SIGTERM");
  registry.writeConfig(registry.configFile, changes);
  await registry.start();
}

test("other machines see a certificate of the registry's own authority, which is kept", async () => {
  const authority = read("ca.pem");
  const first = await ask("registry.example", authority);
  await restart(http(["registry.example"]));
  expect((await ask("registry.example", authority)).fingerprint256).toBe(first.fingerprint256);
  await expect(ask("other.example", authority)).rejects.toMatchObject({
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
  for (const name of ["ca-key.pem", "server.json"]) {
    expect(statSync(join(registry.dataDir, "tls", name)).mode & 0o777).toBe(0o600);
  }
});

test("another name gets another certificate of the same authority", async () => {
  const authority = read("ca.pem");
  await restart(http(["other.example"]));
  const shown = await ask("other.example", authority);
  expect(shown.subjectAltName).toBe("DNS:other.example");
});

test("an operator's own certificate takes its place, and a renewed one is shown without a restart", async () => {
  const files = await createAuthority("an authority of the operator", new Date());
  const authority = await openAuthority(files, () => new Date());
  const own = {
    certificatePath: join(registry.root, "own.pem"),
    privateKeyPath: join(registry.root, "own-key.pem"),
  };
  /** @returns the fingerprint of a new certificate, which is in the operator's files now */
  async function renew(): Promise<string> {
    const { certificate, privateKey } = await authority.issueServerCertificate(["own.example"]);
    writeFileSync(own.certificatePath, certificate);
    writeFileSync(own.privateKeyPath, privateKey);
    return new X509Certificate(certificate).fingerprint256;
  }
  const first = await renew();
  await restart(http(["registry.example"], { tls: own }));
  expect((await ask("own.example", files.certificate)).fingerprint256).toBe(first);

  const renewed = await renew();
  const shownNow = async () => (await ask("own.example", files.certificate)).fingerprint256;
  await expect.poll(shownNow).toBe(renewed);
});
