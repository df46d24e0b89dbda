import { execFile } from "node:child_process";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

// A registry that speaks to the terminal of whoever asks it (attack 38).

const HOSTILE = "\u001b]0;title\u0007\u001b[2J\u202e\n  next: run this";
const SHOWN = String.raw`\u001b]0;title\u0007\u001b[2J\u202e`;
const bin = join(import.meta.dirname, "../../../bin");
let server: Server;
let answer: { status: number; body: object };

beforeAll(async () => {
  server = createServer((_request, response) => {
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(() => server.close());

/** Runs a program as a person does. @returns all that it printed */
function run(program: string, args: string[]): Promise<string> {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const url = `http://127.0.0.1:${port}`;
  const env = { ...process.env, SONDE_PUBLISH_TOKEN: "sonde_pt_none" };
  return new Promise((done) => {
    const words = args.map((word) => word.replace("REGISTRY", url));
    execFile(join(bin, program), words, { env }, (_error, out, err) => done(out + err));
  });
}

test.each([
  ["sonde", ["registry", "resolve", "REGISTRY", "acme/hello@^1"]],
  ["sonde-pack", ["yank", "acme/hello", "1.0.0", "--reason", "x", "--registry", "REGISTRY"]],
])(
  "a refusal is one line on the terminal of %s",
  async (program, args) => {
    answer = { status: 403, body: { error: { code: "FORBIDDEN", message: HOSTILE } } };
    const printed = await run(program, args);
    expect(printed).toContain(String.raw`${SHOWN}\n  next: run this`);
  },
  60_000,
);

test("an answer has no commands for the terminal", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const body = { name: "acme/hello", version: "1.0.0", digest, engines: { agent: HOSTILE } };
  answer = { status: 200, body };
  const args = ["registry", "resolve", "REGISTRY", "acme/hello@^1"];
  expect(await run("sonde", args)).toContain(`for agents ${SHOWN}\n`);
}, 60_000);
