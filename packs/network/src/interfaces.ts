import { probe, read, t } from "@sonde/pack-sdk/author";
import {
  compareText,
  items,
  members,
  parseJson,
  splitLines,
  splitWords,
} from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const interfaces = probe({
  description:
    "Network interfaces with addresses, state, and bytes, packets, errors and drops per second between two looks a " +
    "second apart. Those with errors or drops meanwhile are first, then the busiest. Counts since boot are there too.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    measuredMs: t.integer(),
    interfaceCount: t.integer(),
    interfaces: t.array(
      t.object({
        name: t.string(),
        state: t.nullable(t.string({ description: "UP, DOWN, UNKNOWN; null without ip" })),
        mtu: t.nullable(t.integer()),
        addresses: t.array(t.string()),
        receivedBytesPerSecond: t.integer(),
        sentBytesPerSecond: t.integer(),
        errorsMeanwhile: t.integer(),
        dropsMeanwhile: t.integer(),
        errorsSinceBoot: t.integer(),
        dropsSinceBoot: t.integer(),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: { devices: sources.deviceLooks, addresses: read(sources.addresses, { optional: true }) },
  run({ params, reads }) {
    const [before, after] = reads.devices.samples;
    const measuredMs = Math.max(1, Math.round(after.at - before.at));
    const known =
      reads.addresses.ok && !reads.addresses.truncated
        ? parseLinks(reads.addresses.stdout)
        : new Map<string, Link>();
    const earlier = parseDevices(before.text);
    const found = [...parseDevices(after.text)].map(([name, now]) => {
      const then = earlier.get(name) ?? now;
      const grown = (field: keyof Counters): number => Math.max(0, now[field] - then[field]);
      const perSecond = (bytes: number): number => Math.round(bytes / (measuredMs / 1000));
      const link = known.get(name);
      return {
        name,
        state: link?.state ?? null,
        mtu: link?.mtu ?? null,
        addresses: link?.addresses ?? [],
        receivedBytesPerSecond: perSecond(grown("received")),
        sentBytesPerSecond: perSecond(grown("sent")),
        errorsMeanwhile: grown("errors"),
        dropsMeanwhile: grown("drops"),
        errorsSinceBoot: now.errors,
        dropsSinceBoot: now.drops,
      };
    });
    type Found = (typeof found)[number];
    const bad = (one: Found): number => one.errorsMeanwhile + one.dropsMeanwhile;
    const load = (one: Found): number => one.receivedBytesPerSecond + one.sentBytesPerSecond;
    return {
      measuredMs,
      interfaceCount: found.length,
      interfaces: found
        .sort((a, b) => bad(b) - bad(a) || load(b) - load(a) || compareText(a.name, b.name))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: before.truncated || after.truncated,
    };
  },
});

type Counters = { received: number; sent: number; errors: number; drops: number };
type Link = { state: string | null; mtu: number | null; addresses: string[] };

/** Lines of a name and 16 counters; proc_pid_net(5). */
function parseDevices(text: string): Map<string, Counters> {
  return new Map(
    splitLines(text).flatMap((line): [string, Counters][] => {
      const at = line.lastIndexOf(":");
      const numbers = splitWords(line.slice(at + 1)).map(Number);
      if (at < 1 || numbers.length < 16 || !numbers.every(Number.isSafeInteger)) return [];
      const of = (index: number): number => numbers[index] ?? 0;
      const counters = {
        received: of(0),
        sent: of(8),
        errors: of(2) + of(10),
        drops: of(3) + of(11),
      };
      return [[line.slice(0, at).trim(), counters]];
    }),
  );
}

function parseLinks(text: string): Map<string, Link> {
  return new Map(
    items(parseJson(text, "ip")).flatMap((entry): [string, Link][] => {
      const link = members(entry);
      const name = link.get("ifname");
      if (typeof name !== "string") return [];
      const [state, mtu] = [link.get("operstate"), link.get("mtu")];
      const addresses = items(link.get("addr_info")).flatMap((info) => {
        const { local, length } = {
          local: members(info).get("local"),
          length: members(info).get("prefixlen"),
        };
        return typeof local === "string" ? [`${local}/${String(length)}`] : [];
      });
      return [
        [
          name,
          {
            state: typeof state === "string" ? state : null,
            mtu: typeof mtu === "number" ? mtu : null,
            addresses,
          },
        ],
      ];
    }),
  );
}
