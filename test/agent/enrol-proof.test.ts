import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { toSondeError } from "@sonde/schemas/errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildCsr } from "../../agent/daemon/src/edge/enrol/build-csr.ts";
import { parseToken } from "../../agent/daemon/src/edge/enrol/parse-token.ts";
import { connectPinned } from "../../agent/daemon/src/edge/enrol/pin-hub.ts";
import { requestIdentity } from "../../agent/daemon/src/edge/enrol/request-identity.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";

// What an agent proves when it enrols, held against a hub that runs. Attack 14: a token or a
// request that was captured is of no use without the key and this very TLS session.
let hub: TestHub;
let token: ReturnType<typeof parseToken>;
let address: { host: string; port: number };

beforeAll(async () => {
  hub = await startHub();
  const { answer } = await hub.ask("POST", "/enrolment-tokens", { agentName: "web-5" });
  token = parseToken(String(answer["token"]));
  const { hostname: host, port } = new URL(`https://${String(answer["enrolAddress"])}`);
  address = { host, port: Number(port) };
});
afterAll(() => hub.close());

/** @returns `enrolled`, or the code of the refusal */
async function enrol(
  change: { prepare?: (socket: TLSSocket) => void; signer?: KeyObject } = {},
): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const csr = await buildCsr(privateKey, publicKey);
  const socket = await connectPinned(address, hub.ca.toString());
  try {
    change.prepare?.(socket);
    const key = change.signer ?? privateKey;
    await requestIdentity(socket, { token, agentName: "web-5", csr, key });
    return "enrolled";
  } catch (thrown) {
    return toSondeError(thrown).code;
  } finally {
    socket.destroy();
  }
}

test("a proof by another key than the request's enrols nobody and burns nothing", async () => {
  expect(await enrol({ signer: generateKeyPairSync("ed25519").privateKey })).toBe("CSR_INVALID");
});

test("a proof of another TLS session enrols nobody and burns nothing", async () => {
  const elsewhere = await connectPinned(address, hub.ca.toString());
  const prepare = (socket: TLSSocket): void => {
    socket.exportKeyingMaterial = elsewhere.exportKeyingMaterial.bind(elsewhere);
  };
  expect(await enrol({ prepare })).toBe("CSR_INVALID");
  elsewhere.destroy();
});

test("the right proof enrols, once", async () => {
  expect(await enrol()).toBe("enrolled");
  expect(await enrol()).toBe("TOKEN_REFUSED");
});
