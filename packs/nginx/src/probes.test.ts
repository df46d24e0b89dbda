import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { accessSummary } from "./access-summary.ts";
import { config } from "./config.ts";
import { errors } from "./errors.ts";
import { status } from "./status.ts";

type Answer = Record<string, unknown>;
const NOW = Date.UTC(2026, 10, 29, 12, 0, 0);
const absent = { ok: false, failure: { code: "SOURCE_NOT_FOUND", message: "it is not there" } };
const one = (data: object) => ({ ok: true, samples: [{ at: NOW, truncated: false, data }] });
const lines = (texts: string[]) =>
  one({
    ...{ parts: texts.map((text) => ({ text: `${text}\n` })), matchCount: texts.length },
    ...{ searchedBytes: 100, fileBytes: 100, cutByDeadline: false },
  });
const folder = (files: Record<string, string>) =>
  one({ entries: Object.entries(files).map(([name, text]) => ({ name, text })) });
/** A configuration of one main file and files of folders. */
const files = (main: string, folders: Record<string, Record<string, string>> = {}) => ({
  main: one({ text: main }),
  ...Object.fromEntries(
    ["confD", "defaultD", "sitesEnabled", "snippets"].map((name) => [
      name,
      folders[name] === undefined ? absent : folder(folders[name]),
    ]),
  ),
});
const input = (reads: object, params = {}): GuestInput =>
  ({ params, now: NOW, reads }) as GuestInput;

const askConfig = (main: string, folders: Record<string, Record<string, string>> = {}) =>
  config.call(input(files(main, folders))) as Answer;
const server = (text: string) => askConfig(`http { server { ${text} } }`);

test("config: servers come from the files that are included, in their order", () => {
  const found = askConfig(
    "user www-data; http {\n include /etc/nginx/conf.d/*.conf;\n include sites-enabled/*; }",
    {
      confD: {
        "b.conf": "server { listen 81; }",
        "a.conf": "server { listen 80; }",
        old: "broken {",
      },
      sitesEnabled: { shop: "server { listen 82; include snippets/tls.conf; }" },
      snippets: {
        "tls.conf": "ssl_certificate_key /etc/ssl/private/shop.key; ssl_certificate /c.pem;",
      },
    },
  );
  expect(found).toMatchObject({
    servers: [
      { listens: ["80"], certificateKey: null, place: "conf.d/a.conf:1" },
      { listens: ["81"] },
      { listens: ["82"], certificate: "/c.pem", certificateKey: "(masked)" },
    ],
    workers: { user: "www-data" },
    ...{ serverCount: 3, fileCount: 5, notRead: [], incomplete: false },
  });
  expect(JSON.stringify(found)).not.toContain("shop.key");
});

test("config: what is included from elsewhere is not read, and is named", () => {
  const found = askConfig(
    ["/etc/passwd", "../passwd", "conf.d/../../x", "sub/x.conf", "conf.d/none.conf"]
      .map((path) => `include ${path};`)
      .join("\n"),
    { confD: {} },
  );
  expect((found["notRead"] as { what: string }[]).map(({ what }) => what)).toEqual([
    "include /etc/passwd (nginx.conf:1)",
    "include ../passwd (nginx.conf:2)",
    "include conf.d/../../x (nginx.conf:3)",
    "include sub/x.conf (nginx.conf:4)",
    "include conf.d/none.conf (nginx.conf:5)",
  ]);
  expect((found["notRead"] as { reason: string }[]).map(({ reason }) => reason)).toEqual([
    ...Array.from({ length: 3 }, () => "it is not beneath /etc/nginx"),
    ...["this pack does not read that file", "it is not there"],
  ]);
});

test("config: a file that includes itself, and files that include each other many times, end", () => {
  expect(askConfig("include nginx.conf;")).toMatchObject({
    notRead: [{ reason: "too many includes within each other" }],
  });
  const tenTimes = (file: string) => `include conf.d/${file}.conf;\n`.repeat(10);
  const chain = Object.fromEntries(
    [1, 2, 3, 4].map((number) => [`${number}.conf`, tenTimes(String(number + 1))]),
  );
  expect(askConfig(tenTimes("1"), { confD: { ...chain, "5.conf": "x;" } })).toMatchObject({
    incomplete: true,
  });
});

test("config: a user with a password, and a query, are in no target", () => {
  const found = server(
    "location / { proxy_pass http://shop:hunter2@10.0.0.1:80/a?token=abc; } " +
      "location /old { return 301 https://shop.example/new?key=abc; } " +
      "location /in { return https://shop.example/new?key=abc; }",
  );
  expect(found).toMatchObject({
    servers: [
      {
        locations: [
          { path: "/", does: "passes to http://(masked)@10.0.0.1:80/a" },
          { path: "/old", does: "answers 301 https://shop.example/new" },
          { path: "/in", does: "answers https://shop.example/new" },
        ],
      },
    ],
  });
});

test("config: words as nginx takes them: quotes, escapes, variables, comments, code", () => {
  const found = server(
    '# { a comment\n server_name "a b" c\\;d "q\\"q" ${host}x; ' +
      "content_by_lua_block { if x then return \"}\" .. '{' end } } server { listen 1; ",
  );
  expect(found).toMatchObject({
    servers: [{ names: ["a b", "c\\;d", 'q"q', "${host}x"] }, { listens: ["1"] }],
    notRead: [],
  });
  expect(server("listen 80")).toMatchObject({
    notRead: [{ reason: expect.stringContaining("line 1") }],
  });
  expect(server('root "/x;')).toMatchObject({
    notRead: [{ reason: expect.stringContaining("quote") }],
  });
  expect(askConfig("a { b; } }")).toMatchObject({ notRead: [{ reason: "line 1: a } too many" }] });
});

const problemsOf = (text: string, more = ""): string[] =>
  (askConfig(`http { ${more} server { ${text} } }`)["problems"] as { problem: string }[]).map(
    ({ problem }) => problem,
  );

test("config: what is doubtful is told, and its near misses are not", () => {
  expect(problemsOf("ssl_protocols TLSv1.1 TLSv1.2;")).toEqual(["weak-protocols"]);
  expect(problemsOf("ssl_protocols TLSv1.2 TLSv1.3; autoindex off;")).toEqual([]);
  expect(problemsOf("autoindex on;")).toEqual(["lists-folders"]);
  expect(problemsOf("location /img { alias /srv/img/; }")).toEqual(["path-escape"]);
  expect(problemsOf("location /img/ { alias /srv/img/; }")).toEqual([]);
  expect(problemsOf("location /img { alias /srv/img; }")).toEqual([]);
  expect(problemsOf("location ~ /img { alias /srv/img/; }")).toEqual([]);
  const page = "location = /s { stub_status;";
  expect(problemsOf(`${page} }`)).toEqual(["open-status"]);
  expect(problemsOf(`${page} allow 127.0.0.1; deny all; }`)).toEqual([]);
  expect(problemsOf(`listen 127.0.0.1:8080; ${page} }`)).toEqual([]);
  expect(problemsOf(`listen 127.0.0.1:8080; listen 80; ${page} }`)).toEqual(["open-status"]);
  const other = "server { listen 80; server_name a; }";
  expect(problemsOf("server_name a;", other)).toEqual(["same-name"]);
  expect(problemsOf("server_name b;", other)).toEqual([]);
  expect(problemsOf("listen 81; server_name a;", other)).toEqual([]);
});

const pageOf = (requests: number, handled = 9) =>
  `Active connections: 3 \nserver accepts handled requests\n 10 ${handled} ${requests} \nReading: 0 Writing: 1 Waiting: 2 \n`;
const askStatus = (first: string, last: string) =>
  status.call(
    input({
      looks: {
        ok: true,
        samples: [first, last].map((body, index) => ({
          ...{ at: NOW + index * 2000, truncated: false, data: { status: 200, body } },
        })),
      },
    }),
  );

test("status: the rate leaves out the looks themselves; no other page is taken for one", () => {
  expect(askStatus(pageOf(100), pageOf(121))).toEqual({
    ...{ activeConnections: 3, reading: 0, writing: 1, waiting: 2 },
    ...{ acceptedConnections: 10, droppedConnections: 1, requests: 121, requestsPerSecond: 10 },
  });
  expect(() => askStatus("<h1>Welcome</h1>", pageOf(1))).toThrow("stub_status");
});

const askAccess = (texts: string[], main = "", params = {}) =>
  accessSummary.call(input({ requests: lines(texts), ...files(main) }, params)) as Answer;
const hit = (request: string, code: number, rest = "") =>
  `192.0.2.1 - - [29/Nov/2026:12:00:0${code % 10} +0100] "${request}" ${code} 5 "-" "curl"${rest}`;

test("access.summary: by status, route and time, in a format of the configuration", () => {
  const main =
    "http { log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" '\n" +
    '\'$status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time\';\n' +
    "access_log /var/log/nginx/shop.log timed; }";
  const found = askAccess(
    [
      ...[
        hit("GET /a/1?x=secret HTTP/1.1", 200, " 0.100"),
        hit("GET /a/2 HTTP/1.1", 502, " 3.000"),
      ],
      ...[hit("POST /b HTTP/1.1", 404, " 0.000"), "no such line"],
    ],
    main,
    { log: "shop.log" },
  );
  expect(found).toMatchObject({
    ...{ requests: 3, unreadLines: 1, formats: ["timed"], serverErrors: 1, clientErrors: 1 },
    ...{ from: "2026-11-29T11:00:00.000Z", to: "2026-11-29T11:00:04.000Z", perMinute: 45 },
    serverErrorPercent: 33.33,
    statuses: [200, 404, 502].map((code) => ({ status: code, count: 1 })),
    times: { p50Ms: 100, p95Ms: 3000, p99Ms: 3000, maxMs: 3000 },
    busiest: [{ route: "GET /a/:id", count: 2, serverErrors: 1 }, { route: "POST /b" }],
    failing: [{ route: "GET /a/:id" }, { route: "POST /b", clientErrors: 1 }],
    slowest: [{ route: "GET /a/:id", p95Ms: 3000, maxMs: 3000 }, { route: "POST /b" }],
  });
  expect(JSON.stringify(found)).not.toMatch(/secret|192\.0\.2\.1/);
});

test("access.summary: a log that servers write in several formats", () => {
  const main =
    "http { log_format short '$status $request_time'; access_log /var/log/nginx/access.log;" +
    "server { access_log /var/log/nginx/access.log short buffer=32k; } " +
    "server { access_log /var/log/nginx/access.log short; access_log /var/log/nginx/other.log none; } }";
  const found = askAccess([hit("GET / HTTP/1.1", 200), "500 0.5", "50 0.5", "-"], main);
  const longer =
    'http { log_format long \'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time\'; ';
  const both = `${longer} access_log /var/log/nginx/access.log; server { access_log /var/log/nginx/access.log long; } }`;
  expect(askAccess([hit("GET / HTTP/1.1", 200, " 0.7")], both)).toMatchObject({
    times: { maxMs: 700 },
  });
  expect(found).toMatchObject({
    ...{ requests: 2, unreadLines: 2, formats: ["combined", "short"], serverErrors: 1 },
    times: { maxMs: 500 },
  });
});

test("access.summary: JSON lines, and a format that nobody can take apart", () => {
  const json =
    'log_format j escape=json \'{"t":"$time_iso8601","r":"$request","s":$status,"d":$request_time}\';';
  const main = (format: string) => `http { ${format} access_log /var/log/nginx/access.log j; }`;
  const line = '{"t":"2026-11-29T12:00:00+01:00","r":"GET /a\\"b HTTP/1.1","s":500,"d":0.25}';
  expect(askAccess([line], main(json))).toMatchObject({
    ...{ requests: 1, serverErrors: 1, times: { maxMs: 250 }, to: "2026-11-29T11:00:00.000Z" },
    busiest: [{ route: 'GET /a\\"b' }],
  });
  const quoted = "log_format j escape=json '\"$request\" $status';";
  expect(askAccess(['"GET /a\\" 200 HTTP/1.1" 500'], main(quoted))).toMatchObject({
    ...{ requests: 1, serverErrors: 1 },
  });
  const glued = askAccess([line], main("log_format j '$status$request';"));
  expect(glued).toMatchObject({ requests: 0, unreadLines: 1, times: null, formats: ["j"] });
  expect(askAccess([line], main(""))).toMatchObject({ requests: 0, unreadLines: 1 });
});

test("access.summary: ids, tokens and the query are in no route", () => {
  const routeOf = (target: string) =>
    (askAccess([hit(`GET ${target} HTTP/1.1`, 200)])["busiest"] as { route: string }[])[0]?.route;
  expect(routeOf("/orders/81/items/9.html")).toBe("GET /orders/:id/items/:id.html");
  expect(routeOf("/u/3F2504E0-4F89-11D3-9A0C-0305E82C3301")).toBe("GET /u/:id");
  expect(routeOf("/reset/dGhpc2lzYXNlY3JldA0123456789")).toBe("GET /reset/:id");
  expect(routeOf("/reset/aB3xK9Qz")).toBe("GET /reset/:id");
  expect(routeOf("/m/jane@shop.example")).toBe("GET /m/:id");
  expect(routeOf("/p;jsessionid=1A")).toBe("GET /:id");
  expect(routeOf("http://other.example/a#x")).toBe("GET /a");
  expect(routeOf("/api/v2/orders")).toBe("GET /api/v2/orders");
  expect(routeOf("/a/b/c/d/e/f/g/h")).toBe("GET /a/b/c/d/e/f/...");
  expect(askAccess([hit("\\x16\\x03\\x01", 400)])).toMatchObject({
    busiest: [{ route: "(no request)", clientErrors: 1 }],
  });
});

const askErrors = (texts: string[], request = "") =>
  errors.call(input({ failures: lines(texts), newestRequest: lines([request]) })) as Answer;

test("errors: alike messages are one, with routes and upstreams, and without a query", () => {
  const refused = (id: number) =>
    `2026/11/29 12:5${id}:00 [error] 7#7: *${id} connect() failed (111: Connection refused) while connecting to upstream, ` +
    `client: 192.0.2.1, server: _, request: "GET /o/${id}?token=secret HTTP/1.1", upstream: "http://127.0.0.1:9000/o/${id}?token=secret", host: "a"`;
  const found = askErrors(
    [
      ...[refused(1), refused(2), "  a second line of it"],
      "2026/11/29 12:54:00 [alert] 7#7: worker process 81 exited on signal 11",
      '2026/11/29 12:55:00 [error] 7#7: *3 open() "/srv/x?y" failed (2: No such file or directory), client: 192.0.2.1',
    ],
    hit("GET / HTTP/1.1", 200),
  );
  expect(found).toMatchObject({
    messages: [
      { kind: "no-such-file", message: 'open() "..." failed (2: No such file or directory)' },
      { level: "alert", kind: "worker-crashed", message: "worker process N exited on signal N" },
      {
        ...{ kind: "upstream-refused", count: 2, routes: ["GET /o/:id"] },
        upstreams: ["http://127.0.0.1:9000"],
        ...{ firstAt: "2026/11/29 12:51:00", lastAt: "2026/11/29 12:52:00", lastMinutesAgo: 8 },
      },
    ],
    ...{ messageCount: 3, otherLines: 1, zone: "+0100" },
    levels: [
      { level: "error", count: 3 },
      { level: "alert", count: 1 },
    ],
  });
  expect(JSON.stringify(found)).not.toMatch(/secret|192\.0\.2\.1|srv/);
});

test("errors: without a request the log's time counts as UTC", () => {
  const found = askErrors([
    "2026/11/29 11:30:00 [emerg] 7#7: bind() to 0.0.0.0:80 failed (98: Address already in use)",
  ]);
  expect(found).toMatchObject({
    zone: "UTC",
    messages: [
      { kind: "port-taken", lastMinutesAgo: 30, message: expect.stringContaining("ADDRESS") },
    ],
  });
});
