import { hole, source } from "@sonde/pack-sdk/author";

const etc = "/etc/nginx";
const logs = "/var/log/nginx";

export const mainConfig = source.file({ path: `${etc}/nginx.conf`, maxBytes: 262144 });
export const confD = files("conf.d");
export const defaultD = files("default.d");
export const sitesEnabled = files("sites-enabled");
export const snippets = files("snippets");

/** What nginx counts, as two looks a second apart. */
export const counters = source.http({
  endpoint: hole.endpoint("endpoint"),
  path: ["/", hole.enumOf("page", ["nginx_status", "stub_status", "basic_status"])],
  samples: { count: 2, intervalMs: 1000 },
  maxBytes: 4096,
  timeoutMs: 3000,
});

export const requests = source.lines({
  path: [hole.pathBeneath("log", logs)],
  newest: hole.integer("lines", { minimum: 1, maximum: 5000 }),
  searchBytes: 8388608,
  maxBytes: 2097152,
});
export const failures = source.lines({
  path: [hole.pathBeneath("log", logs)],
  newest: hole.integer("lines", { minimum: 1, maximum: 2000 }),
  searchBytes: 8388608,
  maxBytes: 1048576,
});
/** Only for its time, which has a zone. */
export const newestRequest = source.lines({
  path: `${logs}/access.log`,
  newest: 1,
  searchBytes: 65536,
  maxBytes: 16384,
});

function files(name: string) {
  return source.directory({
    path: `${etc}/${name}`,
    contents: true,
    maxEntries: 300,
    maxBytes: 1048576,
  });
}
