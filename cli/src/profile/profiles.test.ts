import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseProfile, profilesFile, readProfiles, writeProfiles } from "./profiles.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync("/tmp/sonde-profiles-");
  file = profilesFile({ XDG_CONFIG_HOME: folder });
});
afterEach(() => rmSync(folder, { recursive: true }));

const of = (hub: string) => ({ hub, key: "sonde_ak_x" });
const TWO = { current: "a", profiles: { a: of("https://a"), b: of("https://b") } };
const refused = (code: string) => expect.objectContaining({ code }) as Error;

test("keys are in a file and a folder that only their owner may enter, whatever the umask", () => {
  const before = process.umask(0);
  try {
    writeProfiles(file, TWO);
  } finally {
    process.umask(before);
  }
  expect(file).toBe(join(folder, "sonde/profiles.json"));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
  expect(readProfiles(file)).toEqual(TWO);
  // Nothing is left beside it.
  expect(readdirSync(dirname(file))).toEqual(["profiles.json"]);
});

test.each([0o640, 0o604, 0o660])("a file with mode %o is not used", (mode) => {
  writeProfiles(file, TWO);
  chmodSync(file, mode);
  expect(() => readProfiles(file)).toThrow(refused("CONFIG_INVALID"));
});

test("neither is a link, a file of another shape, or one with a member too many", () => {
  writeProfiles(file, TWO);
  const other = join(folder, "other.json");
  symlinkSync(file, other);
  expect(() => readProfiles(other)).toThrow(refused("CONFIG_INVALID"));
  for (const text of [
    "{",
    "[]",
    '{"current":null,"profiles":{},"x":1}',
    '{"current":null,"profiles":{"A B":{}}}',
  ]) {
    writeFileSync(file, text, { mode: 0o600 });
    expect(() => readProfiles(file), text).toThrow(refused("CONFIG_INVALID"));
  }
});

test("without a file there is no profile, and none is made by looking", () => {
  expect(readProfiles(file)).toEqual({ current: null, profiles: {} });
  expect(existsSync(file)).toBe(false);
});

test.each<[string, Parameters<typeof chooseProfile>, string | null]>([
  [
    "an option, before everything",
    [{ profile: "b", data: "/x" }, { SONDE_PROFILE: "a" }],
    "https://b",
  ],
  ["a data folder, before the environment", [{ data: "/x" }, { SONDE_PROFILE: "a" }], null],
  ["SONDE_PROFILE, before SONDE_DATA", [{}, { SONDE_PROFILE: "b", SONDE_DATA: "/x" }], "https://b"],
  ["SONDE_DATA, before the last login", [{}, { SONDE_DATA: "/x" }], null],
  ["the last login", [{}, {}], "https://a"],
])("a hub is chosen by %s", (_what, [given, env], hub) => {
  writeProfiles(file, TWO);
  expect(chooseProfile(given, { ...env, XDG_CONFIG_HOME: folder })?.profile.hub ?? null).toBe(hub);
});

test.each(["none", "__proto__", "toString"])(
  "a profile that is called %s is not found",
  (profile) => {
    writeProfiles(file, TWO);
    const env = { XDG_CONFIG_HOME: folder };
    expect(() => chooseProfile({ profile }, env)).toThrow(refused("NOT_FOUND"));
  },
);

test("an XDG folder that is no absolute path is not used", () => {
  expect(profilesFile({ XDG_CONFIG_HOME: "elsewhere" })).toMatch(
    /\/\.config\/sonde\/profiles\.json$/,
  );
});
