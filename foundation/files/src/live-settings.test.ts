import { expect, test } from "vitest";
import { createLiveSettings } from "./live-settings.ts";

type Config = {
  dataDir: string;
  oauth?: { clients?: { loopback: boolean }; issuer?: string };
  callTimeoutMs: number;
  scrub?: { patterns: string[] };
  http: { port: number; publicHosts: string[]; publicHostsMore: number; public?: { host: string } };
};
const start: Config = {
  dataDir: "/a",
  callTimeoutMs: 1,
  http: { port: 1, publicHosts: ["a"], publicHostsMore: 1 },
};
const live = ["callTimeoutMs", "http.publicHosts", "oauth.clients", "scrub"];
const take = (next: Config) => createLiveSettings(start, live)(next);

test("what is taken over and what waits for a restart are told apart, each by its path", () => {
  const http = { port: 2, publicHosts: [], publicHostsMore: 2 };
  expect(take({ ...start, callTimeoutMs: 2, http })).toEqual({
    said: "taken over: callTimeoutMs, http.publicHosts; restart to apply: http.port, http.publicHostsMore",
    inForce: { ...start, callTimeoutMs: 2, http: { ...start.http, publicHosts: [] } },
  });
  const scrub = { patterns: [] };
  expect(take({ ...start, scrub })).toEqual({
    said: "taken over: scrub.patterns",
    inForce: { ...start, scrub },
  });
  expect(take({ ...start, http: { ...start.http, public: { host: "x" } } })).toEqual({
    said: "nothing to take over; restart to apply: http.public.host",
    inForce: start,
  });
});

test("what waits is told until it is as at the start; what was taken over is told once", () => {
  const taken = createLiveSettings(start, live);
  const next = { ...start, dataDir: "/b", callTimeoutMs: 2, scrub: { patterns: ["x"] } };
  expect(taken(next).said).toBe(
    "taken over: callTimeoutMs, scrub.patterns; restart to apply: dataDir",
  );
  expect(taken(next).said).toBe("nothing to take over; restart to apply: dataDir");
  expect(taken(start)).toEqual({
    said: "taken over: callTimeoutMs, scrub.patterns",
    inForce: start,
  });
  expect(taken(start).said).toBe("nothing to take over");
});

test("a live setting comes and goes with what is above it", () => {
  const oauth = { clients: { loopback: false }, issuer: "x" };
  expect(take({ ...start, oauth })).toEqual({
    said: "taken over: oauth.clients.loopback; restart to apply: oauth.issuer",
    inForce: { ...start, oauth: { clients: { loopback: false } } },
  });
  expect(createLiveSettings<Config>({ ...start, oauth }, live)(start)).toEqual({
    said: "taken over: oauth.clients.loopback; restart to apply: oauth.issuer",
    inForce: { ...start, oauth: { issuer: "x" } },
  });
});
