import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { explainSystemError } from "./system-error.ts";

const data = mkdtempSync("/tmp/sonde-full-");
afterAll(() => rmSync(data, { recursive: true }));

test.runIf(process.getuid?.() === 0)(
  "a start on a full disk says what is full",
  () => {
    const fill = `mount -t tmpfs -o size=4k,mode=755 none "$1" && head -c 4096 /dev/zero > "$1/fill"`;
    const script = `${fill}; shift; exec "$@"`;
    const sonde = ["--conditions=sonde:source", join(import.meta.dirname, "sonde.ts")];
    const words = ["start", "--yes", "--json", "--port", "0", "--data", data];
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      ["--mount", "sh", "-c", script, "sh", data, process.execPath, ...sonde, ...words],
      { encoding: "utf8" },
    );
    expect(status, stderr).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "STARTING_FAILED", message: expect.stringMatching(/no space left on device/) },
    });
    expect(stderr).not.toContain("INTERNAL");
  },
  60_000,
);

test("an error of the system names the file and the reason; others stay what they are", () => {
  const refused = Object.assign(new Error("x"), {
    ...{ errno: -13, code: "EACCES", syscall: "open", path: "/srv/a" },
  });
  expect(explainSystemError(refused)).toMatchObject({
    code: "RIGHT_MISSING",
    message: "open /srv/a: permission denied (EACCES)",
    cause: refused,
  });
  const defect = new TypeError("x");
  expect(explainSystemError(defect)).toBe(defect);
});
