import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import type { ErrorBody } from "@sonde/schemas/errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectPinned } from "../../agent/daemon/src/edge/enrol/pin-hub.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { enrolAt, makeTicket, type Ticket } from "./enrol-at.ts";

// What an agent proves when it enrols, held against a hub that runs. Attack 14: a token or a
// request that was captured is of no use without the key and this very TLS session.
let hub: TestHub;
let ticket: Ticket;

beforeAll(async () => {
  hub = await startHub();
  ticket = await makeTicket(hub, "web-5");
});
afterAll(() => hub.close());

test("a proof by another key than the request's enrols nobody and burns nothing", async () => {
  const signer = generateKeyPairSync("ed25519").privateKey;
  expect(await enrolAt(hub, ticket, { signer })).toBe("CSR_INVALID");
});

test("a proof of another TLS session enrols nobody and burns nothing", async () => {
  const elsewhere = await connectPinned(ticket.address, hub.ca.toString());
  const prepare = (socket: TLSSocket): void => {
    socket.exportKeyingMaterial = elsewhere.exportKeyingMaterial.bind(elsewhere);
  };
  expect(await enrolAt(hub, ticket, { prepare })).toBe("CSR_INVALID");
  elsewhere.destroy();
});

test("the right proof enrols, once", async () => {
  expect(await enrolAt(hub, ticket)).toBe("enrolled");
  expect(await enrolAt(hub, ticket)).toBe("TOKEN_REFUSED");
});

/** Sends a well-formed request with a guessed token. @returns the code of the refusal */
async function guess(localAddress: string): Promise<string> {
  const asked = request({
    ...{ ...ticket.address, localAddress, ca: hub.ca, agent: false },
    ...{ method: "POST", path: "/enrol", headers: { "content-type": "application/json" } },
  });
  const body = { token: "sonde_et_guess", agentName: "web-6", csr: "no request", proof: "" };
  asked.end(JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const { error } = JSON.parse((await response.toArray()).join("")) as ErrorBody;
  return error.code;
}

const guesses = async (count: number, localAddress: string): Promise<string[]> => {
  const codes: string[] = [];
  for (let index = 0; index < count; index++) codes.push(await guess(localAddress));
  return codes;
};

test("identity rule 1: while many addresses flood with guesses, another one enrols", async () => {
  const flooded = await guesses(50, "127.0.0.5");
  expect(flooded.slice(0, 5)).toEqual(Array(5).fill("TOKEN_REFUSED"));
  expect(new Set(flooded.slice(5))).toEqual(new Set(["TOO_MANY_ATTEMPTS"]));
  for (let index = 1; index <= 25; index++) {
    expect(await guesses(5, `127.0.1.${index}`)).toEqual(Array(5).fill("TOKEN_REFUSED"));
  }
  expect(await enrolAt(hub, await makeTicket(hub, "web-6"))).toBe("enrolled");
});
