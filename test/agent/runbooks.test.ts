import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openAskedPack } from "./ask-pack.ts";

// Runbooks of official packs, on faults that are really there. test/end-to-end/diagnose.test.ts has
// those of sonde/system, through a hub.

const isRoot = process.getuid?.() === 0;

async function openPack(name: string, script?: string) {
  const pack = await openAskedPack(name, script);
  onTestFinished(() => pack.close());
  return pack;
}

test.runIf(isRoot)("sonde/logs finds a log that nothing rotates", async () => {
  const path = `/var/log/sonde-runbook-${process.pid}.log`;
  const file = openSync(path, "wx");
  onTestFinished(() => rmSync(path));
  ftruncateSync(file, 3 * 2 ** 30);
  closeSync(file);
  const { findings } = await (await openPack("logs")).diagnose();
  const found = findings.find(({ finding }) => finding.startsWith("A log file has grown large"));
  expect(found?.severity).toBe("warning");
  expect(found?.evidence).toContainEqual(expect.objectContaining({ path, sizeBytes: 3 * 2 ** 30 }));
});
if (!isRoot) {
  process.stderr.write("NOT CHECKED: sonde/logs, and a network of its own; both need root\n");
}

test.runIf(isRoot)(
  "sonde/network finds nothing above info in a network that nobody uses",
  async () => {
    const own = `exec unshare --net sh -c 'ip link set lo up; exec "$@"' sh "$@"`;
    const { findings, unseen } = await (await openPack("network", own)).diagnose();
    expect(findings.filter(({ severity }) => severity !== "info")).toEqual([]);
    expect(findings.map(({ finding }) => finding)).toContain(
      "There is no default route: the host reaches its own networks only.",
    );
    expect(unseen).toEqual([]);
  },
);

const LISTEN = `const server = require("node:net").createServer();
server.listen({ port: 0, host: "127.0.0.1", backlog: 100 }, () => console.log(server.address().port));`;

test("sonde/network finds a program that accepts no connections", async () => {
  const program = spawn(process.execPath, ["-e", LISTEN], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void program.kill("SIGKILL"));
  const [said] = (await once(program.stdout, "data")) as [Buffer];
  const port = Number(said.toString());
  // A stopped program: the kernel keeps what connects for it.
  program.kill("SIGSTOP");
  const clients = Array.from({ length: 60 }, () => connect(port, "127.0.0.1"));
  onTestFinished(() => clients.forEach((client) => client.destroy()));
  await Promise.all(clients.map((client) => once(client, "connect")));
  const { findings } = await (await openPack("network")).diagnose();
  const found = findings.find(({ finding }) => finding.startsWith("Many connections wait"));
  expect(found?.severity).toBe("warning");
  expect(found?.evidence).toContainEqual(
    expect.objectContaining({ protocol: "tcp", address: "127.0.0.1", port, waiting: 60 }),
  );
});
