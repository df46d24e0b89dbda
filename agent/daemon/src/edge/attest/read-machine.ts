import { existsSync, readFileSync } from "node:fs";
import type { AgentStatement } from "@sonde/schemas/wire";

const FIRMWARE = "/sys/firmware/efi";
/** The global variable's vendor id (UEFI 2.10, 3.3). */
const SECURE_BOOT = `${FIRMWARE}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
const TPM = "/sys/class/tpm/tpm0";

/** How the machine was started and is guarded, as far as its kernel tells an ordinary process. */
export function readMachine(): Pick<AgentStatement, "os" | "lsm" | "secureBoot" | "tpm"> {
  return {
    os: readOsName(),
    lsm: readOr("/sys/kernel/security/lsm", "latin1").trim().slice(0, 200),
    secureBoot: readSecureBoot(),
    tpm: existsSync(TPM)
      ? readOr(`${TPM}/tpm_version_major`, "latin1").trim().slice(0, 20)
      : "none",
  };
}

/** The system's name for people (os-release(5)). */
export function readOsName(): string {
  const release = readOr("/etc/os-release", "utf8");
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1]?.slice(0, 200) ?? "unknown";
}

/** The variable has four bytes of attributes, and then 1 for on (efivarfs, UEFI 2.10, 3.3). */
function readSecureBoot(): string {
  if (!existsSync(FIRMWARE)) return "none";
  const bytes = readOr(SECURE_BOOT, "latin1");
  if (bytes.length !== 5) return "unknown";
  return bytes.charCodeAt(4) === 1 ? "on" : "off";
}

/** `unknown` for what cannot be read, so that the statement has a gap but nothing false. */
export function readOr(path: string, encoding: "latin1" | "utf8"): string {
  try {
    return readFileSync(path, encoding);
  } catch {
    return "unknown";
  }
}
