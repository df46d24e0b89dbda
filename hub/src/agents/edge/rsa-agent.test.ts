import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { buildHello } from "@sonde/schemas/testing";
import { type CertificateBody, encodeBody } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub(undefined, {}, { keyAlgorithm: "rsa-sha256" });
});
afterAll(() => hub.close());

test("an agent with an RSA key gets its next certificate from a hub with an RSA command key", async () => {
  const { socket, channel } = await hub.connect(await hub.issueCertificate(20_000));
  const certified = new Promise<string>((done) => {
    socket.on("message", (frame: Buffer) => {
      const { header, body } = channel.open(frame);
      if (header.type === "certificate") done((body as CertificateBody).certificate);
    });
  });
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
  const next = new X509Certificate(await certified);
  expect(next.checkPrivateKey(hub.agent.key.privateKey)).toBe(true);
  expect(next.publicKey.asymmetricKeyType).toBe("rsa");
  const closed = once(socket, "close");
  socket.close();
  await closed;
  // The allow list has it: it opens the next session.
  (await hub.connect(next.toString())).socket.close();
});
