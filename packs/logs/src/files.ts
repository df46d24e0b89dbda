import { probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;
const COMPRESSED = /\.(?:gz|xz|bz2|zst|lz4|Z)$/;
const ROTATED = /\.(?:\d+|old)(?:\.[a-zA-Z0-9]+)?$|-\d{8}(?:\.[a-zA-Z0-9]+)?$/;

export const files = probe({
  description:
    "The log files under /var/log, the last written first, with sizes. Gives the name for logs_tail and " +
    "logs_search.",
  params: t.object({
    name: t.optional(t.string({ maxLength: 100, description: "only paths with this text" })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    files: t.array(
      t.object({
        path: t.string(),
        sizeBytes: t.integer(),
        modifiedAt: t.string({ description: "ISO 8601, UTC" }),
        compressed: t.boolean({ description: "by its name; cannot be searched here" }),
        rotated: t.boolean({ description: "by its name; nothing is written to it any more" }),
      }),
    ),
    fileCount: t.integer({ description: "that fit, before the limit" }),
    totalBytes: t.integer({ description: "of all that fit" }),
    unreadable: t.array(t.object({ path: t.string(), reason: t.string() }), {
      description: "folders that could not be listed, or that no pack may read",
    }),
    incomplete: t.boolean({ description: "there are more files than the read allows" }),
  }),
  reads: { tree: sources.tree },
  run({ params, reads }) {
    const { found, truncated } = reads.tree;
    const absolute = found.map((entry) => ({ ...entry, path: `/var/log/${entry.path}` }));
    const fitting = absolute
      .filter(({ type, path }) => type === "file" && path.includes(params.name ?? ""))
      .sort((a, b) => b.modifiedAt - a.modifiedAt || compareText(a.path, b.path));
    return {
      files: fitting.slice(0, params.limit ?? DEFAULT_LIMIT).map((file) => ({
        path: file.path,
        sizeBytes: file.sizeBytes,
        modifiedAt: new Date(file.modifiedAt).toISOString(),
        compressed: COMPRESSED.test(file.path),
        rotated: ROTATED.test(file.path),
      })),
      fileCount: fitting.length,
      totalBytes: fitting.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      unreadable: absolute.flatMap(({ path, failure }) =>
        failure === undefined ? [] : [{ path, reason: failure.message }],
      ),
      incomplete: truncated,
    };
  },
});
