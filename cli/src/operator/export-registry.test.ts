import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { archiveDigest } from "@sonde/trust/archive";
import {
  archiveMember,
  bundleMember,
  CHECKPOINT,
  createExportReader,
  entriesMember,
  TRUSTED_ROOT,
} from "@sonde/trust/export";
import { buildSampleArchive, type SampleRegistry, startSampleRegistry } from "@sonde/trust/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exportRegistry, type ExportRequest } from "./export-registry.ts";

const VERSIONS = ["1.0.0", "1.1.0", "1.2.0"];
let registry: SampleRegistry;
let folder: string;
let file: string;

const archiveOf = (version: string) => buildSampleArchive({ manifest: { version } });
const digestOf = (version: string): Digest => archiveDigest(archiveOf(version));

beforeEach(async () => {
  registry = await startSampleRegistry();
  for (const version of VERSIONS) registry.publish(archiveOf(version), `{"of":"${version}"}`);
  folder = mkdtempSync(join(tmpdir(), "sonde-export-"));
  file = join(folder, "packs.tar");
});
afterEach(async () => {
  await registry.close();
  rmSync(folder, { recursive: true });
});

const run = (changes: Partial<ExportRequest> = {}) =>
  exportRegistry({
    source: { registry: registry.url, logKey: registry.logKey },
    trustedRoot: null,
    since: 0,
    to: file,
    onVersion: () => undefined,
    ...changes,
  });
const refusalOf = (changes: Partial<ExportRequest> = {}): Promise<string> =>
  run(changes).then(
    () => "accepted",
    (error: unknown) => (error instanceof SondeError ? error.code : String(error)),
  );
const quarantine = (version: string, quarantined = true) =>
  registry.append({
    type: "quarantine",
    at: "2026-01-02T00:00:00.000Z",
    name: "acme/hello",
    version,
    quarantined,
    reason: "malware",
  });
const serve = (path: string, answer: (response: Parameters<SampleRegistry["lie"]>[1]) => void) => {
  registry.lie = ({ url = "" }, response) => {
    if (!url.endsWith(path)) return false;
    answer(response);
    return true;
  };
};

/** Reads the export as a mirror does. It must hold the archives of exactly these versions. */
async function expectMembers(size: number, versions: string[], root?: string): Promise<void> {
  const reader = createExportReader(
    (async function* () {
      yield readFileSync(file);
    })(),
  );
  await reader.demand(CHECKPOINT);
  expect((await reader.take(TRUSTED_ROOT))?.toString()).toBe(root);
  await reader.demand(entriesMember({ level: null, index: 0, width: size }));
  for (const version of versions) {
    const digest = digestOf(version);
    expect([...(await reader.demand(archiveMember(digest)))]).toEqual([...archiveOf(version)]);
    const bundle = await reader.demand(bundleMember(digest));
    expect(bundle.toString()).toBe(`{"of":"${version}"}`);
  }
  await reader.demandEnd();
}

test("an export contains the log, and every archive with its bundle", async () => {
  const exported = await run();
  expect(exported).toMatchObject({ archives: 3, quarantined: 0, earlier: 0, head: { size: 3 } });
  await expectMembers(3, VERSIONS);
  await run({ trustedRoot: "{}" });
  await expectMembers(3, VERSIONS, "{}");
  expect(readdirSync(folder)).toEqual(["packs.tar"]);
});

test("a quarantined version is left out, and a later export contains it after its release", async () => {
  quarantine("1.1.0");
  serve("/1.1.0/archive", (response) => response.writeHead(410).end("{}"));
  expect(await run()).toMatchObject({ archives: 2, quarantined: 1 });
  await expectMembers(4, ["1.0.0", "1.2.0"]);
  quarantine("1.1.0", false);
  registry.lie = () => false;
  registry.publish(archiveOf("1.3.0"), `{"of":"1.3.0"}`);
  expect(await run({ since: 4 })).toMatchObject({ archives: 2, earlier: 2 });
  await expectMembers(6, ["1.1.0", "1.3.0"]);
});

test("an archive that differs from the log is not exported, and no file is left", async () => {
  serve("/1.1.0/archive", (response) => response.end(archiveOf("1.2.0")));
  expect(await refusalOf()).toBe("DIGEST_MISMATCH");
  serve("/1.1.0/bundle", (response) => response.writeHead(404).end("{}"));
  expect(await refusalOf()).toBe("NOT_FOUND");
  registry.lie = () => false;
  const other = await startSampleRegistry();
  await other.close();
  const source = { registry: registry.url, logKey: other.logKey };
  expect(await refusalOf({ source })).toBe("REGISTRY_LOG_INCONSISTENT");
  expect(existsSync(file)).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

test("the exporter waits when the registry limits its rate", async () => {
  let refusals = 1;
  registry.lie = (_request, response) => {
    if (refusals === 0) return false;
    refusals -= 1;
    response.writeHead(429).end("{}");
    return true;
  };
  expect(await run()).toMatchObject({ archives: 3 });
});

test("a path that cannot be written is reported", async () => {
  expect(await refusalOf({ to: join(folder, "none/packs.tar") })).toBe("RIGHT_MISSING");
});

// Attack class 51: another user of a shared folder puts a link at the temporary file's path.
test("an export is not written through a link", async () => {
  const victim = join(folder, "victim");
  writeFileSync(victim, "untouched");
  symlinkSync(victim, `${file}.new`);
  await run();
  expect(readFileSync(victim, "utf8")).toBe("untouched");
  expect(existsSync(`${file}.new`)).toBe(false);
});
