import { measureFleet } from "./fleet.ts";
import { measureQuietHost } from "./quiet-host.ts";

/** The figures of agents on their hosts, and of a hub with many of them. */
export async function measureAgent(quick: boolean, say: (text: string) => void) {
  const host = await measureQuietHost(quick, say);
  const fleet = await measureFleet(agentsOf(process.argv) ?? (quick ? 500 : 5_000), say);
  return { host, fleet };
}

/** `--agents=1000` for a machine that has no time for more. */
function agentsOf(args: string[]): number | null {
  const given = args.find((arg) => arg.startsWith("--agents="))?.slice("--agents=".length);
  return given === undefined ? null : Number(given);
}
