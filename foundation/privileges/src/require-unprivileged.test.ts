import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createWorkshop } from "./testing/workshop.ts";
import { parseProcessStatus } from "./parse-process-status.ts";
import { refusalReason } from "./require-unprivileged.ts";

const real = readFileSync("/proc/self/status", "utf8");

function statusWith(changes: Record<string, string>): string {
  const safe = { Uid: "7\t7\t7\t7", Gid: "8\t8\t8\t8", Groups: "8 9 ", NoNewPrivs: "1" };
  const none = "0000000000000000";
  const all = { ...safe, CapEff: none, CapPrm: none, CapAmb: none, ...changes };
  return Object.entries(all).reduce(
    (text, [name, value]) => text.replace(new RegExp(`^${name}:.*$`, "m"), `${name}:\t${value}`),
    real,
  );
}

test("a process without any right passes", () => {
  const status = parseProcessStatus(statusWith({}));
  expect(status.groups).toEqual([8, 9]);
  expect(refusalReason(status)).toBe(null);
  expect(refusalReason(parseProcessStatus(statusWith({ Groups: "" })))).toBe(null);
});

test.each([
  { Uid: "0\t0\t0\t0" },
  { Uid: "7\t7\t0\t7" },
  { Gid: "0\t0\t0\t0" },
  { Gid: "8\t8\t0\t8" },
  { Groups: "8 0" },
  { CapEff: "0000000000000400" },
  { CapPrm: "0000000000080000" },
  { CapAmb: "0000000000000001" },
  { NoNewPrivs: "0" },
])("%j is refused", (change) => {
  expect(refusalReason(parseProcessStatus(statusWith(change)))).not.toBe(null);
});

test.each(["Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapAmb", "NoNewPrivs"])(
  "a status without %s is refused",
  (name) => {
    const text = real.replace(new RegExp(`^${name}:.*\n`, "m"), "");
    expect(() => parseProcessStatus(text)).toThrowError(
      expect.objectContaining({ code: "PRIVILEGE_REFUSED" }),
    );
  },
);

const workshop = await createWorkshop();
afterAll(() => workshop.close());

test("the kernel's answer decides: refused without setpriv, accepted with it", async () => {
  const script = await workshop.bundle(
    "identity",
    `import { requireUnprivileged } from "./foundation/privileges/src/require-unprivileged.ts";
     try { console.log(JSON.stringify(requireUnprivileged())); } catch (error) { console.log(error.code); }`,
  );
  const bare = spawnSync(process.execPath, [script], { encoding: "utf8" });
  expect(bare.stdout.trim()).toBe("PRIVILEGE_REFUSED");
  const [command, ...argv] = workshop.unprivileged([script]) as [string, ...string[]];
  const dropped = spawnSync(command, argv, { encoding: "utf8" });
  expect(JSON.parse(dropped.stdout)).toMatchObject({ uid: workshop.uid });
});
