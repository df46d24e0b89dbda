import { SondeError } from "@sonde/schemas/errors";
import { buildSampleArchive, type SampleRegistry, startSampleRegistry } from "@sonde/trust/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { auditRegistry } from "./audit-registry.ts";

let registry: SampleRegistry;
const archiveOf = (version: string) => buildSampleArchive({ manifest: { version } });

beforeEach(async () => {
  registry = await startSampleRegistry();
  for (const version of ["1.0.0", "1.1.0", "1.2.0"]) registry.publish(archiveOf(version), null);
});
afterEach(() => registry.close());

const audit = (logKey = registry.logKey) =>
  auditRegistry({ registry: registry.url, logKey }, () => undefined);
/** Replaces one archive with other bytes, or deletes it. */
const serve = (version: string, body: Uint8Array | null) => {
  registry.lie = ({ url = "" }, response) => {
    if (!url.endsWith(`/${version}/archive`)) return false;
    if (body === null) response.writeHead(410).end("{}");
    else response.end(body);
    return true;
  };
};

test("an honest registry passes the audit", async () => {
  const found = await audit();
  expect(found).toMatchObject({ archives: 3, withheld: [], problems: [], head: { size: 3 } });
});

test("a changed or missing archive is reported, and the rest is still checked", async () => {
  serve("1.1.0", archiveOf("1.2.0"));
  expect((await audit()).problems).toMatchObject([
    { pack: "acme/hello 1.1.0", code: "DIGEST_MISMATCH" },
  ]);
  serve("1.1.0", null);
  const { archives, problems } = await audit();
  expect([archives, problems.map(({ code }) => code)]).toEqual([3, ["REGISTRY_UNAVAILABLE"]]);
});

test("a version that the log withdrew is reported, but not as a problem", async () => {
  registry.append({
    type: "quarantine",
    at: "2026-01-02T00:00:00.000Z",
    name: "acme/hello",
    version: "1.1.0",
    quarantined: true,
    reason: "malware",
  });
  serve("1.1.0", null);
  expect(await audit()).toMatchObject({
    archives: 2,
    withheld: ["acme/hello 1.1.0"],
    problems: [],
  });
});

test("a log that another key signed is refused", async () => {
  const other = await startSampleRegistry();
  await other.close();
  await expect(audit(other.logKey)).rejects.toMatchObject({ code: "REGISTRY_LOG_INCONSISTENT" });
  await expect(audit("x")).rejects.toThrowError(SondeError);
});
