import { expect, test } from "vitest";
import { resolver } from "./resolver.ts";

const file = (text: string) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data: { text } }],
});

test("the first three servers count, the last search line, and the order of sources for hosts", () => {
  const text = [
    "# made by hand",
    "nameserver 10.0.0.1 # first",
    ...["10.0.0.2", "10.0.0.3", "10.0.0.4"].map((server) => `nameserver ${server}`),
    "domain old.example",
    "search a.example b.example",
    "options ndots:5 timeout:1",
  ].join("\n");
  const services = file(
    "passwd: files\nhosts:  files mymachines resolve [!UNAVAIL=return] dns # x\n",
  );
  expect(resolver.call({ params: {}, now: 0, reads: { file: file(text), services } })).toEqual({
    servers: ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    ignoredServers: ["10.0.0.4"],
    isStub: false,
    searchDomains: ["a.example", "b.example"],
    options: ["ndots:5", "timeout:1"],
    hostsFrom: ["files", "mymachines", "resolve", "[!UNAVAIL=return]", "dns"],
  });
});

test("a server on this host is a stub", () => {
  const services = {
    ok: false as const,
    failure: { code: "SOURCE_NOT_FOUND" as const, message: "no such file" },
  };
  const answer = resolver.call({
    params: {},
    now: 0,
    reads: { file: file("nameserver 127.0.0.53\n"), services },
  });
  expect(answer).toMatchObject({ isStub: true, searchDomains: [], hostsFrom: null });
});
