import { buildAuditRecord } from "@sonde/schemas/audit";
import { expect, test } from "vitest";
import { buildBatch } from "./batch.ts";
import { parseWebhookKeys } from "../../receivers/index.ts";
import { signWebhook } from "../../receivers/core/webhook-signature.ts";
import { buildWebhook } from "./webhook-request.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HASH = `sha256:${"a".repeat(64)}`;
const entry = (seq: number, hash = HASH) => ({
  ...{ seq, previous: HASH, hash },
  record: buildAuditRecord(new Date(seq * 1000), "key.created", {}),
});

test("a signature is what the scheme's own example has", () => {
  const [key = Buffer.alloc(0)] = parseWebhookKeys(`${SECRET}\n`, "f");
  const message = {
    ...{ id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330" },
    body: '{"test": 2432232314}',
  };
  expect(signWebhook(message, key)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("a batch that is sent again has the same id and body, and a new time and signature", () => {
  const keys = parseWebhookKeys(`${SECRET}\n${SECRET}`, "f");
  const batch = buildBatch("a", [entry(1), entry(2)]);
  const [one, again] = [1_000, 9_000].map((ms) => buildWebhook(batch, "hub-1", keys, new Date(ms)));
  expect(again?.body).toBe(one?.body);
  expect(again?.headers["webhook-id"]).toBe(one?.headers["webhook-id"]);
  expect([one?.headers["webhook-timestamp"], again?.headers["webhook-timestamp"]]).toEqual([
    "1",
    "9",
  ]);
  expect(one?.headers["webhook-signature"]).toMatch(/^v1,[\w+/=]{44} v1,[\w+/=]{44}$/);
  expect(one?.headers["webhook-signature"]).not.toBe(again?.headers["webhook-signature"]);
});

test("another batch has another id, also one of the same numbers after a restore", () => {
  const other = `sha256:${"b".repeat(64)}`;
  const ids = [
    buildBatch("a", [entry(1), entry(2)]),
    buildBatch("b", [entry(1), entry(2)]),
    buildBatch("a", [entry(1)]),
    buildBatch("a", [entry(2)]),
    buildBatch("a", [entry(1), entry(2, other)]),
  ].map(({ id }) => id);
  expect(new Set(ids).size).toBe(5);
});

test.each([
  ["nothing", ""],
  ["no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
  ["too few bytes", "whsec_c2hvcnQ="],
  ["too many bytes", `whsec_${Buffer.alloc(65).toString("base64")}`],
  ["another alphabet", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_"],
  ["four", `${SECRET}\n`.repeat(4)],
])("a key file with %s is refused, and nothing of it is said", (_what, text) => {
  expect(() => parseWebhookKeys(text, "f")).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: "f: expected 1 to 3 lines of whsec_ and 24 to 64 bytes in base64",
    }) as Error,
  );
});
