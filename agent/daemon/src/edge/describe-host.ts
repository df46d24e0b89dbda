import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import type { Digest } from "@sonde/schemas/names";
import type { HostStatement } from "../core/describe-agent.ts";
import { readOr, readOsName } from "./attest/read-machine.ts";

/** Reads what the agent states about the machine and its own program. */
export function describeHost(programPath: string, configSha256: Digest): HostStatement {
  return {
    bootId: readOr("/proc/sys/kernel/random/boot_id", "latin1").trim().slice(0, 64),
    os: readOsName(),
    kernel: release().slice(0, 200),
    arch: arch(),
    binarySha256: `sha256:${createHash("sha256").update(readFileSync(programPath)).digest("hex")}`,
    configSha256,
  };
}
