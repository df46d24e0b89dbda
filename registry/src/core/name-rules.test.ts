import { expect, test } from "vitest";
import { isReserved, normaliseName, warnOfNearNames } from "./name-rules.ts";

test.each([
  ["acme", ["ac-me", "a-c-m-e", "acrne"]],
  ["docker", ["d0cker", "do-cker", "d-0-cker"]],
  ["lilo", ["1i10", "iil0", "l-ilo"]],
  ["wave", ["vvave", "v-vave"]],
])("%s has look-alikes %j", (name, others) => {
  for (const other of others) expect(normaliseName(other)).toBe(normaliseName(name));
});

test.each([
  ["acme", "acne"],
  ["docker", "rocker"],
  ["redis", "reads"],
  ["a8", "ab"],
])("%s and %s are two names", (a, b) => {
  expect(normaliseName(a)).not.toBe(normaliseName(b));
});

test("misleading names are reserved, their look-alikes too", () => {
  for (const name of ["sonde", "s0nde", "adm1n", "off-icial", "systernd", "registry"]) {
    expect([name, isReserved(name)]).toEqual([name, true]);
  }
  for (const name of ["acme", "sonder", "administrators", "hubble"]) {
    expect([name, isReserved(name)]).toEqual([name, false]);
  }
});

const KNOWN = ["sonde/docker", "sonde/system", "acme/postgres-metrics", "acme/up"];
test.each([
  ["evil/dokcer", ["sonde/docker"]],
  ["evil/dockers", ["sonde/docker"]],
  ["evil/postgres-metric", ["acme/postgres-metrics"]],
  ["evil/postgresmetrics", ["acme/postgres-metrics"]],
  ["acne/postgres-metrics", ["acme/postgres-metrics"]],
  ["sondy/docker", ["sonde/docker"]],
  // The same pack name of another publisher is no typing error.
  ["evil/docker", []],
  ["evil/dragger", []],
  // The publisher's own pack, and a name too short to be mistaken.
  ["sonde/dockers", []],
  ["evil/ups", []],
])("%s is near to %j", (name, near) => {
  const warnings = warnOfNearNames(name, KNOWN);
  expect(warnings.length).toBe(near.length);
  for (const [index, other] of near.entries()) expect(warnings[index]).toContain(other);
});
