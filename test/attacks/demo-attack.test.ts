import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgentClient } from "../../cli/src/agent-client.ts";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { type Product, startProduct, workspace } from "../product/start-product.ts";

// Runs `npm run demo:attack` as a person does, against the running product.

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(async () => {
  await product?.stop();
});

function runDemo(...args: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn("npm", ["run", "-s", "demo:attack", "--", ...args], {
    cwd: workspace,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((done) => child.once("close", (code) => done({ code, out })));
}

async function readState() {
  const layout = layoutOf(product.data);
  return {
    trust: JSON.parse(readFileSync(layout.trustPolicy, "utf8")) as unknown,
    grants: readdirSync(layout.grants).sort(),
    packs: await createAgentClient(layout.agentSocket).packs(),
  };
}

test("every attack is refused with its code, in two runs, and nothing is left behind", async () => {
  const before = await readState();
  for (let run = 0; run < 2; run++) {
    const { code, out } = await runDemo("--data", product.data, "--json");
    const answer = JSON.parse(out) as { refused: boolean; attacks: { code: string }[] };
    expect(answer.attacks.map((attack) => attack.code)).toEqual([
      "ARCHIVE_INVALID",
      "SIGNER_UNTRUSTED",
      "PACK_TIMEOUT",
      "PARAMS_INVALID",
      "READ_NOT_GRANTED",
    ]);
    expect(answer.refused).toBe(true);
    expect(code).toBe(0);
    expect(await readState()).toEqual(before);
  }
});

test("the output for a person has a line for each attack", async () => {
  const { code, out } = await runDemo("--data", product.data);
  expect(code).toBe(0);
  expect(out.match(/^refused /gm)).toHaveLength(5);
});

test("without a running product it says so", async () => {
  const data = mkdtempSync("/tmp/sonde-nothing-");
  try {
    const { code, out } = await runDemo("--data", data, "--json");
    expect(code).toBe(1);
    expect((JSON.parse(out) as { error: { code: string } }).error.code).toBe("STARTING_FAILED");
  } finally {
    rmSync(data, { recursive: true });
  }
});
