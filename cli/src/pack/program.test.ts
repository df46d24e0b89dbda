import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type ErrorBody, SondeError } from "@sonde/schemas/errors";
import { type PublishedVersion } from "@sonde/schemas/registry";
import { type TrustPolicy } from "@sonde/schemas/trust";
import { parseManifest, type VerifiedPack, verifyPack } from "@sonde/trust/pack";
import { readArchive } from "@sonde/trust/archive";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPackProgram } from "./program.ts";

const root = await mkdtemp(path.join(tmpdir(), "sonde-pack-"));
const at = (...parts: string[]): string => path.join(root, ...parts);
const folder = at("hello");
const archive = at("hello", "dist", "hello-0.1.0.tgz");
const bundle = `${archive}.sigstore.json`;
afterAll(() => rm(root, { recursive: true }));

type Ended = { code: number; out: string; err: string };

async function run(
  args: string[],
  env: Record<string, string> = {},
  ask?: (question: string) => Promise<boolean>,
): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runPackProgram(args, {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    env: new Map(Object.entries(env)),
    untilStopped: () => AbortSignal.abort(),
    ...(ask !== undefined && { ask }),
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

/** The error code that `--json` prints. */
async function refusalOf(args: string[], env?: Record<string, string>): Promise<string> {
  const { code, out } = await run([...args, "--json"], env);
  expect(code).toBe(1);
  return (JSON.parse(out) as ErrorBody).error.code;
}

beforeAll(async () => {
  for (const args of [
    ["init", "acme/hello", folder],
    ["build", folder],
    ["create-key", at("acme.key")],
    ["create-key", at("other.key")],
    ["sign", archive, "--key", at("acme.key")],
  ]) {
    const { code, err } = await run(args);
    if (code !== 0) throw new Error(err);
    if (args[0] === "init") {
      await copyFile(path.join(folder, "README.md"), at("template.md"));
      await writeFile(path.join(folder, "README.md"), "# acme/hello\n\nGreets from a host.\n");
    }
  }
}, 60_000);

describe("init, build, test", () => {
  test("a new folder compiles, without Node's or the browser's types", async () => {
    const tsc = fileURLToPath(new URL("../../../node_modules/.bin/tsc", import.meta.url));
    const check = async (): Promise<string> =>
      new Promise((resolve) => {
        execFile(tsc, ["-p", folder], (_error, stdout) => resolve(stdout));
      });
    expect(await check()).toBe("");
    const probe = path.join(folder, "src", "reach.ts");
    await writeFile(probe, `import "node:fs";\nexport const x = [process, fetch, console];\n`);
    const complaints = await check();
    await rm(probe);
    for (const name of ["node:fs", "process", "fetch", "console"]) {
      expect(complaints).toContain(`'${name}'`);
    }
  });

  test("build shows what users will be asked to grant", async () => {
    const { out } = await run(["build", folder]);
    expect(out).toContain("files: /proc/sys/kernel/hostname, /proc/uptime");
    const { out: json } = await run(["build", folder, "--json", "--out", at("elsewhere")]);
    expect(JSON.parse(json)).toMatchObject({
      file: at("elsewhere", "hello-0.1.0.tgz"),
      name: "acme/hello",
      probes: [{ probe: "greet", capability: "observe" }],
    });
    expect(await readFile(at("elsewhere", "hello-0.1.0.tgz"))).toEqual(await readFile(archive));
  });

  test("a new pack's fixture passes; a wrong expectation fails and can be recorded", async () => {
    expect((await run(["test", folder])).out).toContain("1 passed, 0 failed");
    const fixture = path.join(folder, "fixtures", "greet.json");
    const before = await readFile(fixture, "utf8");
    await writeFile(fixture, before.replace("Hello Ada", "Hello Bob"));
    expect(await run(["test", folder, "--json"])).toMatchObject({ code: 1 });
    expect(await run(["test", folder, "--record"])).toMatchObject({ code: 0 });
    expect(await readFile(fixture, "utf8")).toBe(before);
  });

  test("a bad fixture is named, and the others still run", async () => {
    const fixtures = path.join(folder, "fixtures");
    const good = await readFile(path.join(fixtures, "greet.json"), "utf8");
    const probe = path.join(folder, "src", "greet.ts");
    const source = await readFile(probe, "utf8");
    await writeFile(
      probe,
      source.replace(
        "const seconds",
        `if (params.name === "loop") for (;;);
        if (params.name === "fill") for (const kept: unknown[] = []; ; ) kept.push(new Array(1e6).fill(1));
        const seconds`,
      ),
    );
    const named = (name: string): string => good.replace('"Ada"', JSON.stringify(name));
    await writeFile(path.join(fixtures, "a-text.json"), "not JSON");
    await writeFile(path.join(fixtures, "b-kind.json"), good.replace('"params"', '"parameters"'));
    await writeFile(path.join(fixtures, "c-reads.json"), good.replace('"hostName"', '"host"'));
    await writeFile(path.join(fixtures, "d-loop.json"), named("loop"));
    await writeFile(path.join(fixtures, "e-fill.json"), named("fill"));
    await mkdir(path.join(fixtures, "f-folder.json"));
    const { code, out } = await run(["test", folder]);
    await writeFile(probe, source);
    for (const name of await readdir(fixtures)) {
      if (name !== "greet.json") await rm(path.join(fixtures, name), { recursive: true });
    }
    expect(code).toBe(1);
    expect(out).toContain("FAIL a-text (no fixture)\n     BAD_REQUEST: a-text.json: fixture: ");
    expect(out).toContain("BAD_REQUEST: b-kind.json: fixture: expected a member params");
    expect(out).toContain("FAIL c-reads (greet, ");
    expect(out).toContain("FAIL d-loop (greet, ");
    expect(out).toMatch(/FAIL e-fill \(greet, .*\n.*\n.*"failure":"PACK_CRASHED"/);
    expect(out).toContain("BAD_REQUEST: f-folder.json: EISDIR");
    expect(out).toContain("ok   greet (greet, ");
    expect(out).toContain("1 passed, 6 failed");
  }, 30_000);

  test("a source of what is usually secret is a warning at build", async () => {
    const sources = path.join(folder, "src", "sources.ts");
    const before = await readFile(sources, "utf8");
    expect((await run(["build", folder])).out).not.toContain("warning");
    await writeFile(sources, before.replace("/proc/uptime", "/etc/shadow"));
    const { code, out } = await run(["build", folder, "--out", at("secret")]);
    await writeFile(sources, before);
    expect(code).toBe(0);
    expect(out).toContain(
      "warning: source uptime: /etc/shadow can be /etc/shadow: password hashes",
    );
  });

  test("an existing folder is not changed", async () => {
    expect(await refusalOf(["init", "acme/hello", folder])).toBe("BAD_REQUEST");
    expect(await refusalOf(["init", "Acme/../x", at("x")])).toBe("BAD_REQUEST");
    expect((await readdir(root)).includes("x")).toBe(false);
  });

  test("an error names its code, its position and the next step", async () => {
    const { code, err } = await run(["build", at("nowhere")]);
    expect(code).toBe(1);
    expect(err).toMatch(/^error BUILD_FAILED: .*README\.md.*\n {2}next: /);
  });
});

describe("create-key and sign", () => {
  test("only its owner can read a key, and it is never overwritten", async () => {
    expect((await stat(at("acme.key"))).mode & 0o777).toBe(0o600);
    const before = await readFile(at("acme.key"), "utf8");
    expect(await refusalOf(["create-key", at("acme.key")])).toBe("BAD_REQUEST");
    expect(await readFile(at("acme.key"), "utf8")).toBe(before);
  });

  test("the key may come from the environment, as PEM or by name", async () => {
    const signed = await readFile(bundle, "utf8");
    const pem = await readFile(at("acme.key"), "utf8");
    for (const value of [pem, at("acme.key")]) {
      await rm(bundle);
      expect(await run(["sign", archive], { SONDE_PACK_KEY: value })).toMatchObject({ code: 0 });
      expect(await readFile(bundle, "utf8")).toBe(signed);
    }
  });

  test.each([
    ["no key", [], {}, "BAD_REQUEST"],
    ["a public key", ["--key", at("acme.key.pub")], {}, "CONFIG_INVALID"],
    ["a key in the open", ["--key", at("open.key")], {}, "CONFIG_INVALID"],
    ["text", [], { SONDE_PACK_KEY: "-----BEGIN x" }, "CONFIG_INVALID"],
    ["a file that is not there", ["--key", at("none.key")], {}, "NOT_FOUND"],
  ])("%s signs nothing", async (_what, args, env, code) => {
    await writeFile(at("open.key"), await readFile(at("acme.key")));
    await chmod(at("open.key"), 0o644);
    expect(await refusalOf(["sign", archive, ...args], env)).toBe(code);
  });
});

describe("verify", () => {
  /** A second version of the pack in another folder. */
  async function buildOther(): Promise<void> {
    const source = path.join(folder, "src", "pack.ts");
    const text = await readFile(source, "utf8");
    await writeFile(source, text.replace("0.1.0", "0.1.1"));
    expect(await run(["build", folder, "--out", at("elsewhere")])).toMatchObject({ code: 0 });
    await writeFile(source, text);
  }

  async function writePolicy(publisher: string, key: string): Promise<string> {
    const publicKey = await readFile(at(key), "utf8");
    const policy: TrustPolicy = {
      registry: "https://registry.example",
      logKey: "registry.example/log+a6f6a6a2+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      publishers: {
        [publisher]: { keys: [{ algorithm: "rsa-sha256", publicKey }], identities: [] },
      },
      allowUnsignedPacks: true,
    };
    await writeFile(at("trust.json"), JSON.stringify(policy));
    return at("trust.json");
  }

  test("says in words what was verified and who signed it", async () => {
    const policy = await writePolicy("acme", "acme.key.pub");
    const { code, out } = await run(["verify", archive, "--policy", policy]);
    expect(code).toBe(0);
    expect(out).toContain("acme/hello 0.1.0 is genuine");
    expect(out).toMatch(/signed by acme \(RSA key sha256:/);
    expect(out).toContain(`what ${policy} says`);
    expect(out).toContain("all 1 probes only read");
    expect(await run(["verify", archive, "--key", at("acme.key.pub")])).toMatchObject({ code: 0 });
  });

  test("another key, another publisher, no signature, a changed byte: refused", async () => {
    expect(await refusalOf(["verify", archive, "--key", at("other.key.pub")])).toBe(
      "SIGNER_UNTRUSTED",
    );
    const policy = await writePolicy("somebody", "acme.key.pub");
    expect(await refusalOf(["verify", archive, "--policy", policy])).toBe("SIGNER_UNTRUSTED");
    const allowing = await writePolicy("acme", "acme.key.pub");
    const unsigned = ["verify", archive, "--policy", allowing, "--bundle", at("none.json")];
    expect(await refusalOf(unsigned)).toBe("SIGNATURE_MISSING");
    const bytes = await readFile(archive);
    bytes[bytes.length - 9] = (bytes.at(-9) ?? 0) ^ 1;
    await writeFile(at("changed.tgz"), bytes);
    const changed = ["verify", at("changed.tgz"), "--policy", allowing, "--bundle", bundle];
    expect(["ARCHIVE_INVALID", "DIGEST_MISMATCH"]).toContain(await refusalOf(changed));
  });

  test("without a policy it says what an archive holds, and that nobody's trust was asked", async () => {
    const { code, out } = await run(["verify", archive]);
    expect(code).toBe(0);
    expect(out).toContain("acme/hello 0.1.0 is well formed. Nobody's trust was asked");
    expect(out).toMatch(/says that RSA key sha256:[0-9a-f]{64} signed it/);
    expect(out).toContain("neither that signature nor a right to sign for acme/hello was checked");
    expect(out).toContain("    file /proc/uptime");
    expect(out).not.toContain("genuine");
    const unsigned = await run(["verify", archive, "--bundle", at("none.json")]);
    expect(unsigned.out).toContain("UNSIGNED");
    const { out: json } = await run(["verify", archive, "--json"]);
    expect(JSON.parse(json)).toMatchObject({ trusted: false, claim: { kind: "rsa-sha256" } });
  });

  test.each([[[]], [["--policy", "trust.json", "--key", "acme.key.pub"]], [["--issuer", "x"]]])(
    "with options %j the archive's fault is named, not the options'",
    async (options) => {
      await writeFile(at("text.tgz"), "not an archive");
      await writeFile(at("large.tgz"), Buffer.alloc(3 * 1024 * 1024));
      await copyFile(archive, at("broken.tgz"));
      await writeFile(`${at("broken.tgz")}.sigstore.json`, "{}");
      await buildOther();
      await copyFile(bundle, `${at("elsewhere", "hello-0.1.1.tgz")}.sigstore.json`);
      for (const [file, code] of [
        [at("text.tgz"), "ARCHIVE_INVALID"],
        [at("large.tgz"), "ARCHIVE_INVALID"],
        [folder, "ARCHIVE_INVALID"],
        ["/dev/zero", "ARCHIVE_INVALID"],
        [at("none.tgz"), "NOT_FOUND"],
        [at("broken.tgz"), "SIGNATURE_INVALID"],
        [at("elsewhere", "hello-0.1.1.tgz"), "DIGEST_MISMATCH"],
      ] as const) {
        expect([file, await refusalOf(["verify", file, ...options])]).toEqual([file, code]);
      }
    },
  );

  test("two policies, or half of one, are a wrong request", async () => {
    for (const options of [
      ["--policy", at("trust.json"), "--key", at("acme.key.pub")],
      ["--identity", "someone"],
      ["--issuer", "https://issuer.example"],
    ]) {
      expect(await refusalOf(["verify", archive, ...options])).toBe("BAD_REQUEST");
    }
  });
});

describe("publish", () => {
  let server: Server;
  let registry: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let seen: { url: string; parts: string[]; authorization: string } | undefined;
  /** Answers of the registry by path; any other name is not found. */
  const known = new Map<string, object>();
  const nothing = new SondeError("NOT_FOUND", "expected a pack, got none").toBody();

  // A stand-in for the registry: an HTTP server that records each request and gives fixed answers.
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.method !== "GET") return answer(request, response);
      const found = known.get(request.url ?? "");
      response.writeHead(found === undefined ? 404 : 200).end(JSON.stringify(found ?? nothing));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  async function readJson(request: IncomingMessage): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString());
  }

  async function accept(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const type = request.headers["content-type"] ?? "";
    const form = await new Response(Buffer.concat(chunks), {
      headers: { "content-type": type },
    }).formData();
    seen = {
      url: `${request.method} ${request.url}`,
      parts: [...form.keys()],
      authorization: request.headers.authorization ?? "",
    };
    const read = async (name: string): Promise<Uint8Array> =>
      new Uint8Array(await (form.get(name) as File).arrayBuffer());
    const publicKey = await readFile(at("acme.key.pub"), "utf8");
    const pack = await verifyPack({
      archive: await read("archive"),
      bundle: Buffer.from(await read("bundle")).toString("utf8"),
      policy: {
        publishers: { acme: { keys: [{ algorithm: "rsa-sha256", publicKey }], identities: [] } },
        allowUnsignedPacks: false,
      },
      origin: "registry",
    });
    response.end(JSON.stringify(publishedAs(pack)));
  }

  /** The registry's answer to a publish. */
  function publishedAs(
    pack: Pick<VerifiedPack, "digest" | "contentDigest" | "signer" | "manifest">,
  ): PublishedVersion {
    const { digest, contentDigest, signer, manifest } = pack;
    const { name, version } = manifest;
    return {
      ...{ name, version, digest, contentDigest, sizeBytes: 1, signer, manifest },
      publishedAt: "2026-01-01T00:00:00.000Z",
      logIndex: 0,
      checks: [{ step: "code", outcome: "passed" }],
      warnings: ["acme/hello is easily taken for acne/hello"],
      state: { yanked: null, quarantined: null },
      deprecated: null,
      advisories: [],
    };
  }

  /** The answer of a registry that has the version. */
  function sampleVersion(): PublishedVersion {
    const digest = `sha256:${"0".repeat(64)}` as const;
    const file = readArchive(readFileSync(archive)).find(({ path: name }) => name === "pack.json");
    const manifest = parseManifest(file?.bytes ?? new Uint8Array());
    const signer = { kind: "none", publisher: "acme" } as const;
    return publishedAs({ digest, contentDigest: digest, signer, manifest });
  }

  const publish = (...more: string[]): string[] => [
    "publish",
    archive,
    "--registry",
    registry,
    ...more,
  ];
  const env = { SONDE_PUBLISH_TOKEN: "t0ken" };

  test("the template's README is refused before anything is sent", async () => {
    const own = path.join(folder, "README.md");
    const before = await readFile(own);
    const template = await readFile(at("template.md"), "utf8");
    await writeFile(own, template.replace("# acme/hello", "# Hello\n\nMore."));
    expect(await run(["build", folder, "--out", at("unwritten")])).toMatchObject({ code: 0 });
    await writeFile(own, before);
    const unwritten = at("unwritten", "hello-0.1.0.tgz");
    await run(["sign", unwritten, "--key", at("acme.key")]);
    const { code, err } = await run(["publish", unwritten, "--registry", registry], {
      SONDE_PUBLISH_TOKEN: "sonde_t",
    });
    expect(code).toBe(1);
    expect(err).toContain("README.md: expected your own words, got the template's");
    expect(seen).toBeUndefined();
  });

  test("sends the bundle, then the archive, with the token as bearer", async () => {
    answer = (request, response) => void accept(request, response);
    const { code, out } = await run(publish(), env);
    expect({ code, seen }).toEqual({
      code: 0,
      seen: {
        url: "PUT /api/v1/packs/acme/hello/0.1.0",
        parts: ["bundle", "archive"],
        authorization: "Bearer t0ken",
      },
    });
    expect(out).toContain("Published acme/hello 0.1.0");
    expect(out).toContain("warning: acme/hello is easily taken for acne/hello");
  });

  test("new requirements are shown before anything is sent, and the answer no sends nothing", async () => {
    const { manifest, ...before } = sampleVersion();
    const older = { ...before, version: "0.0.9", manifest: { ...manifest, version: "0.0.9" } };
    const fewer = { ...manifest.requires, files: ["/proc/uptime"] };
    Object.assign(older.manifest, { requires: fewer });
    const { digest, publishedAt, signer, state } = older;
    known.set("/api/v1/packs/acme/hello", {
      ...{ name: "acme/hello", latest: "0.0.9", deprecated: null, advisories: [] },
      versions: [{ version: "0.0.9", digest, publishedAt, signer, state }],
    });
    known.set("/api/v1/packs/acme/hello/0.0.9", older);
    seen = undefined;
    answer = (request, response) => void accept(request, response);
    const asked: string[] = [];
    const answering = (yes: boolean) => async (question: string) => {
      asked.push(question);
      return yes;
    };
    const refused = await run(publish(), env, answering(false));
    expect([refused.code, seen, asked.length]).toEqual([1, undefined, 1]);
    expect(refused.out).toContain("What 0.1.0 asks for, beside 0.0.9:");
    expect(refused.out).toContain("+ files: /proc/sys/kernel/hostname");
    expect((await run(publish(), env, answering(true))).code).toBe(0);
    expect((await run(publish("--yes"), env, answering(false))).code).toBe(0);
    // Without a terminal, nobody is asked.
    expect((await run(publish(), env)).code).toBe(0);
    expect(asked.length).toBe(2);
    const { out } = await run(publish("--json"), env);
    expect(JSON.parse(out)).toMatchObject({
      permissions: { from: "0.0.9", asksMore: true, added: { files: expect.any(Array) } },
      warnings: [expect.any(String)],
    });
    known.clear();
  });

  test("a CI's identity token is requested for this registry and exchanged, so no stored token is needed", async () => {
    const exchanged: unknown[] = [];
    let audience: string | null = null;
    const github = createServer((request, response) => {
      audience = new URL(request.url ?? "", "http://x").searchParams.get("audience");
      const isAllowed = request.headers.authorization === "Bearer job-secret";
      response.end(JSON.stringify(isAllowed ? { value: "a.b.c" } : {}));
    });
    github.listen(0, "127.0.0.1");
    await once(github, "listening");
    const job = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(github.address() as AddressInfo).port}/?x=1`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-secret",
    };
    answer = (request, response) => {
      if (request.method === "PUT") return void accept(request, response);
      void readJson(request).then((body) => {
        exchanged.push(request.url, body);
        const expiresAt = "2026-01-01T00:15:00.000Z";
        response.end(JSON.stringify({ token: "short", pack: "acme/hello", expiresAt }));
      });
    };
    expect(await run(publish(), job)).toMatchObject({ code: 0 });
    expect(audience).toBe(registry);
    const body = { pack: "acme/hello", identityToken: "a.b.c" };
    expect(exchanged).toEqual(["/api/v1/trusted-publishing/token", body]);
    expect(seen?.authorization).toBe("Bearer short");
    // A given token is used, unless the options demand the CI's identity.
    await run(publish(), { ...job, ...env });
    expect(seen?.authorization).toBe("Bearer t0ken");
    await run(publish("--trusted"), { ...job, ...env });
    expect(seen?.authorization).toBe("Bearer short");
    await run(publish("--trusted"), { SONDE_ID_TOKEN: "d.e.f" });
    expect(exchanged.at(-1)).toEqual({ pack: "acme/hello", identityToken: "d.e.f" });
    expect(await refusalOf(publish("--trusted"), env)).toBe("UNAUTHENTICATED");
    const other = { ...job, ACTIONS_ID_TOKEN_REQUEST_TOKEN: "no" };
    expect(await refusalOf(publish(), other)).toBe("UNAUTHENTICATED");
    github.close();
  });

  test("the registry's own refusal is passed on with its code", async () => {
    const body = new SondeError("VERSION_EXISTS", "expected a new version, got 0.1.0").toBody();
    answer = (request, response) => {
      request.resume();
      response.writeHead(409).end(JSON.stringify(body));
    };
    expect(await refusalOf(publish(), env)).toBe("VERSION_EXISTS");
  });

  test.each([
    ["a page", 502, "<html>"],
    ["an unknown code", 500, '{"error":{"code":"constructor","message":"x"}}'],
    ["a redirect", 307, ""],
    ["an endless answer", 200, "x".repeat(2_000_000)],
  ])("%s is no answer", async (_what, status, body) => {
    answer = (request, response) => {
      request.resume();
      response.writeHead(status, { location: "/other" }).end(body);
    };
    expect(await refusalOf(publish(), env)).toBe("REGISTRY_UNAVAILABLE");
  });

  test("a registry that stored other bytes is detected", async () => {
    answer = (request, response) => {
      request.resume();
      const digest = `sha256:${"0".repeat(64)}` as const;
      const signer = { kind: "none", publisher: "acme" } as const;
      const { manifest } = sampleVersion();
      response.end(
        JSON.stringify(publishedAs({ digest, contentDigest: digest, signer, manifest })),
      );
    };
    expect(await refusalOf(publish(), env)).toBe("DIGEST_MISMATCH");
  });

  test("a token never goes over plain HTTP to another host, and without a token nothing is sent", async () => {
    const plain = ["publish", archive, "--registry", "http://registry.example"];
    const sent: string[] = [];
    answer = (request, response) => {
      sent.push(request.url ?? "");
      response.writeHead(500).end();
    };
    expect(await refusalOf(plain, env)).toBe("BAD_REQUEST");
    expect(await refusalOf(publish())).toBe("UNAUTHENTICATED");
    expect((await run(publish())).err).toMatch(
      /SONDE_PUBLISH_TOKEN or --token-file, .* makes one with sonde registry publisher add acme$/m,
    );
    expect(sent).toEqual([]);
    await writeFile(at("token"), "file-token\n");
    answer = (request, response) => void accept(request, response);
    expect(await run(publish("--token-file", at("token")))).toMatchObject({ code: 0 });
    expect(seen?.authorization).toBe("Bearer file-token");
  });
});

describe("usage", () => {
  test("help is 0, wrong usage is 2", async () => {
    expect(await run(["--help"])).toMatchObject({ code: 0, err: "" });
    expect((await run(["--help"])).out).toContain("docs/pack-reference.md");
    expect((await run(["publish", "--help"])).out).toContain("SONDE_PUBLISH_TOKEN");
    expect((await run(["nonsense"])).code).toBe(2);
    expect((await run(["publish", archive])).code).toBe(2);
    expect((await run(["build", "--nonsense"])).code).toBe(2);
  });

  test("the program as a separate process exits with the same codes", async () => {
    const entry = fileURLToPath(new URL("../sonde-pack.ts", import.meta.url));
    const end = (args: string[]): Promise<number | string | null | undefined> =>
      new Promise((resolve) => {
        execFile(process.execPath, ["--conditions=sonde:source", entry, ...args], (error) =>
          resolve(error === null ? 0 : error.code),
        );
      });
    expect(await end(["verify", archive, "--key", at("acme.key.pub")])).toBe(0);
    expect(await end(["verify", archive, "--key", at("other.key.pub")])).toBe(1);
    expect(await end(["nonsense"])).toBe(2);
  });
});
