import { SondeError } from "@sonde/schemas/errors";
import type { ProcessRights } from "@sonde/schemas/wire";

/**
 * Parses `/proc/<pid>/status` (proc_pid_status(5)).
 *
 * @throws SondeError PRIVILEGE_REFUSED for a missing line
 */
export function parseProcessStatus(text: string): ProcessRights {
  const fields = new Map(
    text.split("\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    }),
  );
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value !== undefined) return value;
    throw new SondeError("PRIVILEGE_REFUSED", `expected a line ${name} in the process status`);
  };
  // Absent from a kernel without seccomp.
  const seccomp = fields.get("Seccomp");
  return {
    uids: parseIds(field("Uid")),
    gids: parseIds(field("Gid")),
    groups: parseIds(field("Groups")),
    capabilities: {
      inheritable: field("CapInh"),
      permitted: field("CapPrm"),
      effective: field("CapEff"),
      bounding: field("CapBnd"),
      ambient: field("CapAmb"),
    },
    noNewPrivs: field("NoNewPrivs") === "1",
    seccomp: seccomp === undefined ? null : Number(seccomp),
  };
}

/**
 * True when the effective, permitted or ambient set is not empty. A permitted capability can become
 * effective.
 */
export function hasCapabilities({ capabilities }: ProcessRights): boolean {
  const { effective, permitted, ambient } = capabilities;
  return [effective, permitted, ambient].some((set) => !/^0+$/.test(set));
}

function parseIds(field: string): number[] {
  const ids = field === "" ? [] : field.split(/\s+/).map(Number);
  if (ids.every((id) => Number.isSafeInteger(id) && id >= 0)) return ids;
  throw new SondeError("PRIVILEGE_REFUSED", "expected numbers in the process status");
}
