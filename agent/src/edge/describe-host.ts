import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import type { Digest, HelloBody } from "@sonde/schemas";

/** What the agent states about the machine and its own program. */
export function describeHost(
  programPath: string,
): Pick<HelloBody, "bootId" | "os" | "kernel" | "arch" | "binarySha256"> {
  return {
    bootId: readText("/proc/sys/kernel/random/boot_id").trim().slice(0, 64),
    os: /^PRETTY_NAME="?([^"\n]*)/m.exec(readText("/etc/os-release"))?.[1]?.slice(0, 200) ?? "unknown",
    kernel: release().slice(0, 200),
    arch: arch(),
    binarySha256: sha256(readFileSync(programPath)),
  };
}

/** An absent file makes a statement shorter, never false. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "unknown";
  }
}

function sha256(bytes: Buffer): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
