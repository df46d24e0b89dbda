import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

test("an event is one JSON line, written before the call returns", () => {
  const folder = mkdtempSync(join(tmpdir(), "sonde-log-"));
  const path = join(folder, "log");
  const fd = openSync(path, "w");
  const logger = createLogger(() => new Date("2026-11-27T12:00:00Z"), fd);
  const lines = (): unknown[] =>
    readFileSync(path, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  try {
    logger.info("stopping", { reason: "SIGTERM" });
    expect(lines()).toEqual([
      { level: "info", at: "2026-11-27T12:00:00.000Z", message: "stopping", reason: "SIGTERM" },
    ]);
    const cause = new Error("the disk\nis full");
    const error = new SondeError("INTERNAL", "An unexpected error happened.", { cause });
    logger.report(error, "4b1c");
    logger.report(new Error("alone"));
    expect(lines().slice(1)).toEqual([
      {
        level: "error",
        at: "2026-11-27T12:00:00.000Z",
        message: "An unexpected error happened.",
        requestId: "4b1c",
        stack: error.stack,
        cause: cause.stack,
      },
      {
        level: "error",
        at: "2026-11-27T12:00:00.000Z",
        message: "alone",
        stack: expect.stringContaining("alone"),
      },
    ]);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});
