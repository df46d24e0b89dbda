import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { hostArgv } from "../../agent/runner/src/pack-host-pool/launch-child.ts";
import { serviceFlags } from "../../cli/src/start/start-service.ts";

// The scripts that dpkg(1) and `install` of the .tar.gz run, without a host.

type Packages = {
  PACKAGES: Record<string, unknown>;
  placeControl: (name: string, known: object, to: string) => void;
};
const root = resolve(import.meta.dirname, "../..");
const { PACKAGES, placeControl } = (await import(
  join(root, "scripts/package/packages.mjs")
)) as Packages;
const folder = mkdtempSync(join(tmpdir(), "sonde-scripts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NAMES = Object.keys(PACKAGES);

/** Writes a package's control files and returns their folder. */
function place(name: string, version: string): string {
  const to = join(folder, `${name}-${version}`);
  placeControl(name, { root, version, arch: "amd64", size: "1" }, to);
  return to;
}

/** Runs preinst of a version on a host that has, or had, another. */
function install(version: string, earlier: string, env: NodeJS.ProcessEnv = {}) {
  const script = join(place("sonde-hub", version), "preinst");
  const { status, stderr } = spawnSync("sh", [script, "upgrade", earlier], {
    env: { PATH: process.env["PATH"], ...env },
    encoding: "utf8",
  });
  return { status, stderr };
}

test.each(NAMES)("every value in the scripts of %s is filled in", (name) => {
  const to = place(name, "0.2.0");
  const texts = readdirSync(to).map((file) => readFileSync(join(to, file), "utf8"));
  expect(texts.length).toBeGreaterThan(4);
  expect(texts.filter((text) => /@[A-Z]+@|undefined/.test(text))).toEqual([]);
  for (const script of ["preinst", "postinst", "prerm", "postrm"]) {
    expect(spawnSync("sh", ["-n", join(to, script)]).status).toBe(0);
  }
});

test("a newer version, and the same, are installed over one that is there", () => {
  for (const [version, earlier] of [
    ["0.2.0", "0.1.9"],
    ["0.10.0", "0.9.0"],
    ["0.2.0", "0.2.0"],
    ["0.2.0", "0.2.0~rc.1"],
    ["0.2.0", ""],
  ] as const) {
    expect(install(version, earlier)).toEqual({ status: 0, stderr: "" });
  }
});

// Attack 44.
test("an older version is refused in words, unless it is forced", () => {
  for (const [version, earlier] of [
    ["0.1.9", "0.2.0"],
    ["0.9.0", "0.10.0"],
    ["0.2.0-rc.1", "0.2.0"],
  ] as const) {
    const { status, stderr } = install(version, earlier);
    expect(status).toBe(1);
    expect(stderr).toContain(`sonde-hub: expected ${earlier} or newer, got `);
    expect(stderr).toContain("SONDE_ALLOW_DOWNGRADE=yes");
    expect(install(version, earlier, { SONDE_ALLOW_DOWNGRADE: "yes" }).status).toBe(0);
    expect(install(version, earlier, { SONDE_ALLOW_DOWNGRADE: "no" }).status).toBe(1);
  }
});

test("the unit of pack hosts starts Node with the flags that a runner gives them", () => {
  const library = "/usr/lib/sonde-agent";
  const argv = hostArgv({
    ...{ nodePath: `${library}/node`, packHostPath: `${library}/pack-host.js` },
    ...{ nodeArgs: [], readOnlyPaths: [] },
  });
  const unit = "scripts/package/sonde-agent/root/usr/lib/systemd/system/sonde-pack-host@.service";
  const lines = readFileSync(join(root, unit), "utf8").split("\n");
  expect(lines.filter((line) => line.startsWith("Exec"))).toEqual([`ExecStart=${argv.join(" ")}`]);
});

test.each([
  { program: "hub", unit: "sonde-hub/sonde-hub.service" },
  { program: "registry", unit: "sonde-registry/sonde-registry.service" },
  { program: "agent", unit: "sonde-agent/sonde-agent.service" },
  { program: "runner", unit: "sonde-agent/sonde-runner@.service" },
])("the unit of the $program starts Node with the flags of `npm start`", ({ program, unit }) => {
  const path = `scripts/package/${unit.replace("/", "/root/usr/lib/systemd/system/")}`;
  const [start = ""] = /^ExecStart=.*/m.exec(readFileSync(join(root, path), "utf8")) ?? [];
  expect(start.split(" ").slice(1, -2)).toEqual(serviceFlags(program));
  expect(start).toContain(`/${program}.js `);
});

test("only a purge of the agent touches what its approvals made", () => {
  const made = "/etc/systemd/system/sonde-runner@";
  const withIt = NAMES.filter((name) =>
    readFileSync(join(place(name, "0.3.0"), "postrm"), "utf8").includes(made),
  );
  expect(withIt).toEqual(["sonde-agent"]);
});
