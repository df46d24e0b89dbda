import { hole, source } from "@sonde/pack-sdk/author";

const root = "/var/log";

export const tree = source.tree({
  path: root,
  depth: 4,
  maxEntries: 4000,
  maxBytes: 1048576,
  timeoutMs: 5000,
});
export const newest = source.lines({
  path: [hole.pathBeneath("file", root)],
  newest: hole.integer("lines", { minimum: 1, maximum: 500 }),
  searchBytes: 1048576,
  maxBytes: 131072,
});
export const found = source.lines({
  path: [hole.pathBeneath("file", root)],
  newest: hole.integer("limit", { minimum: 1, maximum: 50 }),
  contains: hole.text("text", { maxLength: 200 }),
  ignoreCase: hole.boolean("ignoreCase"),
  searchBytes: 17179869184,
  maxBytes: 131072,
  timeoutMs: 20000,
});
