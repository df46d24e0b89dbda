import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isCheckedHere } from "../hosts/requirements.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";
import { makeIssuer, makeServerFiles } from "./make-certificates.ts";

// What sonde/certificates finds in files, read by a real runner of the user nobody, and what `openssl`
// reads in the same. The runner has an /etc of its own, which needs root.

const isChecked = isCheckedHere("files of sonde/certificates", {
  unshare: "util-linux",
  openssl: "openssl",
});
const run = promisify(execFile);

type Row = Record<string, unknown> & { path: string; names: string[]; daysLeft: number };
let home: string;
let pack: AskedPack;
let answer: { certificates: Row[] } & Record<string, unknown>;
/** What lies in files that are read, or must not be, and belongs to nobody else. */
const kept: string[] = [];

async function put(path: string, text: string, mode = 0o644): Promise<void> {
  const at = join(home, path);
  await mkdir(dirname(at), { recursive: true, mode: 0o755 });
  await writeFile(at, text, { mode });
}

beforeAll(async () => {
  if (!isChecked) return;
  home = await mkdtemp(join(tmpdir(), "sonde-certificates-"));
  await cp("/etc", join(home, "etc"), { recursive: true, verbatimSymlinks: true });
  const root = await makeIssuer("root of a test");
  const middle = await makeIssuer("between", root);
  const stranger = await makeIssuer("a stranger");
  const named = (name: string) => [{ type: "dns" as const, value: name }];
  const make = async (name: string, to: number, issuers = [middle, root]) => {
    const { certificate, key } = await makeServerFiles(named(name), issuers, { from: -9, to });
    kept.push(...key.split("\n").filter((line) => line.length > 40));
    return { certificate, key };
  };
  const soon = await make("soon.example", 3);
  const late = await make("late.example", 300);
  const gone = await make("gone.example", -2);
  const combined = await make("combined.example", 100);
  const secret = await make("secret.example", 50);
  await put("etc/ssl/late.crt", late.certificate);
  await put("etc/ssl/late-copy.pem", late.certificate);
  await put("etc/ssl/gone.pem", gone.certificate);
  await put("etc/ssl/locked.crt", secret.certificate, 0o600);
  await put("etc/ssl/private/in-private.crt", secret.certificate);
  await put("etc/ssl/server-key.pem", secret.certificate + secret.key);
  await put("etc/ssl/bare.pem", secret.key);
  await put("etc/ssl/notes.pem", "password=hunter2\n");
  await put(
    "etc/ssl/wrong.crt",
    `${(await make("wrong.example", 200, [root])).certificate}\n${stranger.certificate.toString("pem")}`,
  );
  await put("etc/ssl/broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await put("etc/nginx/tls/combined.pem", combined.certificate + combined.key);
  await put("etc/letsencrypt/archive/soon/cert1.pem", soon.certificate);
  await put("etc/letsencrypt/live/soon/README", "cert.pem");
  await symlink("../../archive/soon/cert1.pem", join(home, "etc/letsencrypt/live/soon/cert.pem"));
  await symlink("../../archive/soon/cert2.pem", join(home, "etc/letsencrypt/live/soon/lost.pem"));
  await put("srv/added.pem", (await make("added.example", 60)).certificate);
  await symlink(join(home, "srv/added.pem"), join(home, "etc/ssl/added.pem"));
  await put("etc/haproxy/one.pem", late.certificate);
  await chmod(join(home, "etc/haproxy"), 0o700);
  await chmod(home, 0o755);
  pack = await openAskedPack("certificates", `mount --bind ${join(home, "etc")} /etc`);
  answer = (await pack.ask("files")) as typeof answer;
}, 60_000);
afterAll(async () => {
  if (!isChecked) return;
  await pack?.close();
  await rm(home, { recursive: true, force: true });
});

const namesOf = ({ certificates }: typeof answer) =>
  certificates.map(({ names }) => names[0] ?? "").filter((name) => name.endsWith(".example"));
const openssl = (path: string, ...args: string[]) =>
  run("openssl", ["x509", "-noout", "-in", path, ...args]);

test.runIf(isChecked)(
  "certificates by their end, the nearest first, as openssl reads them",
  async () => {
    expect(namesOf(answer)).toEqual([
      ...["gone.example", "soon.example", "added.example", "combined.example", "wrong.example"],
      "late.example",
    ]);
    const own = answer.certificates.filter(({ names }) => names[0]?.endsWith(".example"));
    for (const { path, ...told } of own) {
      const real = path.startsWith("/etc/letsencrypt")
        ? join(home, "etc/letsencrypt/archive/soon/cert1.pem")
        : join(home, path);
      const { stdout } = await openssl(
        real,
        "-serial",
        "-enddate",
        "-startdate",
        "-ext",
        "subjectAltName",
      );
      expect(stdout).toContain(`serial=${String(told["serial"])}`);
      const [, ends = ""] = /notAfter=(.*)/.exec(stdout) ?? [];
      expect(new Date(ends).toISOString()).toBe(told["notAfter"]);
      const [, begins = ""] = /notBefore=(.*)/.exec(stdout) ?? [];
      expect(new Date(begins).toISOString()).toBe(told["notBefore"]);
      expect(stdout).toContain(`DNS:${told.names[0]}`);
      const { stdout: pem } = await openssl(real, "-pubkey");
      const der = execFileSync("openssl", ["pkey", "-pubin", "-outform", "DER"], { input: pem });
      expect(createHash("sha256").update(der).digest("hex")).toBe(told["publicKeySha256"]);
    }
    expect(own.map(({ daysLeft }) => daysLeft)).toEqual([-3, 2, 59, 99, 199, 299]);
    expect(answer).toMatchObject({ expiredCount: 1, incomplete: false });
    expect(own.at(-1)).toMatchObject({
      ...{ path: "/etc/ssl/late-copy.pem", otherPaths: ["/etc/ssl/late.crt"] },
      ...{ isAuthority: false, isSelfSigned: false },
    });
  },
);

test.runIf(isChecked)("a chain that is none, and one that is", () => {
  expect(answer["brokenChains"]).toEqual([
    { path: "/etc/ssl/wrong.crt", subject: "CN=server of a test" },
  ]);
  expect(answer.certificates.filter(({ subject }) => subject === "CN=between")).toMatchObject([
    { isAuthority: true, isSelfSigned: false, issuer: "CN=root of a test" },
  ]);
});

test.runIf(isChecked)("what could not be read is apart from what is not there", () => {
  const unreadable = answer["unreadable"] as { path: string; reason: string }[];
  const paths = unreadable.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining(["/etc/ssl/locked.crt", "/etc/ssl/broken.pem", "/etc/haproxy"]),
  );
  expect(paths).not.toContain("/etc/letsencrypt/live/soon/lost.pem");
});

// Attack 55.
test.runIf(isChecked)("no private key, and nothing else of a file, leaves the runner", async () => {
  const read = JSON.stringify(await pack.read("files"));
  expect(kept.length).toBeGreaterThan(5);
  for (const line of [...kept, "hunter2", "PRIVATE KEY", "secret.example"]) {
    expect(read).not.toContain(line);
  }
  expect(answer["besidePrivateKeys"]).toEqual([{ path: "/etc/nginx/tls/combined.pem" }]);
});

test.runIf(isChecked)("what the host trusts is not listed", async () => {
  const trusted = join(home, "etc/ssl/certs/ISRG_Root_X1.pem");
  expect((await openssl(trusted, "-subject")).stdout).toContain("ISRG Root X1");
  const { certificates } = (await pack.ask("files", { limit: 500 })) as typeof answer;
  expect(certificates.filter(({ subject }) => String(subject).includes("ISRG"))).toEqual([]);
  expect(certificates.length).toBe(answer["certificateCount"]);
});

test.runIf(isChecked)("a certificate that has expired is the first finding", async () => {
  const { findings } = await pack.diagnose();
  expect(findings.slice(0, 2).map(({ finding }) => finding)).toEqual([
    "A certificate has expired.",
    "A certificate ends within a week.",
  ]);
});
