import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { askProgram, runProgram } from "../product/run-program.ts";
import { runStart, type Start } from "../product/run-start.ts";
import { createDataFolder, startProduct, until } from "../product/start-product.ts";

const data = createDataFolder();
let start: Start | undefined;
afterAll(async () => {
  await start?.terminate();
  rmSync(data, { recursive: true, force: true });
});

test("a start with an agent that is held goes on, lifts nothing, and says how to release it", async () => {
  const product = await startProduct({ data });
  const words = ["agents", "quarantine", product.agent, "--reason", "looks odd", "--data", data];
  await askProgram("sonde", words);
  await product.stop();
  const second = runStart(["--yes", "--data", data, "--port", "0"]);
  start = second;
  await until("the second start to be ready", async () => /^Ready\./m.test(second.out()));
  expect(second.out()).toContain(
    `${product.agent} is held, so it is asked nothing. quarantined: looks odd`,
  );
  const [, release] = /^To release it: \S*sonde (.+)$/m.exec(second.out()) ?? [];
  expect(release).toBe(`agents release ${product.agent} --data ${data}`);
  expect(second.err()).not.toContain("AGENT_QUARANTINED");
  expect((await runProgram("sonde", [...(release ?? "").split(" "), "--yes"])).code).toBe(0);
}, 300_000);
