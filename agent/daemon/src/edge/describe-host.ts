import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import type { Digest } from "@sonde/schemas/names";
import type { HostStatement } from "../core/describe-agent.ts";

/** Reads what the agent states about the machine and its own program. */
export function describeHost(programPath: string, configSha256: Digest): HostStatement {
  const osRelease = readText("/etc/os-release");
  return {
    bootId: readText("/proc/sys/kernel/random/boot_id").trim().slice(0, 64),
    os: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1]?.slice(0, 200) ?? "unknown",
    kernel: release().slice(0, 200),
    arch: arch(),
    binarySha256: `sha256:${createHash("sha256").update(readFileSync(programPath)).digest("hex")}`,
    configSha256,
  };
}

/** Returns "unknown" for an unreadable file, so that the statement has a gap but nothing false. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "unknown";
  }
}
