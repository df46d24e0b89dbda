import { expect, test } from "vitest";
import { chooseListed } from "./choose-listed.ts";

const entries = [
  ...["acme/db.a", "acme/db.b", "docker.a", "docker.b", "system.a", "system.b", "zeta/web.a"],
].map((probe) => ({ probe }));
const uses = new Map([
  ["sonde/system", 9],
  ["acme/db", 2],
]);

const choose = (most: number) => {
  const chosen = chooseListed(entries, most, (pack) => uses.get(pack) ?? 0);
  return { ...chosen, listed: chosen.listed.map(({ probe }) => probe) };
};

test("a list within its budget has every tool", () => {
  expect(choose(7)).toMatchObject({ leftOut: [], packs: [] });
});

test("above it whole packs go: those used most stay, of two alike the larger, and what still fits", () => {
  expect(choose(6)).toMatchObject({ packs: ["zeta/web"], leftOut: [{ probe: "zeta/web.a" }] });
  expect(choose(5)).toMatchObject({
    listed: ["acme/db.a", "acme/db.b", "system.a", "system.b", "zeta/web.a"],
    packs: ["sonde/docker"],
  });
  expect(choose(2).listed).toEqual(["system.a", "system.b"]);
  expect(choose(0)).toMatchObject({ listed: [], leftOut: entries });
});
