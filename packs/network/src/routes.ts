import { probe, read, t } from "@sonde/pack-sdk/author";
import { items, members, type Members, parseJson } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 100;

export const routes = probe({
  description:
    "The main routing tables for IPv4 and IPv6, default routes first. A host without a default route reaches its own " +
    "networks only; two with the same metric are a usual mistake.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 1000, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    routeCount: t.integer(),
    defaultRouteCount: t.integer(),
    routes: t.array(
      t.object({
        destination: t.string(),
        gateway: t.nullable(t.string()),
        device: t.nullable(t.string()),
        source: t.nullable(t.string()),
        metric: t.nullable(t.integer()),
        flags: t.array(t.string({ description: "such as linkdown or dead" })),
        family: t.integer({ description: "4 or 6" }),
      }),
    ),
    ipv6Known: t.boolean(),
    incomplete: t.boolean(),
  }),
  reads: { four: sources.routes4, six: read(sources.routes6, { optional: true }) },
  run({ params, reads }) {
    const { four, six } = reads;
    const all = [
      ...parseRoutes(four.truncated ? "[]" : four.stdout, 4),
      ...parseRoutes(six.ok && !six.truncated ? six.stdout : "[]", 6),
    ];
    const isDefault = ({ destination }: { destination: string }): boolean =>
      destination === "default";
    return {
      routeCount: all.length,
      defaultRouteCount: all.filter(isDefault).length,
      routes: all
        .sort((a, b) => Number(isDefault(b)) - Number(isDefault(a)))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      ipv6Known: six.ok,
      incomplete: four.truncated || (six.ok && six.truncated),
    };
  },
});

/** `ip -j route`; ip-route(8). Without a route its output is empty. */
function parseRoutes(text: string, family: 4 | 6) {
  return items(parseJson(text.trim() === "" ? "[]" : text, "ip")).map((entry) => {
    const route = members(entry);
    const metric = route.get("metric");
    return {
      destination: textOf(route, "dst") ?? "unknown",
      gateway: textOf(route, "gateway"),
      device: textOf(route, "dev"),
      source: textOf(route, "prefsrc"),
      metric: typeof metric === "number" ? metric : null,
      flags: items(route.get("flags")).filter((flag) => typeof flag === "string"),
      family,
    };
  });
}

function textOf(route: Members, name: string): string | null {
  const value = route.get(name);
  return typeof value === "string" ? value : null;
}
