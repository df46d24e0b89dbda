import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { createAuthority, type KeyedCertificate, openAuthority } from "@sonde/trust/ca";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../testing/start-hub.ts";

let hub: TestHub;
let folder: string;
let port: number;
const path = (name: string) => join(folder, name);
const write = (name: string, text: string) => writeFileSync(path(name), text, { mode: 0o644 });

async function issue(): Promise<KeyedCertificate> {
  const files = await createAuthority("an authority of the operator", new Date());
  const authority = await openAuthority(files, () => new Date());
  return await authority.issueServerCertificate(["hub.example"]);
}

/** The certificate that clients are shown now. */
function shown(): Promise<string> {
  return new Promise((done, fail) => {
    const options = {
      host: "127.0.0.1",
      port,
      servername: "hub.example",
      rejectUnauthorized: false,
    };
    const socket = connect(options, () => {
      done(socket.getPeerX509Certificate()?.fingerprint256 ?? "");
      socket.destroy();
    });
    socket.once("error", fail);
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-own-"));
  chmodSync(folder, 0o755);
  const first = await issue();
  write("cert.pem", first.certificate);
  write("key.pem", first.privateKey);
  const tls = { certificatePath: path("cert.pem"), privateKeyPath: path("key.pem") };
  hub = await startHub(undefined, {
    public: { host: "127.0.0.1", port: 0, tls },
  });
  port = hub.ready.public;
});
afterAll(async () => {
  await hub?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("a renewed certificate of the operator's own is shown without a restart, never a half of it", async () => {
  const before = await shown();
  const next = await issue();
  write("cert.pem", next.certificate);
  // The key of the earlier certificate is still there.
  await new Promise((done) => setTimeout(done, 3_000));
  expect(await shown()).toBe(before);
  write("key.pem", next.privateKey);
  await expect.poll(shown, { timeout: 15_000 }).not.toBe(before);
});
