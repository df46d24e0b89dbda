import { expect, test } from "vitest";
import { packagesPending } from "./packages-pending.ts";

const OUTPUT = `Reading package lists...
The following packages have been kept back:
  linux-image-amd64 docker-ce
  held-one
The following packages will be upgraded:
  apt bash
Inst bash [5.2.15-2+b8] (5.2.15-2+b13 Debian:12.15/oldstable [amd64])
Inst linux-image-6.1.0-50-amd64 (6.1.172-1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64])
Inst libpam-modules-bin [1.5.2-6] (1.5.2-7 Ubuntu:24.04/noble-security [amd64]) [libpam-modules:amd64 ]
Inst what is this
Remv old-one [1.0]
Conf bash (5.2.15-2+b13 Debian:12.15/oldstable [amd64])
`;
const FETCHED = Date.parse("2026-11-28T16:57:00Z");

const ask = (found: object[], params = {}, truncated = false) => {
  const of = (data: object) => ({ ok: true as const, samples: [{ at: 0, truncated, data }] });
  const upgrade = of({ stdout: OUTPUT, stderr: "", exitCode: 0 });
  return packagesPending.call({ params, now: 0, reads: { upgrade, lists: of({ found }) } });
};
const entry = (path: string, modifiedAt: number) => ({
  ...{ path, type: "file", sizeBytes: 1, modifiedAt },
});
const LISTS = [
  entry("x_dists_bookworm_main_binary-amd64_Packages.lz4", 5),
  entry("partial", FETCHED),
];

test("security updates are first, whoever's they are, and rows in other words are counted", () => {
  expect(ask(LISTS)).toEqual({
    ...{ listsChangedAt: "2026-11-28T16:57:00.000Z", pendingCount: 4, securityCount: 2 },
    ...{ removedCount: 1, unreadableCount: 1, incomplete: false },
    packages: [
      {
        ...{ name: "libpam-modules-bin", installed: "1.5.2-6", available: "1.5.2-7" },
        ...{ isSecurity: true, origin: "Ubuntu:24.04/noble-security" },
      },
      {
        ...{ name: "linux-image-6.1.0-50-amd64", installed: null, available: "6.1.172-1" },
        ...{
          isSecurity: true,
          origin: "Debian:12.15/oldstable, Debian-Security:12/oldstable-security",
        },
      },
      {
        ...{ name: "bash", installed: "5.2.15-2+b8", available: "5.2.15-2+b13" },
        ...{ isSecurity: false, origin: "Debian:12.15/oldstable" },
      },
    ],
    keptBack: ["linux-image-amd64", "docker-ce", "held-one"],
  });
  expect(ask(LISTS, { securityOnly: true, limit: 1 })).toMatchObject({
    ...{ pendingCount: 4, packages: [{ name: "libpam-modules-bin" }] },
  });
  expect(ask(LISTS, {}, true)).toMatchObject({ incomplete: true });
});

test("a host that never fetched lists does not know of updates, which is not none", () => {
  expect(ask([entry("partial", FETCHED)])).toMatchObject({
    ...{ listsChangedAt: null, pendingCount: null, securityCount: null, removedCount: null },
  });
});
