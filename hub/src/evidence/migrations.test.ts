import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { migrations } from "../migrations.ts";
import { startReleases } from "../testing/open-hub-database.ts";

test("keys of agents of an earlier release are found, and no former key is taken for the present one", async () => {
  const releases = await startReleases();
  const first = migrations.findIndex(({ name }) => name === "evidence");
  const earlier = await releases.open(migrations.slice(0, first));
  const enrolledAt = new Date("2026-01-02T03:04:05.678Z");
  const [web, away] = [randomUUID(), randomUUID()];
  for (const [id, name] of [
    [web, "web-1"],
    [away, "away-1"],
  ] as const) {
    await earlier.sql`insert into agents (id, name, public_key, enrolled_at)
      values (${id}, ${name}, ${`key of ${name}`}, ${enrolledAt})`;
  }
  // One renewed its certificate with the same key, after it had another; the other was revoked.
  for (const [agent, key, revokedAt] of [
    [web, "former", enrolledAt],
    [web, "present", null],
    [web, "present", null],
    [away, "revoked", enrolledAt],
  ] as const) {
    await earlier.sql`insert into agent_certificates
      (serial, agent_id, key_id, expires_at, generation, revoked_at)
      values (${randomUUID()}, ${agent}, ${key}, ${enrolledAt}, 0, ${revokedAt})`;
  }
  await earlier.close();

  const { sql, ...now } = await releases.open(migrations);
  try {
    const rows = await sql`
      select key_id, agent_id, public_key, since from agent_keys order by key_id`;
    expect([...rows]).toEqual([
      {
        ...{ key_id: "present", agent_id: web, public_key: "key of web-1" },
        since: enrolledAt,
      },
    ]);
  } finally {
    await now.close();
    await releases.close();
  }
});
