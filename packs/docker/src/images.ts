import { probe, t } from "@sonde/pack-sdk/author";
import { compareText, items, members } from "@sonde/pack-sdk/parse";
import { integer, shortId, text } from "./parse-answer.ts";
import { readList } from "./read-list.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 30;
/** What Podman calls an image without a name. */
const NAMELESS = "<none>";

export const images = probe({
  description:
    "The images of the container engine, the largest first: names, size, age, and by how many containers each is used. " +
    "Layers that images share count in each of them; for what is on disk see docker_disk_usage.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    imageCount: t.integer(),
    unusedCount: t.integer({ description: "without a container, also one that does not run" }),
    images: t.array(
      t.object({
        id: t.string({ description: "first 12 digits" }),
        names: t.array(t.string({ description: "text that others chose; none: an old build" })),
        sizeBytes: t.integer(),
        createdAt: t.string({ description: "ISO 8601, UTC" }),
        containerCount: t.integer(),
      }),
    ),
  }),
  reads: { images: sources.images, containers: sources.allContainers },
  run({ params, reads }) {
    const users = new Map<string, number>();
    for (const container of readList(reads.containers, "containers").map(members)) {
      const id = shortId(container.get("ImageID"));
      users.set(id, (users.get(id) ?? 0) + 1);
    }
    const found = readList(reads.images, "images")
      .map(members)
      .map((image) => {
        const id = shortId(image.get("Id"));
        return {
          id,
          names: items(image.get("RepoTags"))
            .map(text)
            .filter((name) => !name.startsWith(NAMELESS)),
          sizeBytes: integer(image.get("Size")),
          createdAt: new Date(integer(image.get("Created")) * 1000).toISOString(),
          containerCount: users.get(id) ?? 0,
        };
      });
    return {
      imageCount: found.length,
      unusedCount: found.filter(({ containerCount }) => containerCount === 0).length,
      images: found
        .sort((a, b) => b.sizeBytes - a.sizeBytes || compareText(a.id, b.id))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
    };
  },
});
