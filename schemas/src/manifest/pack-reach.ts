import { type Static, Type } from "typebox";
import { Capability } from "../names.ts";

const closed = { additionalProperties: false } as const;

/** What a source reads, for people who look for a pack. Derived from sources, never declared. */
export const CATEGORIES = [
  "files",
  "commands",
  "journal",
  "services",
  "sql",
  "redis",
  "network",
] as const;
export const Category = Type.Enum([...CATEGORIES]);
export type Category = Static<typeof Category>;

/** The programs by which packs are found. Derived from sources, never declared. */
export const ENGINES = [
  ...(["apache", "apt", "chrony", "docker", "haproxy", "kubernetes", "mysql", "nginx"] as const),
  ...(["podman", "postgresql", "redis", "rpm", "systemd"] as const),
] as const;
export const Engine = Type.Enum([...ENGINES]);
export type Engine = Static<typeof Engine>;

/** What a version could reach on a host, in short. */
export const PackReach = Type.Object(
  {
    /** The highest level that any probe or source needs. */
    capability: Capability,
    groups: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          /** Whoever is in such a group can become root. */
          isRoot: Type.Boolean(),
        },
        closed,
      ),
    ),
    /** Only categories that it reads, in the order of CATEGORIES, with the number of its sources. */
    reads: Type.Array(
      Type.Object({ category: Category, count: Type.Integer({ minimum: 1 }) }, closed),
    ),
    /** In the order of ENGINES. */
    engines: Type.Array(Engine),
  },
  closed,
);
export type PackReach = Static<typeof PackReach>;
