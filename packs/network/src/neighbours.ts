import { probe, t } from "@sonde/pack-sdk/author";
import { compareText, items, members, parseJson } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;

export const neighbours = probe({
  description:
    "Hosts of the same network that the kernel knows by their hardware address (ARP and NDP), those that do not answer " +
    "(FAILED, INCOMPLETE) first. A gateway among these explains why nothing else is reached.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 1000, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    neighbourCount: t.integer(),
    unansweredCount: t.integer(),
    neighbours: t.array(
      t.object({
        address: t.string(),
        device: t.string(),
        hardwareAddress: t.nullable(t.string()),
        states: t.array(t.string()),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: { neighbours: sources.neighbours },
  run({ params, reads }) {
    const { stdout, truncated } = reads.neighbours;
    const text = truncated || stdout.trim() === "" ? "[]" : stdout;
    const found = items(parseJson(text, "ip")).flatMap((entry) => {
      const neighbour = members(entry);
      const [address, device] = [neighbour.get("dst"), neighbour.get("dev")];
      if (typeof address !== "string" || typeof device !== "string") return [];
      const hardware = neighbour.get("lladdr");
      return {
        address,
        device,
        hardwareAddress: typeof hardware === "string" ? hardware : null,
        states: items(neighbour.get("state")).filter((state) => typeof state === "string"),
      };
    });
    const isUnanswered = ({ states }: { states: string[] }): boolean =>
      states.includes("FAILED") || states.includes("INCOMPLETE");
    return {
      neighbourCount: found.length,
      unansweredCount: found.filter(isUnanswered).length,
      neighbours: found
        .sort(
          (a, b) =>
            Number(isUnanswered(b)) - Number(isUnanswered(a)) || compareText(a.address, b.address),
        )
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: truncated,
    };
  },
});
