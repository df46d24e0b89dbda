import { SondeError } from "@sonde/schemas/errors";
import { type RegistryEntry } from "@sonde/schemas/registry";
import { describe, expect, test } from "vitest";
import { chooseVersion } from "./choose-version.ts";
import { isStopEntry, whyStopped } from "./withdrawals.ts";

const name = "acme/hello";
const at = "2026-01-01T00:00:00.000Z";
const digest = `sha256:${"0".repeat(64)}` as const;
const publish = (version: string, agent = "^0.1.0"): RegistryEntry => ({
  type: "publish",
  at,
  name,
  version,
  digest,
  contentDigest: digest,
  engines: { agent },
  signer: { kind: "rsa-sha256", publisher: "acme", keyId: digest },
});
const yank = (version: string, yanked = true): RegistryEntry => ({
  type: "yank",
  at,
  name,
  version,
  yanked,
  reason: "broken",
});
const quarantine = (version: string, quarantined = true): RegistryEntry => ({
  type: "quarantine",
  at,
  name,
  version,
  quarantined,
  reason: "malware",
});
const advisory = (
  range: string,
  severity: "low" | "moderate" | "high" | "critical",
  withdrawn = false,
): RegistryEntry => ({
  type: "advisory",
  at,
  name,
  id: "ACME-1",
  range,
  severity,
  text: "bad",
  withdrawn,
});

function choose(entries: RegistryEntry[], wanted: string, agent = "0.1.5"): string {
  try {
    return chooseVersion(entries, wanted, agent).version;
  } catch (error) {
    return error instanceof SondeError ? error.code : String(error);
  }
}

describe("the version a range means", () => {
  const all = ["1.0.0", "1.2.0", "1.10.0", "2.0.0-beta.1", "2.0.0-beta.2"].map((v) => publish(v));

  test.each([
    ["^1", "1.10.0"],
    ["~1.2", "1.2.0"],
    ["*", "1.10.0"],
    ["1.0.0", "1.0.0"],
    ["^2", "NOT_FOUND"],
    ["^2.0.0-beta.1", "2.0.0-beta.2"],
    ["2.0.0-beta.1", "2.0.0-beta.1"],
    [">=1.2.0 <1.10.0", "1.2.0"],
    ["3.0.0", "NOT_FOUND"],
    ["latest", "BAD_REQUEST"],
    ["", "1.10.0"],
  ])("%s is %s", (wanted, version) => expect(choose(all, wanted)).toBe(version));

  test("a yanked version is chosen only by its exact number, until the yank is undone", () => {
    const yanked = [...all, yank("1.10.0")];
    expect([choose(yanked, "^1"), choose(yanked, "1.10.0")]).toEqual(["1.2.0", "1.10.0"]);
    expect(choose([...yanked, yank("1.10.0", false)], "^1")).toBe("1.10.0");
    expect(choose([publish("1.0.0"), yank("1.0.0")], "^1")).toBe("NOT_FOUND");
  });

  test("attack 44: a quarantined version is never chosen", () => {
    const stopped = [...all, quarantine("1.10.0")];
    expect([choose(stopped, "^1"), choose(stopped, "1.10.0")]).toEqual([
      "1.2.0",
      "PACK_QUARANTINED",
    ]);
    expect(choose([...stopped, quarantine("1.10.0", false)], "^1")).toBe("1.10.0");
  });

  test("an agent gets the newest version that it can run", () => {
    const engines = [publish("1.0.0"), publish("1.1.0", "^9.0.0")];
    expect([choose(engines, "^1"), choose(engines, "1.1.0")]).toEqual([
      "1.0.0",
      "PACK_NEEDS_NEWER_AGENT",
    ]);
    expect(choose(engines, "^1", "9.1.0")).toBe("1.1.0");
  });
});

describe("what stops a version", () => {
  const why = (entries: RegistryEntry[], version: string, of = name) =>
    whyStopped(entries.filter(isStopEntry), of, version);

  test("an advisory of high severity stops its range; a low one or another pack's does not", () => {
    for (const severity of ["high", "critical"] as const) {
      expect(why([advisory("<1.2.0", severity)], "1.1.9")).toContain("ACME-1");
    }
    for (const severity of ["low", "moderate"] as const) {
      expect(why([advisory("<1.2.0", severity)], "1.1.9")).toBeNull();
    }
    expect(why([advisory("<1.2.0", "critical")], "1.2.0")).toBeNull();
    expect(why([advisory("*", "critical")], "2.0.0-beta.1")).toContain("ACME-1");
    expect(why([advisory("*", "critical")], "1.0.0", "acme/other")).toBeNull();
  });

  test("of two entries about the same thing the later counts", () => {
    expect(why([advisory("*", "high"), advisory("*", "high", true)], "1.0.0")).toBeNull();
    expect(why([advisory("*", "high"), advisory("<1.0.0", "high")], "1.0.0")).toBeNull();
    expect(why([quarantine("1.0.0", false), quarantine("1.0.0")], "1.0.0")).toContain("malware");
  });
});
