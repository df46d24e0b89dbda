import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { ErrorBody } from "@sonde/schemas/errors";
import { buildSampleArchive } from "@sonde/trust/testing";
import {
  createTestSigstore,
  serveSigstore,
  type ServedSigstore,
} from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPackProgram } from "./program.ts";

// `sonde-pack` against a certificate authority, two transparency logs and a timestamp authority
// over HTTP. One case runs it as a separate process.

const root = await mkdtemp(path.join(tmpdir(), "sonde-keyless-"));
const at = (name: string): string => path.join(root, name);
const archive = at("hello-1.0.0.tgz");
const bundle = `${archive}.sigstore.json`;
const program = fileURLToPath(new URL("../sonde-pack.ts", import.meta.url));
const JOB = "https://github.com/acme/hello/.github/workflows/publish.yml@refs/heads/main";
let services: ServedSigstore;

beforeAll(async () => {
  const sigstore = await createTestSigstore();
  services = await serveSigstore(sigstore);
  await writeFile(archive, buildSampleArchive());
  await writeFile(at("root.json"), JSON.stringify(sigstore.trustedRoot));
});
afterAll(async () => {
  await services.close();
  await rm(root, { recursive: true });
});

type Ended = { code: number; out: string; err: string };

async function run(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runPackProgram(args, {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    env: new Map(Object.entries(env)),
    untilStopped: () => AbortSignal.abort(),
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

function runProcess(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["--conditions=sonde:source", program, ...args],
      { env },
      (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

async function refusalOf(args: string[], env?: Record<string, string>): Promise<string> {
  const { code, out } = await run([...args, "--json"], env);
  expect(code).toBe(1);
  return (JSON.parse(out) as ErrorBody).error.code;
}

const by = (version: "1" | "2"): string[] => [
  ...["--fulcio", services.fulcio, "--timestamp", services.timestamp],
  ...["--rekor", version === "1" ? services.rekor : services.rekorV2, "--rekor-version", version],
];
const expecting = (identity: string, ...more: string[]): string[] => [
  ...["verify", archive, "--trusted-root", at("root.json")],
  ...["--issuer", services.issuer, "--identity", identity, ...more],
];

test.each(["1", "2"] as const)(
  "a CI job signs by its own identity in a log of version %s",
  async (version) => {
    const env = services.ambient({ sub: JOB, repository_id: "1234" });
    const signed = await run(["sign", archive, ...by(version)], env);
    expect(signed.err).toBe("");
    expect(signed.out).toContain(`as ${JOB}`);
    const { code, out, err } = await run(expecting(JOB, "--repository-id", "1234"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("acme/hello 1.0.0 is genuine");
    expect(out).toContain(`signed by acme (${JOB} by ${services.issuer}, repository 1234, 20`);
    expect(out).toContain("a timestamp authority saw it at 20");
    const claimed = await run(["verify", archive]);
    expect(claimed.out).toContain(`says that ${JOB} by ${services.issuer} signed it;`);
    for (const wrong of [
      expecting(`${JOB}x`, "--repository-id", "1234"),
      expecting(JOB, "--repository-id", "1235"),
      expecting(JOB),
    ]) {
      expect(await refusalOf(wrong)).toBe("SIGNER_UNTRUSTED");
    }
  },
);

test("the whole sequence with the program as a separate process", async () => {
  const env = services.ambient({ sub: JOB });
  expect(await runProcess(["sign", archive, ...by("2")], env)).toMatchObject({ code: 0, err: "" });
  expect(await runProcess(expecting(JOB))).toMatchObject({ code: 0, err: "" });
});

test("a signing config names the services, and GitLab's token is taken from its variable", async () => {
  const validFor = { start: "2026-01-01T00:00:00Z" };
  const service = (url: string, majorApiVersion: number) => [
    { url, majorApiVersion, validFor, operator: "example" },
  ];
  const config = {
    mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    caUrls: service(services.fulcio, 1),
    oidcUrls: service(services.url, 1),
    rekorTlogUrls: service(services.rekorV2, 2),
    rekorTlogConfig: { selector: "ANY" },
    tsaUrls: service(services.timestamp, 1),
    tsaConfig: { selector: "ANY" },
  };
  await writeFile(at("signing.json"), JSON.stringify(config));
  const sub = "https://gitlab.example/acme/hello//.gitlab-ci.yml@refs/heads/main";
  const env = { SIGSTORE_ID_TOKEN: services.issueToken({ sub }) };
  const sign = ["sign", archive, "--signing-config", at("signing.json")];
  expect(await run(sign, env)).toMatchObject({ code: 0, err: "" });
  expect(await run(expecting(sub))).toMatchObject({ code: 0 });
  expect(await refusalOf([...sign, "--fulcio", services.fulcio], env)).toBe("BAD_REQUEST");
  await writeFile(at("signing.json"), JSON.stringify({ ...config, tsaUrls: [] }));
  expect(await refusalOf(sign, env)).toBe("CONFIG_INVALID");
});

test("a person signs with a token in a file, by e-mail address", async () => {
  const claims = { sub: "1", email: "ada@acme.example", email_verified: true };
  await writeFile(at("token"), `${services.issueToken(claims)}\n`);
  const sign = ["sign", archive, ...by("2"), "--identity-token-file", at("token")];
  expect((await run(sign)).out).toContain("as ada@acme.example");
  // The command line wins over a key in the environment.
  expect(await run(sign, { SONDE_PACK_KEY: at("none.key") })).toMatchObject({ code: 0 });
  expect(await run(expecting("ada@acme.example"))).toMatchObject({ code: 0 });
  expect(await refusalOf([...sign, "--key", at("none.key")])).toBe("BAD_REQUEST");
});

test("a refused token signs nothing, and the output does not contain it", async () => {
  const before = "what was here before";
  await writeFile(bundle, before);
  const sub = "https://example.com/x";
  const forged = services.issueToken({ sub }).replace(/.{20}$/, "AAAAAAAAAAAAAAAAAAAA");
  const nameless = services.issueToken({ sub: "" });
  for (const token of [
    forged,
    nameless,
    services.issueToken({ sub, aud: "other" }),
    services.issueToken({ sub, exp: 1 }),
  ]) {
    const { code, out, err } = await run(["sign", archive, ...by("2")], {
      SIGSTORE_ID_TOKEN: token,
    });
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("error SIGNING_FAILED");
    expect(err).not.toContain(token.split(".")[1]);
  }
  expect(await refusalOf(["sign", archive, ...by("2")], { SIGSTORE_ID_TOKEN: "hello" })).toBe(
    "UNAUTHENTICATED",
  );
  const env = { ...services.ambient({ sub }), ACTIONS_ID_TOKEN_REQUEST_TOKEN: "other" };
  expect(await refusalOf(["sign", archive, ...by("2")], env)).toBe("UNAUTHENTICATED");
  expect(await readFile(bundle, "utf8")).toBe(before);
});

test("a token goes only to the named services", async () => {
  const env = { SIGSTORE_ID_TOKEN: services.issueToken({ sub: "https://example.com/x" }) };
  expect(await refusalOf(["sign", archive, "--fulcio", services.fulcio], env)).toBe("BAD_REQUEST");
  const plain = ["--fulcio", "http://fulcio.example", ...by("2").slice(2)];
  expect(await refusalOf(["sign", archive, ...plain], env)).toBe("CONFIG_INVALID");
  const asked = {
    ACTIONS_ID_TOKEN_REQUEST_URL: "http://token.example/",
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "x",
  };
  expect(await refusalOf(["sign", archive, ...by("2")], asked)).toBe("CONFIG_INVALID");
  expect(await refusalOf(["sign", archive], {})).toBe("BAD_REQUEST");
});
