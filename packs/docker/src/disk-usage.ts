import { probe, t } from "@sonde/pack-sdk/author";
import { compareText, items, members, parseJson } from "@sonde/pack-sdk/parse";
import { bareName, integer, shortId, text } from "./parse-answer.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

/** One image, container, volume or piece of build cache. */
type Item = { kind: string; name: string; bytes: number | null; isUsed: boolean };

export const diskUsage = probe({
  description:
    "What the container engine has on disk, by kind: images, writable layers of containers, volumes and build cache; how much " +
    "nothing uses, and the largest items. The engine adds it up, which takes a while on a large host.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    kinds: t.array(
      t.object({
        kind: t.string(),
        count: t.integer(),
        usedCount: t.integer({ description: "by a container; of containers those that run" }),
        bytes: t.integer(),
        unusedBytes: t.integer(),
      }),
    ),
    largest: t.array(
      t.object({
        kind: t.string(),
        name: t.string({ description: "text that others chose" }),
        bytes: t.integer(),
        isUsed: t.boolean(),
      }),
    ),
    unknownCount: t.integer({ description: "items whose size the engine does not know" }),
  }),
  reads: { usage: sources.diskUsage },
  run({ params, reads }) {
    const { status, body, truncated } = reads.usage;
    if (truncated) throw new Error("expected a shorter answer of the engine, got a cut one");
    const usage = members(parseJson(body, `the container engine with status ${status}`));
    if (status !== 200 || !usage.has("Images")) {
      throw new Error(`expected what the engine has on disk, got status ${status}`);
    }
    const listed = (kind: string): ReadonlyMap<string, unknown>[] =>
      items(usage.get(kind)).map(members);
    const all: Item[] = [
      ...listed("Images").map((image) => ({
        kind: "image",
        name: nameImage(image),
        // A layer that images share is freed with the last of them.
        bytes: sizeOf(integer(image.get("Size")) - Math.max(0, integer(image.get("SharedSize")))),
        isUsed: integer(image.get("Containers")) > 0,
      })),
      ...listed("Containers").map((container) => ({
        kind: "container",
        name: bareName(items(container.get("Names"))[0]),
        bytes: sizeOf(integer(container.get("SizeRw"))),
        isUsed: text(container.get("State")) === "running",
      })),
      ...listed("Volumes").map((volume) => {
        const used = members(volume.get("UsageData"));
        return {
          kind: "volume",
          name: text(volume.get("Name")),
          bytes: sizeOf(used.has("Size") ? integer(used.get("Size")) : -1),
          isUsed: integer(used.get("RefCount")) > 0,
        };
      }),
      ...listed("BuildCache").map((piece) => ({
        kind: "build cache",
        name: shortId(piece.get("ID")),
        bytes: sizeOf(integer(piece.get("Size"))),
        isUsed: piece.get("InUse") === true,
      })),
    ];
    const sum = (some: readonly Item[]) =>
      some.reduce((bytes, item) => bytes + (item.bytes ?? 0), 0);
    const kinds = ["image", "container", "volume", "build cache"].map((kind) => {
      const some = all.filter((item) => item.kind === kind);
      const used = some.filter(({ isUsed }) => isUsed);
      // Shared layers are in the engine's own sum, once.
      const layers = kind === "image" ? integer(usage.get("LayersSize")) : 0;
      return {
        ...{ kind, count: some.length, usedCount: used.length },
        bytes: Math.max(layers, sum(some)),
        unusedBytes: sum(some) - sum(used),
      };
    });
    return {
      kinds: kinds.sort((a, b) => b.bytes - a.bytes || compareText(a.kind, b.kind)),
      largest: all
        .map((item) => ({ ...item, bytes: item.bytes ?? 0 }))
        .sort((a, b) => b.bytes - a.bytes || compareText(a.name, b.name))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      unknownCount: all.filter(({ bytes }) => bytes === null).length,
    };
  },
});

/** The engine writes -1 for a size that it did not find out. */
function sizeOf(bytes: number): number | null {
  return bytes < 0 ? null : bytes;
}

/** Podman gives the tag alone, which names nothing. */
function nameImage(image: ReadonlyMap<string, unknown>): string {
  const [name = ""] = items(image.get("RepoTags")).map(text);
  return name.includes(":") && !name.startsWith("<none>") ? name : shortId(image.get("Id"));
}
