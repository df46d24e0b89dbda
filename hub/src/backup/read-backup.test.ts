import { EXPORT_END, encodeMember } from "@sonde/trust/export";
import { expect, test } from "vitest";
import { type BackupManifest, MANIFEST } from "./layout.ts";
import { openBackup } from "./read-backup.ts";

const manifest: BackupManifest = {
  ...{ format: 1, release: "0.1.0", hubId: "00000000-0000-4000-8000-000000000000" },
  ...{ at: "2026-01-01T00:00:00.000Z", epoch: 0, files: [], tables: [], migrations: ["first"] },
  auditHead: { size: 1, hash: `sha256:${"a".repeat(64)}` },
};
const open = (change: Partial<BackupManifest>) => {
  const text = Buffer.from(JSON.stringify({ ...manifest, ...change }));
  const bytes = Buffer.concat([encodeMember(MANIFEST, text), EXPORT_END]);
  return openBackup(ReadableStream.from([bytes]) as AsyncIterable<Uint8Array>, ["first"]);
};

test("a backup of this release is opened", async () => {
  expect((await open({})).manifest).toEqual(manifest);
});

test("a backup of a newer release is refused", async () => {
  const migrations = ["first", "later"];
  await expect(open({ migrations })).rejects.toMatchObject({ code: "BACKUP_INVALID" });
});

test.each(["../keys", "/etc/passwd", "keys/../../etc", "keys//a", ".ssh/key", "a/b/c/d/e/f", ""])(
  "attack 42: a file that leads out of the folder is refused: %s",
  async (name) => {
    await expect(open({ files: [name] })).rejects.toMatchObject({ code: "BACKUP_INVALID" });
  },
);
