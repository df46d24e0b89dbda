import { isDeepStrictEqual } from "node:util";
import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import { type Manifest, type ProbeManifest } from "@sonde/schemas/manifest";
import { buildValueChecker } from "@sonde/schemas/parse";
import type { Pack } from "../author/index.ts";
import { type BuiltPack, buildPack } from "../build/index.ts";
import { type GuestProcess, openGuestProcess } from "../guest-process/open-guest-process.ts";
import type { Fixture } from "./fixture.ts";

export type FixtureOutcome = { result: unknown } | { failure: ErrorCode; message: string };

/** A built pack in a real isolate. `close` ends its process. */
export type PackTest = {
  built: BuiltPack;
  /**
   * Runs a probe over a fixture's reads.
   *
   * @throws SondeError PROBE_UNKNOWN; PARAMS_INVALID; BAD_REQUEST when the
   *   fixture's reads are not the probe's; RESULT_INVALID when the answer does
   *   not fit the result schema
   */
  run(fixture: Fixture): Promise<FixtureOutcome>;
  close(): void;
};

const TIMEOUT_MS = 2000;

/** Builds a pack's folder and loads its code as an agent would. No read is performed. */
export async function openPackTest(folder: string): Promise<PackTest> {
  const built = await buildPack(folder);
  const open = (): GuestProcess => openGuestProcess({ code: codeOf(built) });
  let guest = open();
  return {
    built,
    async run(fixture) {
      const outcome = await runInIsolate(built.manifest, guest, fixture);
      if ("failure" in outcome && outcome.failure === "PACK_CRASHED") {
        // As on a host, where one call's crash is not the next one's.
        guest.close();
        guest = open();
      }
      return outcome;
    },
    close: () => guest.close(),
  };
}

/** Runs the pack's code in this process: for a debugger, and for comparison with the isolate. */
export function runDirectly(pack: Pack, manifest: Manifest, fixture: Fixture): FixtureOutcome {
  const probe = checkFixture(manifest, fixture);
  const { params, reads, now } = fixture;
  let result: unknown;
  try {
    // Serialised to JSON and parsed again, like every result.
    result = JSON.parse(JSON.stringify(pack.run(fixture.probe, { params, reads, now })));
  } catch (error) {
    const message = error instanceof Error ? error.message : "unknown failure";
    return { failure: "PACK_FAILED", message };
  }
  return { result: checkResult(probe, fixture.probe, result) };
}

/** True when an outcome is what the fixture expects. */
export function isExpected(fixture: Fixture, outcome: FixtureOutcome): boolean {
  if (fixture.expected === undefined) return false;
  if ("failure" in fixture.expected) {
    return "failure" in outcome && outcome.failure === fixture.expected.failure;
  }
  return "result" in outcome && isDeepStrictEqual(outcome.result, fixture.expected.result);
}

async function runInIsolate(
  manifest: Manifest,
  guest: GuestProcess,
  fixture: Fixture,
): Promise<FixtureOutcome> {
  const probe = checkFixture(manifest, fixture);
  const { params, reads, now } = fixture;
  const input = JSON.stringify({ params, reads, now });
  const answer = await guest.run(fixture.probe, input, TIMEOUT_MS);
  if (!answer.ok) return { failure: answer.failure.code, message: answer.failure.message };
  return { result: checkResult(probe, fixture.probe, JSON.parse(answer.result)) };
}

function checkFixture(manifest: Manifest, fixture: Fixture): ProbeManifest {
  const probe = new Map(Object.entries(manifest.probes)).get(fixture.probe);
  if (probe === undefined) {
    throw new SondeError("PROBE_UNKNOWN", `expected a probe of the pack, got ${fixture.probe}`);
  }
  const misfit = buildValueChecker(probe.params)(fixture.params);
  if (misfit !== null) throw new SondeError("PARAMS_INVALID", `params: ${misfit}`);
  const declared = Object.keys(probe.reads).sort().join(", ");
  const recorded = Object.keys(fixture.reads).sort().join(", ");
  if (declared !== recorded) {
    throw new SondeError("BAD_REQUEST", `reads: expected ${declared}, got ${recorded}`);
  }
  return probe;
}

function checkResult(probe: ProbeManifest, name: string, result: unknown): unknown {
  const misfit = buildValueChecker(probe.result)(result);
  if (misfit !== null) throw new SondeError("RESULT_INVALID", `${name}: ${misfit}`);
  return result;
}

function codeOf(built: BuiltPack): string {
  const file = built.files.find(({ path }) => path === "index.js");
  if (file === undefined) throw new SondeError("INTERNAL", "a built pack has an index.js");
  return Buffer.from(file.bytes).toString("utf8");
}
