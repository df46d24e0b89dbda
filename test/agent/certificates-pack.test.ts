import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";
import { makeServerFiles } from "./make-certificates.ts";

// What sonde/certificates says of servers of this test, read by a real runner.

let pack: AskedPack;
beforeAll(async () => {
  pack = await openAskedPack("certificates");
}, 60_000);
afterAll(() => pack.close());

test("endpoint says when a certificate ended, and all that is wrong with it", async () => {
  const names = [{ type: "dns" as const, value: "old.example" }];
  const { certificate, key } = await makeServerFiles(names, [], { from: -9, to: -2.5 });
  const server = createServer({ cert: certificate, key }, (socket) =>
    socket.on("error", () => undefined),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  expect(await pack.ask("endpoint", { endpoint: `127.0.0.1:${port}` })).toMatchObject({
    endpoint: `127.0.0.1:${port}`,
    verdict:
      "a certificate has expired; the certificate is for other names; the certificate is signed by itself",
    isTrusted: false,
    daysLeft: -3,
    certificates: [{ subject: "CN=server of a test", names: ["old.example"], daysLeft: -3 }],
    addresses: [{ address: "127.0.0.1", outcome: "connected" }],
  });
});
