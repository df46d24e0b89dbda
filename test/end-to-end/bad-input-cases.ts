/** [description, tool, arguments by the agent's name, code] */
export const BAD_CALLS: [string, string, (agent: string) => Record<string, unknown>, string][] = [
  ["of an unknown tool", "no_such_tool", (agent) => ({ agent: agent }), "PROBE_UNKNOWN"],
  ["of an inherited name", "__proto__", (agent) => ({ agent: agent }), "PROBE_UNKNOWN"],
  [
    "of a pack that is pending",
    "docker_containers_list",
    (agent) => ({ agent: agent }),
    "PROBE_UNKNOWN",
  ],
  [
    "of a probe id instead of a tool",
    "system.overview",
    (agent) => ({ agent: agent }),
    "PROBE_UNKNOWN",
  ],
  ["of an empty agent", "system_overview", () => ({ agent: "" }), "AGENT_UNKNOWN"],
  ["of an unknown agent", "system_overview", () => ({ agent: "nobody" }), "AGENT_UNKNOWN"],
  [
    "of a list that has no name in it",
    "system_overview",
    (agent) => ({ agent: [agent, 7] }),
    "AGENT_UNKNOWN",
  ],
  ["of an inherited agent", "system_overview", () => ({ agent: "__proto__" }), "AGENT_UNKNOWN"],
  [
    "of the wrong type",
    "system_disk_usage",
    (agent) => ({ agent: agent, all: "true" }),
    "PARAMS_INVALID",
  ],
  [
    "with one too many",
    "system_disk_usage",
    (agent) => ({ agent: agent, also: 1 }),
    "PARAMS_INVALID",
  ],
  [
    "with an inherited one",
    "system_disk_usage",
    (agent) => ({ agent: agent, constructor: {} }),
    "PARAMS_INVALID",
  ],
  [
    "out of range",
    "system_processes_top",
    (agent) => ({ agent: agent, limit: 51 }),
    "PARAMS_INVALID",
  ],
  [
    "of no whole number",
    "system_processes_top",
    (agent) => ({ agent: agent, limit: 1.5 }),
    "PARAMS_INVALID",
  ],
  [
    "outside the enumeration",
    "system_processes_top",
    (agent) => ({ agent: agent, sortBy: "x" }),
    "PARAMS_INVALID",
  ],
  [
    "of null for what it does not have",
    "system_processes_top",
    (agent) => ({ agent: agent, also: null }),
    "PARAMS_INVALID",
  ],
];

const ok = { name: "x", policy: { role: "client", agents: "*", probes: "*" } };
const NEW_KEY = "/api-keys";
const nested = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;

/** [description, path, body of a POST, headers, code] */
export const BAD_BODIES: [string, string, string, Record<string, string>, string][] = [
  ["malformed JSON", NEW_KEY, "{bad", {}, "BAD_REQUEST"],
  ["no body", NEW_KEY, "", {}, "BAD_REQUEST"],
  ["another media type", NEW_KEY, "a=b", { "content-type": "text/csv" }, "BAD_REQUEST"],
  ["JSON called text", NEW_KEY, "{}", { "content-type": "text/plain" }, "BAD_REQUEST"],
  ["a body over the limit", NEW_KEY, `"${"a".repeat(300_000)}"`, {}, "BODY_TOO_LARGE"],
  ["a missing field", NEW_KEY, '{"name":"x"}', {}, "BAD_REQUEST"],
  ["an extra field", NEW_KEY, JSON.stringify({ ...ok, also: 1 }), {}, "BAD_REQUEST"],
  [
    "a field named __proto__",
    NEW_KEY,
    `{"__proto__":{},${JSON.stringify(ok).slice(1)}`,
    {},
    "BAD_REQUEST",
  ],
  [
    "attack 8: a field twice",
    NEW_KEY,
    `{"name":"y",${JSON.stringify(ok).slice(1)}`,
    {},
    "BAD_REQUEST",
  ],
  [
    "attack 8: a field twice, in two spellings, deep down",
    NEW_KEY,
    JSON.stringify(ok).replace('"role":', '"r\\u006fle":"operator","role":'),
    {},
    "BAD_REQUEST",
  ],
  ["a number for a name", NEW_KEY, JSON.stringify({ ...ok, name: 1 }), {}, "BAD_REQUEST"],
  ["a NUL in a name", NEW_KEY, JSON.stringify({ ...ok, name: "a\0b" }), {}, "BAD_REQUEST"],
  ["JSON nested without end", NEW_KEY, nested, {}, "BAD_REQUEST"],
  ["a digest of another form", "/tool-pins", '{"packDigest":"sha256:zz"}', {}, "BAD_REQUEST"],
  ["an agent's name that is none", "/enrolment-tokens", '{"agentName":"../x"}', {}, "BAD_REQUEST"],
];

/** [description, path of a GET, headers, code] */
export const BAD_PATHS: [string, string, Record<string, string>, string][] = [
  ["an unknown route", "/nowhere", {}, "NOT_FOUND"],
  ["a path that cannot be decoded", "/agents/%zz", {}, "BAD_REQUEST"],
  ["a name without end", `/agents/${"a".repeat(300)}`, {}, "BAD_REQUEST"],
  ["a name that leaves its place", "/agents/..%2f..%2fapi-keys", {}, "BAD_REQUEST"],
  ["a call id that is none", "/calls/1", {}, "BAD_REQUEST"],
  ["a query out of range", "/audit?limit=-1", {}, "BAD_REQUEST"],
  ["a query given twice", "/audit?limit=5&limit=6", {}, "BAD_REQUEST"],
  ["an unknown query", "/audit?since=1", {}, "BAD_REQUEST"],
  ["a header over the limit", "/agents", { "x-long": "a".repeat(20_000) }, "BAD_REQUEST"],
  ["a foreign Host", "/agents", { host: "evil.example" }, "ORIGIN_REFUSED"],
  ["a foreign Origin", "/agents", { origin: "https://evil.example" }, "ORIGIN_REFUSED"],
  ["no Origin of its own", "/agents", { origin: "null" }, "ORIGIN_REFUSED"],
];
