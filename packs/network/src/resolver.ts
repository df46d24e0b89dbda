import { probe, read, t } from "@sonde/pack-sdk/author";
import { splitLines, splitWords } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const resolver = probe({
  description:
    "How the host looks up names: the servers, search domains and options of /etc/resolv.conf, and the order of sources " +
    "for hosts in /etc/nsswitch.conf. Only the first three servers are asked. It does not ask any server.",
  result: t.object({
    servers: t.array(t.string()),
    ignoredServers: t.array(t.string({ description: "beyond the first three" })),
    isStub: t.boolean({ description: "the server is on this host, such as systemd-resolved" }),
    searchDomains: t.array(t.string()),
    options: t.array(t.string()),
    hostsFrom: t.nullable(t.array(t.string()), { description: "null without /etc/nsswitch.conf" }),
  }),
  reads: {
    file: sources.resolverFile,
    services: read(sources.nameServices, { optional: true }),
  },
  run({ reads }) {
    const lines = splitLines(reads.file.text).map((line) =>
      splitWords(line.replace(/[#;].*$/, "")),
    );
    const of = (...words: string[]): string[][] =>
      lines.filter(([first = ""]) => words.includes(first)).map(([, ...rest]) => rest);
    const servers = of("nameserver").flatMap(([server]) => server ?? []);
    return {
      // MAXNS of resolv.conf(5).
      servers: servers.slice(0, 3),
      ignoredServers: servers.slice(3),
      isStub: servers.length > 0 && servers.every((server) => /^127\.|^::1$/.test(server)),
      // The last line counts; `domain` is an older word for one.
      searchDomains: of("search", "domain").at(-1) ?? [],
      options: of("options").flat(),
      hostsFrom: reads.services.ok ? findHosts(reads.services.text) : null,
    };
  },
});

/** nsswitch.conf(5). */
function findHosts(text: string): string[] {
  const line = splitLines(text).find((candidate) => /^\s*hosts:/.test(candidate)) ?? "";
  return splitWords(line.replace(/#.*$/, "").replace(/^\s*hosts:/, ""));
}
