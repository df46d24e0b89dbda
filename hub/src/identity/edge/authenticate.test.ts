import { randomUUID } from "node:crypto";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { createAuthenticator } from "./authenticate.ts";
import type { KeyRow } from "./key-store.ts";

const KEY: KeyRow = {
  id: randomUUID(),
  name: "Claude",
  policy: { role: "client", agents: "*", probes: "*" },
  held: null,
  endsAt: null,
};
const BEARER = `Bearer ${API_KEY_PREFIX}${"x".repeat(43)}`;

test("a key that is revoked during its look-up is not cached", async () => {
  let known: KeyRow | null = KEY;
  let looks = 0;
  let go = Promise.withResolvers<void>();
  const authenticator = createAuthenticator({
    keys: {
      async findKey() {
        looks += 1;
        const found = known;
        await go.promise;
        return found;
      },
      noteUse: () => Promise.resolve(),
    },
    book: { policies: () => new Map(), holders: () => new Map() },
    auditLog: { append: () => Promise.resolve() },
    now: () => new Date(),
    report: (error) => {
      throw error;
    },
  });
  const asked = () => authenticator.authenticate(BEARER, "192.0.2.1");
  const first = asked();
  known = null;
  authenticator.forget(KEY.id);
  go.resolve();
  expect((await first).subject.id).toBe(`key:${KEY.id}`);
  await expect(asked()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  // Without a revocation the key is cached after one look-up.
  known = KEY;
  go = Promise.withResolvers();
  go.resolve();
  await asked();
  await asked();
  expect(looks).toBe(3);
  await authenticator.close();
});
