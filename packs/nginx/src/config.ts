import { probe, read, t } from "@sonde/pack-sdk/author";
import { describeServer, listStatusPages } from "./describe-server.ts";
import { findProblems } from "./find-problems.ts";
import { findAll, firstOf, gatherConfig } from "./gather-config.ts";
import * as sources from "./sources.ts";

const MOST_SERVERS = 100;

const text = t.nullable(t.string());

export const config = probe({
  description:
    "What nginx is configured to serve, from its files under /etc/nginx: servers with names, ports, certificates and locations, " +
    "upstreams, logs, limits, status pages, and what is doubtful. Paths of keys are masked.",
  params: t.object({
    name: t.optional(t.string({ maxLength: 100, description: "only servers with this in a name" })),
  }),
  result: t.object({
    workers: t.object({ processes: text, connections: text, openFiles: text, user: text }),
    servers: t.array(
      t.object({
        names: t.array(t.string()),
        listens: t.array(t.string()),
        root: text,
        certificate: text,
        certificateKey: text,
        protocols: t.array(t.string()),
        locations: t.array(t.object({ path: t.string(), does: t.string() })),
        place: t.string({ description: "file and line" }),
      }),
    ),
    serverCount: t.integer({ description: "that fit" }),
    upstreams: t.array(t.object({ name: t.string(), servers: t.array(t.string()) })),
    logs: t.array(t.object({ kind: t.string(), path: t.string(), format: text })),
    statusPages: t.array(t.object({ listens: t.array(t.string()), path: t.string() })),
    problems: t.array(t.object({ problem: t.string(), what: t.string(), place: t.string() })),
    fileCount: t.integer(),
    notRead: t.array(t.object({ what: t.string(), reason: t.string() })),
    incomplete: t.boolean(),
  }),
  reads: {
    main: sources.mainConfig,
    confD: read(sources.confD, { optional: true }),
    defaultD: read(sources.defaultD, { optional: true }),
    sitesEnabled: read(sources.sitesEnabled, { optional: true }),
    snippets: read(sources.snippets, { optional: true }),
  },
  run({ params, reads }) {
    const { directives, fileCount, notRead, incomplete } = gatherConfig(reads);
    const http = directives.flatMap(({ name, block }) => (name === "http" ? (block ?? []) : []));
    const events = directives.flatMap(({ name, block }) =>
      name === "events" ? (block ?? []) : [],
    );
    const servers = http.filter(({ name }) => name === "server").map(describeServer);
    const { name = "" } = params;
    const fitting = servers.filter(({ names }) => names.some((one) => one.includes(name)));
    const shown = name === "" ? servers : fitting;
    return {
      workers: {
        processes: firstOf(directives, "worker_processes"),
        connections: firstOf(events, "worker_connections"),
        openFiles: firstOf(directives, "worker_rlimit_nofile"),
        user: firstOf(directives, "user"),
      },
      servers: shown.slice(0, MOST_SERVERS),
      serverCount: shown.length,
      upstreams: http
        .filter((it) => it.name === "upstream")
        .map(({ args, block }) => ({
          name: args[0] ?? "",
          servers: (block ?? [])
            .filter((it) => it.name === "server")
            .map((it) => it.args.join(" ")),
        })),
      logs: describeLogs(directives),
      statusPages: http.filter((it) => it.name === "server").flatMap(listStatusPages),
      problems: findProblems(http),
      ...{ fileCount, notRead, incomplete: incomplete || shown.length > MOST_SERVERS },
    };
  },
});

/** Each log once. */
function describeLogs(directives: Parameters<typeof findAll>[0]) {
  const logs = findAll(directives, ["access_log", "error_log"]).map((directive) => ({
    kind: directive.name === "access_log" ? "access" : "error",
    path: directive.args[0] ?? "",
    format: directive.args[1] ?? null,
  }));
  return [...new Map(logs.map((log) => [`${log.kind} ${log.path}`, log])).values()];
}
