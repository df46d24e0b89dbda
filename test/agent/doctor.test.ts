import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Authority, createAuthority, openAuthority } from "@sonde/trust/ca";
import { createKeyPair } from "@sonde/trust/envelope";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkBubblewrap, checkDisk, checkGroups } from "../../cli/src/agent/doctor/check-host.ts";
import { checkHub } from "../../cli/src/agent/doctor/check-hub.ts";
import { checkRegistry } from "../../cli/src/agent/doctor/check-registry.ts";
import type { Finding } from "../../cli/src/agent/doctor/finding.ts";

// What `sonde-agent doctor` finds at real ports and files. test/hosts/install.test.ts breaks an
// installed host.

const DAY_MS = 86_400_000;
const HUB_ID = "00000000-0000-4000-8000-000000000001";
let folder: string;
let files: { certificate: string; privateKey: string };
let authority: Authority;
let server: Server;
/** How far the registry's clock is ahead. */
let aheadMs = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-doctor-"));
  files = await createAuthority("doctor", new Date(Date.now() - 400 * DAY_MS));
  authority = await openAuthority(files, () => new Date());
  server = await serve(authority);
});
afterAll(async () => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(issuer: Authority): Promise<Server> {
  const { certificate, privateKey } = await issuer.issueServerCertificate(["localhost"]);
  const served = createServer({ cert: certificate, key: privateKey }, (_request, response) => {
    response.setHeader("date", new Date(Date.now() + aheadMs).toUTCString());
    response.end("a checkpoint");
  });
  await new Promise<void>((done) => served.listen(0, "127.0.0.1", done));
  return served;
}

const portOf = (of: Server): number => (of.address() as AddressInfo).port;

/** @param at when the agent's certificate began */
async function certify(at = Date.now()): Promise<string> {
  const issuer = await openAuthority(files, () => new Date(at));
  const { publicKey } = createKeyPair("ed25519");
  const agentId = "00000000-0000-4000-8000-000000000002";
  const issued = await issuer.issueAgentCertificate({ publicKey, hubId: HUB_ID, agentId });
  return issued.certificate;
}

async function lookAtHub(changes: { host?: string; port?: number; ca?: string; at?: number } = {}) {
  const { host = "localhost", port = portOf(server), ca = files.certificate, at } = changes;
  return await checkHub({ host, port, ca, certificate: await certify(at) }, new Date());
}

const wrongOf = (findings: Finding[]): string[] =>
  findings.filter(({ isWell }) => !isWell).map(({ check }) => check);

test("a hub that is as it should be is found well, in all four looks", async () => {
  const findings = await lookAtHub();
  expect(findings.map(({ check }) => check)).toEqual(["certificate", "name", "port", "hub"]);
  expect(wrongOf(findings)).toEqual([]);
});

test("a name without an address ends the looks that need it", async () => {
  expect(wrongOf(await lookAtHub({ host: "hub.invalid" }))).toEqual(["name"]);
});

test("a port where nobody listens is named", async () => {
  const closed = await serve(authority);
  const port = portOf(closed);
  await new Promise((done) => closed.close(done));
  const findings = await lookAtHub({ port });
  expect(wrongOf(findings)).toEqual(["port"]);
  expect(findings.at(-1)?.mend).toContain(`open TCP port ${port}`);
});

test("another hub than the one of the enrolment is named", async () => {
  const stranger = await createAuthority("stranger", new Date());
  expect(wrongOf(await lookAtHub({ ca: stranger.certificate }))).toEqual(["hub"]);
});

test("a hub's certificate of another time is a wrong clock", async () => {
  const later = await serve(await openAuthority(files, () => new Date(Date.now() + 900 * DAY_MS)));
  expect(wrongOf(await lookAtHub({ port: portOf(later) }))).toEqual(["clock"]);
  later.close();
});

test("an agent's certificate that has ended, or has not begun, is found", async () => {
  expect(wrongOf(await lookAtHub({ at: Date.now() - 10 * DAY_MS }))).toEqual(["certificate"]);
  expect(wrongOf(await lookAtHub({ at: Date.now() + DAY_MS }))).toEqual(["clock"]);
});

test("a registry under another authority, and a clock that is not its own, are found", async () => {
  const registry = `https://localhost:${portOf(server)}`;
  const ask = (registryCa?: string) =>
    checkRegistry({ registry, ...(registryCa !== undefined && { registryCa }) }, () => new Date());
  expect(wrongOf(await ask(files.certificate))).toEqual([]);
  expect(wrongOf(await ask())).toEqual(["registry"]);
  for (aheadMs of [DAY_MS, -60_000]) {
    expect(wrongOf(await ask(files.certificate))).toEqual(["clock"]);
  }
  aheadMs = 0;
});

test("a filesystem without room is found", () => {
  // proc(5) has room for nothing.
  expect(checkDisk([folder, join(folder, "missing")]).isWell).toBe(true);
  expect(checkDisk([folder, "/proc"])).toMatchObject({ isWell: false, check: "disk" });
});

test("a group that was granted and is gone is found", () => {
  const groupFile = join(folder, "group");
  writeFileSync(groupFile, "root:x:0:\ndocker:x:998:\n");
  expect(checkGroups([["docker"]], groupFile).isWell).toBe(true);
  const { isWell, mend } = checkGroups([["docker"], ["adm", "docker"]], groupFile);
  expect(isWell).toBe(false);
  expect(mend).toContain("groupadd --system adm");
});

test("without systemd a pack's sandbox is tried as the runner's user", () => {
  const own = ([command = "", ...args]: string[]): [string, string[]] => [command, args];
  expect(checkBubblewrap(own)).toMatchObject({ check: "bubblewrap", isWell: true });
  const refused = checkBubblewrap((words) => ["sh", ["-c", "echo no >&2; exit 1", ...words]]);
  expect(refused).toMatchObject({ isWell: false, says: expect.stringContaining("no") as string });
});
