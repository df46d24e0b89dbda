import { fileURLToPath } from "node:url";
import { type Fixture, readFixtures } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import { overview } from "./overview.ts";

const fixtures = await readFixtures(fileURLToPath(new URL("..", import.meta.url)));
const { fixture } = fixtures.find(({ name }) => name === "overview") as { fixture: Fixture };

function ask(changes: Record<string, (text: string) => string>): unknown {
  const { params, now } = fixture;
  const reads = structuredClone(fixture.reads);
  for (const [name, change] of Object.entries(changes)) {
    const outcome = reads[name];
    if (outcome === undefined || !("samples" in outcome))
      throw new Error(`expected a read ${name}`);
    for (const { data } of outcome.samples) {
      if ("text" in data) data.text = change(data.text);
    }
  }
  return overview.call({ params, now, reads });
}

test("the time of the boot and the uptime are of one view, also where a container has its own uptime", () => {
  // The host was booted three weeks ago, the container a hundred seconds ago.
  const uptime = () => "100.25 90.00\n";
  const hundredSecondsAgo = new Date(Math.round((fixture.now - 100_250) / 1000) * 1000);
  expect(ask({ uptime })).toMatchObject({
    uptimeSeconds: 100,
    bootedAt: hundredSecondsAgo.toISOString(),
  });
  const cpu = (text: string) => text.replace(/^btime .*\n/m, "");
  expect(ask({ uptime, cpu })).toMatchObject({ bootedAt: hundredSecondsAgo.toISOString() });
});
