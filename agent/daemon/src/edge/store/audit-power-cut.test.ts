import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { verifySegments } from "@sonde/trust/segments";
import { expect, test } from "vitest";
import { openAuditSegments } from "./audit-segments.ts";

const DISK_BYTES = 16 * 2 ** 20;

/** Runs a program that needs root. @returns whether it worked */
const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;

test("attack 62: after a power cut on ext4 the log opens with every acknowledged entry", async () => {
  const lab = mkdtempSync(join(tmpdir(), "sonde-power-"));
  const [disk, mounted, cut, after] = ["disk", "mounted", "cut", "after"].map((name) =>
    join(lab, name),
  ) as [string, string, string, string];
  try {
    for (const folder of [mounted, after]) mkdirSync(folder);
    writeFileSync(disk, "");
    truncateSync(disk, DISK_BYTES);
    // Mounting needs root.
    if (!works("mkfs.ext4", "-q", disk) || !works("mount", "-o", "loop", disk, mounted)) return;
    const writer = join(import.meta.dirname, "../../testing/audit-writer.ts");
    const child = spawn(
      process.execPath,
      ["--conditions=sonde:source", writer, join(mounted, "audit")],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let acknowledged = 0;
    const lines = createInterface({ input: child.stdout });
    const enough = new Promise<void>((done) => {
      lines.on("line", (line) => {
        if (line !== "open") acknowledged = Math.max(acknowledged, Number(line));
        if (acknowledged >= 60) done();
      });
    });
    await enough;
    const known = acknowledged;
    // What the disk has at this moment. The rest is in the kernel's memory, which a power cut takes.
    child.kill("SIGSTOP");
    copyFileSync(disk, cut);
    child.kill("SIGKILL");
    await once(child, "close");

    expect(works("mount", "-o", "loop", cut, after)).toBe(true);
    const folder = join(after, "audit");
    const segments = openAuditSegments(folder, { bytes: 16 * 1024, ms: Infinity });
    expect(segments.head.size).toBeGreaterThanOrEqual(known);
    await segments.close();
    expect(verifySegments(folder)).toMatchObject({ bad: null, tornBytes: 0, head: segments.head });
  } finally {
    for (const folder of [mounted, after]) spawnSync("umount", ["--lazy", folder]);
    rmSync(lab, { recursive: true, force: true });
  }
});
