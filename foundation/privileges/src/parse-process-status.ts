import { SondeError } from "@sonde/schemas/errors";

export type ProcessStatus = {
  /** Real, effective, saved and file-system ids. */
  uids: number[];
  gids: number[];
  groups: number[];
  /**
   * True when the effective, permitted or ambient set is not empty. A permitted
   * capability can become effective.
   */
  hasCapabilities: boolean;
  noNewPrivs: boolean;
};

/**
 * Parses `/proc/<pid>/status` (proc_pid_status(5)).
 *
 * @throws SondeError PRIVILEGE_REFUSED for a missing line
 */
export function parseProcessStatus(text: string): ProcessStatus {
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
  const capabilities = ["CapEff", "CapPrm", "CapAmb"].map(field);
  return {
    uids: parseIds(field("Uid")),
    gids: parseIds(field("Gid")),
    groups: parseIds(field("Groups")),
    hasCapabilities: capabilities.some((set) => !/^0+$/.test(set)),
    noNewPrivs: field("NoNewPrivs") === "1",
  };
}

function parseIds(field: string): number[] {
  const ids = field === "" ? [] : field.split(/\s+/).map(Number);
  if (ids.every((id) => Number.isSafeInteger(id) && id >= 0)) return ids;
  throw new SondeError("PRIVILEGE_REFUSED", "expected numbers in the process status");
}
