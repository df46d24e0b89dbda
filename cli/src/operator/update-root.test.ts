import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildSamplePolicy } from "@sonde/trust/testing";
import { createTestSigstore } from "@sonde/trust/testing/sigstore";
// Imported by its file: the package's main module intercepts every HTTP request of the process.
import { tufHandlers } from "@tufjs/repo-mock/dist/handler.js";
import { initializeTUFRepo } from "@tufjs/repo-mock/dist/repo.js";
import { Command } from "commander";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { layoutOf } from "../data-layout.ts";
import { addTrustCommands } from "./trust-commands.ts";

// A TUF repository over HTTP on loopback, with temporary keys.
const { trustedRoot } = await createTestSigstore();
const folder = mkdtempSync(path.join(tmpdir(), "sonde-tuf-"));
let served: Map<string, string | Buffer>;
let server: Server;
let mirror: string;
let data: string;
let rootFile: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const body = served.get(request.url ?? "");
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  data = mkdtempSync(path.join(folder, "case-"));
  rootFile = path.join(data, "root.json");
  mkdirSync(path.dirname(layoutOf(data).trustPolicy), { recursive: true });
  writeFileSync(layoutOf(data).trustPolicy, JSON.stringify(buildSamplePolicy({})));
  writeFileSync(rootFile, serve(JSON.stringify(trustedRoot)));
});

/** @returns the repository's first root.json */
function serve(content: string): string {
  const repository = initializeTUFRepo([{ name: "trusted_root.json", content }]);
  const handlers = tufHandlers(repository, {
    metadataPathPrefix: "",
    targetPathPrefix: "/targets",
  });
  served = new Map(
    handlers.flatMap(({ path: at, fn }) => {
      const { statusCode, response } = fn();
      return statusCode === 200 ? [[at, response] as const] : [];
    }),
  );
  return JSON.stringify(repository.rootMeta.toJSON());
}

async function update(from = mirror): Promise<string> {
  const program = new Command().exitOverride();
  addTrustCommands(program, () => undefined);
  const args = ["trust", "update-root", "--mirror", from, "--root", rootFile, "--data", data];
  try {
    await program.parseAsync(args, { from: "user" });
    return "pinned";
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
}

const pinned = (): unknown =>
  (JSON.parse(readFileSync(layoutOf(data).trustPolicy, "utf8")) as { trustedRoot?: unknown })
    .trustedRoot;

test("the newest root is pinned, and a second update works", async () => {
  expect(await update()).toBe("pinned");
  expect(pinned()).toEqual(trustedRoot);
  expect(await update()).toBe("pinned");
});

test("a root that the first root's keys did not sign is refused, and the pinned one stays", async () => {
  const other = (await createTestSigstore()).trustedRoot;
  serve(JSON.stringify(other));
  expect(await update()).toBe("ROOT_UPDATE_FAILED");
  expect(pinned()).toBeUndefined();
});

test("a changed target, an absent mirror and a mirror over plain HTTP are refused", async () => {
  served.set("/targets/trusted_root.json", JSON.stringify({ ...trustedRoot, tlogs: [] }));
  expect(await update()).toBe("ROOT_UPDATE_FAILED");
  served = new Map();
  expect(await update()).toBe("ROOT_UPDATE_FAILED");
  expect(await update("http://mirror.example")).toBe("BAD_REQUEST");
  expect(pinned()).toBeUndefined();
});

test("a correctly signed file that is not a trusted root is refused", async () => {
  writeFileSync(rootFile, serve("{}"));
  expect(await update()).toBe("CONFIG_INVALID");
  expect(pinned()).toBeUndefined();
});
