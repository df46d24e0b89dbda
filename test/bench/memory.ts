import { measureAlone, measureHost } from "./alone.ts";
import { pssMb } from "./process-figures.ts";
import { round } from "./statistics.ts";

/** Role -> MB. */
export function readPss(pids: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([role, pid]) => [role, pssMb(pid)]));
}

/** The rows of the memory that an idle product takes. */
export function idleRows(idle: Record<string, number>, alone: Measured): object[] {
  const { supervisor = NaN, agent = NaN, runner = NaN } = idle;
  const rows = [
    { what: "agent alone, idle, MB", limit: 65, got: alone.agent.idlePssMb },
    {
      what: "agent with its runner, idle beside the others, MB",
      limit: 65,
      got: round(agent + runner),
    },
    { what: "agent with its runner, idle without others, MB", limit: 65, got: alone.hostPssMb },
    { what: "hub alone, idle without its database, MB", limit: 90, got: alone.hub.idlePssMb },
    {
      what: "registry alone, idle without its database, MB",
      limit: 75,
      got: alone.registry.idlePssMb,
    },
    { what: "supervisor, idle beside the others, MB", limit: 60, got: supervisor },
  ];
  return rows.map((row) => ({ ...row, met: row.got <= row.limit }));
}

/** The data folder is of a stopped product. */
export async function measureAllAlone(data: string) {
  return {
    registry: await measureAlone(data, "registry"),
    hub: await measureAlone(data, "hub"),
    agent: await measureAlone(data, "agent"),
    hostPssMb: await measureHost(data),
  };
}

type Measured = Awaited<ReturnType<typeof measureAllAlone>>;
