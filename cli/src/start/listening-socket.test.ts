import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { withListeningSocket } from "./listening-socket.ts";

const folder = mkdtempSync("/tmp/sonde-socket-");
afterAll(() => rmSync(folder, { recursive: true }));

const PROGRAM = `require("net").createServer((s) => s.end("the process " + process.argv[1]))
  .listen({ fd: 3 })`;

function start(path: string, name: string) {
  return withListeningSocket({ path, owner: null }, (fd) =>
    spawn(process.execPath, ["-e", PROGRAM, name], { stdio: ["ignore", "ignore", "inherit", fd] }),
  );
}

async function ask(path: string): Promise<string> {
  const socket = connect(path);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString();
}

test("the process that was handed the socket answers, and its successor after it", async () => {
  const path = join(folder, "socket");
  const first = start(path, "1");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await ask(path)).toBe("the process 1");
  first.kill("SIGKILL");
  await once(first, "exit");
  await expect(ask(path)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const second = start(path, "2");
  expect(await ask(path)).toBe("the process 2");
  second.kill("SIGKILL");
});

test("a path where no socket can be made is named", () => {
  const path = join(folder, "absent", "socket");
  expect(() => start(path, "1")).toThrow(expect.objectContaining({ code: "STARTING_FAILED" }));
});
