import { request } from "node:http";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LocalApi, type LocalHandlers, openLocalApi } from "./local-api.ts";

let folder: string;
let socketPath: string;
let api: LocalApi | undefined;

const packs = { packs: [] };
const handlers: LocalHandlers = {
  status: () => {
    throw new Error("at /secret/path");
  },
  packs: () => packs,
  acceptHub: () => {
    throw new Error("nobody asks");
  },
  explain: (name) => {
    throw new SondeError("NOT_FOUND", `no ${name}`);
  },
  reload: () => packs,
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-api-"));
  socketPath = join(folder, "run", "agent.sock");
});
afterEach(async () => {
  await api?.close();
  api = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function ask(method: string, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request({ socketPath, method, path }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}

test("only the agent's user and group can reach the socket", async () => {
  api = await openLocalApi(socketPath, handlers);
  expect(statSync(join(folder, "run")).mode & 0o777).toBe(0o750);
  expect(statSync(socketPath).mode & 0o777).toBe(0o660);
});

test("routes answer; any other request is refused with a code", async () => {
  api = await openLocalApi(socketPath, handlers);
  expect(await ask("GET", "/packs")).toEqual({ status: 200, text: JSON.stringify(packs) });
  expect(await ask("POST", "/reload")).toEqual({ status: 200, text: JSON.stringify(packs) });
  expect((await ask("GET", "/packs/acme/hello")).text).toContain("no acme/hello");
  for (const [method, path] of [
    ["GET", "/reload"],
    ["POST", "/packs"],
    ["GET", "/packs/../../x"],
    ["GET", "/packs/acme/hello/more"],
    ["GET", "/packs/Acme/hello"],
    ["GET", "/"],
  ] as const) {
    const answer = await ask(method, path);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text).error.code).toBe("NOT_FOUND");
  }
  const failed = await ask("GET", "/status");
  expect(failed.status).toBe(500);
  expect(failed.text).not.toContain("/secret/path");
});

test("a socket left by a killed agent is replaced, anything else in its place is not", async () => {
  api = await openLocalApi(socketPath, handlers);
  await api.close();
  const abandoned = createServer();
  await new Promise<void>((resolve) => abandoned.listen(socketPath, resolve));
  api = await openLocalApi(socketPath, handlers);
  expect((await ask("GET", "/packs")).status).toBe(200);
  await api.close();
  abandoned.close();
  api = undefined;
  rmSync(socketPath, { force: true });
  writeFileSync(socketPath, "precious");
  await expect(openLocalApi(socketPath, handlers)).rejects.toMatchObject({
    code: "STARTING_FAILED",
  });
});
