import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { type ErrorBody } from "@sonde/schemas/errors";
import { type Capability } from "@sonde/schemas/names";
import {
  type PublishedVersion,
  parsePackList,
  parsePackVersions,
  parsePublishedVersion,
} from "@sonde/schemas/registry";
import { MAX_ARCHIVE_BYTES, UNWRITTEN_README, archiveDigest } from "@sonde/trust/archive";
import {
  type SampleKey,
  buildSampleArchive,
  buildSampleManifest,
  createSampleKey,
  signSample,
} from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, TestRegistry, codeOf, uploadForm } from "./testing/test-registry.ts";

let registry: TestRegistry;
let acme: SampleKey;
let token: string;

beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = createSampleKey();
  token = await registry.addPublisher("acme", acme);
}, 120_000);
afterAll(() => registry.close());

const read = (path: string): Promise<Answer> => registry.read(path);
type Upload = { archive: Uint8Array; bundle?: string; path?: string; bearer?: string | null };
const complete = (upload: Upload) => ({
  bundle: upload.bundle ?? signSample(upload.archive, acme),
  path: "acme/hello/1.0.0",
  bearer: token,
  ...upload,
});
const form = (upload: Upload): FormData => uploadForm(complete(upload));
const publish = (upload: Upload, body?: string | FormData): Promise<Answer> =>
  registry.publish(complete(upload), body);
const archiveOf = (version: string, code = "var pack = {};\n"): Uint8Array =>
  buildSampleArchive({ manifest: { version }, code });
/** Returns the sample's probe with another capability. */
const labelled = (capability: Capability) =>
  Object.fromEntries(
    Object.entries(buildSampleManifest().probes).map(([name, probe]) => [
      name,
      { ...probe, capability },
    ]),
  );
const blobs = (): string[] => readdirSync(join(registry.dataDir, "archives")).toSorted();

test("a published version is listed, described and downloaded, byte for byte", async () => {
  const archive = archiveOf("1.0.0");
  const bundle = signSample(archive, acme);
  const answer = await publish({ archive, bundle });
  expect(answer.status).toBe(201);
  const published = parsePublishedVersion(answer.body);
  expect(published).toMatchObject({
    name: "acme/hello",
    version: "1.0.0",
    digest: archiveDigest(archive),
    sizeBytes: archive.length,
    signer: { kind: "rsa-sha256", publisher: "acme" },
  });

  expect((await read("/api/v1/packs/acme/hello/1.0.0")).body).toEqual(published);
  const download = await fetch(registry.at("/api/v1/packs/acme/hello/1.0.0/archive"));
  expect(download.headers.get("sonde-digest")).toBe(published.digest);
  expect(download.headers.get("sonde-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Uint8Array(await download.arrayBuffer())).toEqual(Uint8Array.from(archive));
  expect(await (await fetch(registry.at("/api/v1/packs/acme/hello/1.0.0/bundle"))).text()).toBe(
    bundle,
  );
  expect(await read("/health")).toEqual({ status: 200, body: { status: "ok" } });
});

test("versions are in order of version, and the latest is no pre-release", async () => {
  for (const version of ["1.10.0", "1.9.0", "2.0.0-beta.1"]) {
    const answer = await publish({ archive: archiveOf(version), path: `acme/hello/${version}` });
    expect(answer.status).toBe(201);
  }
  const { versions } = parsePackVersions((await read("/api/v1/packs/acme/hello")).body);
  expect(versions.map(({ version }) => version)).toEqual([
    "2.0.0-beta.1",
    "1.10.0",
    "1.9.0",
    "1.0.0",
  ]);
  const { packs } = parsePackList((await read("/api/v1/packs")).body);
  expect(packs).toMatchObject([{ name: "acme/hello", latest: "1.10.0" }]);
});

test("a README that is still the template's is refused, and nothing of it is kept", async () => {
  const kept = blobs();
  const archive = buildSampleArchive({
    manifest: { version: "1.5.0" },
    readme: `# Hello\n\n${UNWRITTEN_README}\n`,
  });
  const answer = await publish({ archive, path: "acme/hello/1.5.0" });
  expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
  expect((answer.body as ErrorBody).error.message).toContain("README.md: expected your own words");
  expect(blobs()).toEqual(kept);
});

test("a version never changes: the same bytes give the same answer, others are refused", async () => {
  // Published by this test or by an earlier one.
  await publish({ archive: archiveOf("1.0.0") });
  const before = (await read("/api/v1/packs/acme/hello/1.0.0")).body;
  const kept = blobs();
  const again = await publish({ archive: archiveOf("1.0.0") });
  expect(again).toEqual({ status: 200, body: before });
  const other = await publish({ archive: archiveOf("1.0.0", "var pack = { other: 1 };\n") });
  expect([other.status, codeOf(other)]).toEqual([409, "VERSION_EXISTS"]);
  expect((await read("/api/v1/packs/acme/hello/1.0.0")).body).toEqual(before);
  expect(blobs()).toEqual(kept);
});

test("of concurrent publishes exactly one wins, and only its archive is kept", async () => {
  const kept = blobs().length;
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      publish({
        archive: archiveOf("3.0.0", `var pack = { a: ${index} };\n`),
        path: "acme/hello/3.0.0",
      }),
    ),
  );
  const created = answers.filter(({ status }) => status === 201);
  expect(created.length).toBe(1);
  expect(answers.filter(({ status }) => status === 409).length).toBe(7);
  expect((await read("/api/v1/packs/acme/hello/3.0.0")).body).toEqual(created[0]?.body);
  expect(blobs().length).toBe(kept + 1);
  const same = archiveOf("3.1.0");
  const twins = await Promise.all(
    [1, 2, 3, 4].map(() => publish({ archive: same, path: "acme/hello/3.1.0" })),
  );
  expect(twins.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 201]);
  expect(new Set(twins.map(({ body }) => (body as PublishedVersion).publishedAt)).size).toBe(1);
});

const evil = createSampleKey();
test.each<[string, number, string, () => Upload]>([
  ["no token", 401, "UNAUTHENTICATED", () => ({ archive: archiveOf("9.0.0"), bearer: null })],
  [
    "another token",
    401,
    "UNAUTHENTICATED",
    () => ({ archive: archiveOf("9.0.0"), bearer: `sonde_pt_${"a".repeat(43)}` }),
  ],
  [
    "a token of another form",
    401,
    "UNAUTHENTICATED",
    () => ({ archive: archiveOf("9.0.0"), bearer: "x" }),
  ],
  [
    "a name of another publisher",
    403,
    "FORBIDDEN",
    () => ({
      archive: buildSampleArchive({ manifest: { name: "sonde/hello", version: "9.0.0" } }),
      path: "sonde/hello/9.0.0",
    }),
  ],
  [
    "another name than in the path",
    422,
    "MANIFEST_INVALID",
    () => ({ archive: buildSampleArchive({ manifest: { name: "acme/other", version: "9.0.0" } }) }),
  ],
  [
    "another version than in the path",
    422,
    "MANIFEST_INVALID",
    () => ({ archive: archiveOf("9.0.1") }),
  ],
  [
    "a foreign signature",
    403,
    "SIGNER_UNTRUSTED",
    () => ({ archive: archiveOf("9.0.0"), bundle: signSample(archiveOf("9.0.0"), evil) }),
  ],
  [
    "a signature of another archive",
    422,
    "DIGEST_MISMATCH",
    () => ({ archive: archiveOf("9.0.0"), bundle: signSample(archiveOf("9.0.1"), acme) }),
  ],
  [
    "an empty bundle",
    422,
    "SIGNATURE_INVALID",
    () => ({ archive: archiveOf("9.0.0"), bundle: "" }),
  ],
  [
    "a broken archive",
    422,
    "ARCHIVE_INVALID",
    () => ({ archive: archiveOf("9.0.0").subarray(0, -1), bundle: "{}" }),
  ],
  [
    "requires of another pack",
    422,
    "REQUIRES_MISMATCH",
    () => ({
      archive: buildSampleArchive({
        manifest: {
          version: "9.0.0",
          requires: { groups: [], commands: [], files: [], sockets: [] },
        },
      }),
    }),
  ],
  [
    "a command that may write",
    403,
    "CAPABILITY_REFUSED",
    () => ({
      archive: buildSampleArchive({
        manifest: {
          version: "9.0.0",
          sources: {
            load: {
              kind: "exec",
              command: "systemctl",
              argv: ["stop", "sshd"],
              timeoutMs: 500,
              maxBytes: 4096,
            },
          },
          requires: { groups: [], commands: ["systemctl stop sshd"], files: [], sockets: [] },
          probes: labelled("manage"),
        },
      }),
    }),
  ],
  [
    "a command that may write, labelled as one that reads",
    422,
    "MANIFEST_INVALID",
    () => ({
      archive: buildSampleArchive({
        manifest: {
          version: "9.0.0",
          sources: {
            load: {
              kind: "exec",
              command: "systemctl",
              argv: ["stop", "sshd"],
              timeoutMs: 500,
              maxBytes: 4096,
            },
          },
          requires: { groups: [], commands: ["systemctl stop sshd"], files: [], sockets: [] },
        },
      }),
    }),
  ],
  [
    "a command that may write, unused",
    403,
    "CAPABILITY_REFUSED",
    () => ({
      archive: buildSampleArchive({
        manifest: {
          version: "9.0.0",
          sources: {
            load: { kind: "file", path: "/proc/loadavg", timeoutMs: 500, maxBytes: 4096 },
            stop: {
              kind: "exec",
              command: "sh",
              argv: ["-c", "x"],
              timeoutMs: 500,
              maxBytes: 4096,
            },
          },
          requires: { groups: [], commands: ["sh -c x"], files: ["/proc/loadavg"], sockets: [] },
        },
      }),
    }),
  ],
  [
    "code that makes code",
    422,
    "CODE_REFUSED",
    () => ({ archive: archiveOf("9.0.0", "eval('1');\n") }),
  ],
  [
    "a path with an invalid version",
    400,
    "BAD_REQUEST",
    () => ({ archive: archiveOf("9.0.0"), path: "acme/hello/latest" }),
  ],
])("%s is refused, and nothing of it is kept", async (_what, status, code, upload) => {
  const kept = blobs();
  const answer = await publish({ path: "acme/hello/9.0.0", ...upload() });
  expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  expect((await read("/api/v1/packs/acme/hello/9.0.0")).status).toBe(404);
  expect(blobs()).toEqual(kept);
});

test.each<[string, number, string, () => string | FormData]>([
  ["JSON", 400, "BAD_REQUEST", () => "{}"],
  [
    "the parts in another order",
    400,
    "BAD_REQUEST",
    () => {
      const data = new FormData();
      for (const [name, blob] of [...form({ archive: archiveOf("9.0.0") })].toReversed())
        data.append(name, blob);
      return data;
    },
  ],
  [
    "one part",
    400,
    "BAD_REQUEST",
    () => {
      const data = form({ archive: archiveOf("9.0.0") });
      data.delete("archive");
      return data;
    },
  ],
  [
    "three parts",
    413,
    "BODY_TOO_LARGE",
    () => {
      const data = form({ archive: archiveOf("9.0.0") });
      data.append("more", new Blob(["x"]), "x");
      return data;
    },
  ],
  [
    "a bundle as a plain field",
    413,
    "BODY_TOO_LARGE",
    () => {
      const data = new FormData();
      data.append("bundle", "{}");
      return data;
    },
  ],
  [
    "a huge archive",
    413,
    "BODY_TOO_LARGE",
    () => form({ archive: Buffer.alloc(3_000_000), bundle: "{}" }),
  ],
  [
    "an archive above its cap in a body below its own",
    413,
    "BODY_TOO_LARGE",
    () => form({ archive: Buffer.alloc(MAX_ARCHIVE_BYTES + 1), bundle: "{}" }),
  ],
  [
    "a huge bundle",
    413,
    "BODY_TOO_LARGE",
    () => form({ archive: archiveOf("9.0.0"), bundle: "x".repeat(100_000) }),
  ],
])("a body with %s is refused", async (_what, status, code, body) => {
  const answer = await publish({ archive: archiveOf("9.0.0"), path: "acme/hello/9.0.0" }, body());
  expect([answer.status, codeOf(answer)]).toEqual([status, code]);
});

test("a truncated multipart body is BAD_REQUEST", async () => {
  const answer = await fetch(registry.at("/api/v1/packs/acme/hello/9.0.0"), {
    method: "PUT",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "multipart/form-data; boundary=b",
    },
    body: '--b\r\ncontent-disposition: form-data; name="bundle"; filename="b"\r\n\r\n{',
  });
  const { error } = (await answer.json()) as ErrorBody;
  expect([answer.status, error.code]).toEqual([400, "BAD_REQUEST"]);
});

test.each([
  ["no length", "transfer-encoding: chunked", 400],
  ["a length above the cap", "content-length: 99999999", 413],
  ["a length that is not a number", "content-length: 1e3", 400],
])("a body with %s is refused unread", async (_what, header, status) => {
  const answered = await new Promise<string>((done, fail) => {
    const socket = connect(registry.port, "127.0.0.1");
    socket.on("data", (chunk) => {
      socket.destroy();
      done(chunk.toString());
    });
    socket.on("error", fail);
    socket.write(
      `PUT /api/v1/packs/acme/hello/9.0.0 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
        `content-type: multipart/form-data; boundary=b\r\n${header}\r\n\r\n`,
    );
  });
  expect(answered).toContain(`HTTP/1.1 ${status} `);
});

test("a refusal comes before the body is read", async () => {
  const status = await new Promise<number>((done, fail) => {
    const call = httpRequest(registry.at("/api/v1/packs/acme/hello/9.0.0"), {
      method: "PUT",
      headers: { "content-type": "multipart/form-data; boundary=b", "content-length": "1000" },
    });
    call.on("response", (response) => done(response.statusCode ?? 0));
    call.on("error", fail);
    call.flushHeaders();
  });
  expect(status).toBe(401);
});

test.each<[string, string, number, string]>([
  ["GET", "/nowhere", 404, "NOT_FOUND"],
  ["DELETE", "/api/v1/packs/acme/hello/1.0.0", 404, "NOT_FOUND"],
  ["GET", "/api/v1/packs/acme/none", 404, "NOT_FOUND"],
  ["GET", "/api/v1/packs/acme/hello/7.7.7/archive", 404, "NOT_FOUND"],
  ["GET", "/api/v1/packs/acme/hello/7.7.7/bundle", 404, "NOT_FOUND"],
  ["GET", "/api/v1/packs/acme/..%2f..%2fetc/1.0.0/archive", 400, "BAD_REQUEST"],
  ["GET", "/api/v1/packs/ACME/hello", 400, "BAD_REQUEST"],
  ["GET", "/api/v1/packs/%00/hello", 400, "BAD_REQUEST"],
  ["GET", "/api/v1/packs/%zz/hello", 400, "BAD_REQUEST"],
  ["POST", "/publishers", 404, "NOT_FOUND"],
])("%s %s answers %i %s", async (method, path, status, code) => {
  const response = await fetch(registry.at(path), { method });
  expect([response.status, ((await response.json()) as ErrorBody).error.code]).toEqual([
    status,
    code,
  ]);
});

test("only the operator opens the operator's socket, and its input is strict", async () => {
  const socketPath = join(registry.dataDir, "run/operator.sock");
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  expect(statSync(join(registry.dataDir, "run")).mode & 0o777).toBe(0o700);
  const post = (body: string, type = "application/json"): Promise<string> =>
    new Promise((done, fail) => {
      const call = httpRequest(
        { socketPath, path: "/publishers", method: "POST", headers: { "content-type": type } },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.on("end", () =>
            done(`${response.statusCode} ${(JSON.parse(text) as ErrorBody).error.code}`),
          );
        },
      );
      call.on("error", fail);
      call.end(body);
    });
  const good = { name: "other", publicKey: acme.publicKeyPem };
  expect(await post("{")).toBe("400 BAD_REQUEST");
  expect(await post("{}")).toBe("400 BAD_REQUEST");
  expect(await post(JSON.stringify({ ...good, admin: true }))).toBe("400 BAD_REQUEST");
  expect(await post(JSON.stringify({ ...good, name: "../x" }))).toBe("400 BAD_REQUEST");
  expect(await post(JSON.stringify({ ...good, publicKey: "x" }))).toBe("400 BAD_REQUEST");
  expect(
    await post(JSON.stringify({ ...good, publicKey: createSampleKey(1024).publicKeyPem })),
  ).toBe("400 BAD_REQUEST");
  expect(await post("x", "text/plain")).toBe("400 BAD_REQUEST");
  expect(await post(`"${"x".repeat(20_000)}"`)).toBe("413 BODY_TOO_LARGE");
});

test("a publisher may have several keys and tokens; a stolen database has no token in it", async () => {
  const second = createSampleKey();
  const secondToken = await registry.addPublisher("acme", second);
  const archive = archiveOf("4.0.0");
  const answer = await publish({
    archive,
    bundle: signSample(archive, second),
    bearer: secondToken,
    path: "acme/hello/4.0.0",
  });
  expect(answer.status).toBe(201);
  expect((await publish({ archive: archiveOf("4.0.1"), path: "acme/hello/4.0.1" })).status).toBe(
    201,
  );
  const rows = await registry.inDatabase(async (sql) => sql`select * from publisher_tokens`);
  expect(JSON.stringify(rows)).not.toContain(token.slice("sonde_pt_".length));
  expect(rows.length).toBe(2);
});

test("an archive that changes on disk is not served", async () => {
  const archive = archiveOf("5.0.0");
  await publish({ archive, path: "acme/hello/5.0.0" });
  const file = join(registry.dataDir, "archives", `${archiveDigest(archive).slice(7)}.tgz`);
  writeFileSync(file, archiveOf("5.0.1"));
  const answer = await read("/api/v1/packs/acme/hello/5.0.0/archive");
  expect([answer.status, codeOf(answer)]).toEqual([500, "INTERNAL"]);
});

test("a killed registry comes back on its port with everything it had acknowledged", async () => {
  const { port } = registry;
  const before = (await read("/api/v1/packs/acme/hello")).body;
  await registry.stop("SIGKILL");
  writeFileSync(join(registry.dataDir, "archives/.new-leaving"), "half");
  await registry.start();
  expect(registry.port).toBe(port);
  expect((await read("/api/v1/packs/acme/hello")).body).toEqual(before);
  expect(blobs().some((name) => name.startsWith(".new-"))).toBe(false);
  expect((await fetch(registry.at("/api/v1/packs/acme/hello/1.0.0/archive"))).status).toBe(200);
});

test("SIGTERM ends it cleanly", async () => {
  expect(await registry.stop("SIGTERM")).toBe(0);
  await registry.start();
});

test.each<[string, object, string]>([
  ["an unknown key", { extra: 1 }, "CONFIG_INVALID"],
  [
    "a listener over plain HTTP",
    { http: { host: "0.0.0.0", port: 0, behindProxy: false } },
    "INSECURE_LISTENER",
  ],
  [
    "an unreachable database",
    { databaseUrl: "postgres://localhost:1/none" },
    "DATABASE_UNAVAILABLE",
  ],
  ["a folder that it may not create", { dataDir: "/etc/hostname/none" }, "RIGHT_MISSING"],
])("with %s in its configuration it does not start", async (_what, changes, code) => {
  const other = join(registry.root, "other.json");
  registry.writeConfig(other, changes);
  const { code: exit, out } = await registry.runToEnd([other]);
  expect(exit).toBe(1);
  expect(out).toContain(`"code":"${code}"`);
});

test("attack 8: with a member twice in its configuration it does not start", async () => {
  const other = join(registry.root, "other.json");
  registry.writeConfig(other, {});
  const text = readFileSync(other, "utf8").replace("{", '{"dataDir":"/nonexistent",');
  writeFileSync(other, text);
  const { code, out } = await registry.runToEnd([other]);
  expect([code, out]).toEqual([1, expect.stringContaining('"code":"CONFIG_INVALID"')]);
});

test("a port in use is reported in one sentence", async () => {
  const other = join(registry.root, "other.json");
  const otherData = join(registry.root, "other-data");
  registry.writeConfig(other, {
    dataDir: otherData,
    databaseUrl: undefined,
    http: { host: "127.0.0.1", port: registry.port, behindProxy: false },
  });
  const { code, out } = await registry.runToEnd([other]);
  expect(code).toBe(1);
  expect(out).toContain('"code":"PORT_IN_USE"');
  // It had started a database by then, and stopped it.
  expect(existsSync(join(otherData, "postgres", "PG_VERSION"))).toBe(true);
  expect(existsSync(join(otherData, "postgres", "postmaster.pid"))).toBe(false);
});

test("it starts with its configuration as the only argument", async () => {
  for (const args of [[], [registry.configFile, "publisher", "add", "acme"]]) {
    const { code, out } = await registry.runToEnd(args);
    expect([code, out.includes('"code":"CONFIG_INVALID"')]).toEqual([1, true]);
  }
});

test("root is refused", async () => {
  // Without root, uid 0 in a user namespace serves as well.
  const child = TestRegistry.asRoot
    ? await registry.runToEnd([registry.configFile], {})
    : await new Promise<{ out: string }>((done) => {
        const unshared = spawn("unshare", [
          "-r",
          process.execPath,
          "--conditions=sonde:source",
          join(import.meta.dirname, "main.ts"),
          registry.configFile,
        ]);
        let out = "";
        unshared.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
        unshared.on("close", () => done({ out }));
      });
  expect(child.out).toContain('"code":"PRIVILEGE_REFUSED"');
});
