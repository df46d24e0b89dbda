import { expect, test } from "vitest";
import type { Principal } from "../../identity/index.ts";
import { grantsOf } from "../../testing/grants-of.ts";
import { createSeats } from "./seats.ts";

const principal = (id: string, hash = "0"): Principal => ({
  subject: { id, name: id },
  grants: grantsOf({ role: "client", agents: "*", probes: "*" }),
  policyText: "[]",
  policyHash: `sha256:${hash.repeat(64)}`,
});

function setUp(maxIdle: number) {
  const ended: string[] = [];
  const seats = createSeats({
    maxIdle,
    build: ({ subject }) => subject.id,
    end(seat) {
      ended.push(seat);
      return Promise.resolve();
    },
    report: (error) => {
      throw error;
    },
  });
  return { seats, ended };
}

test("of the seats that nobody uses the latest stay", () => {
  const { seats, ended } = setUp(2);
  for (const id of ["a", "b", "a", "c", "d"]) seats.take(principal(id)).giveBack();
  expect(ended).toEqual(["b", "a"]);
  expect(seats.all()).toEqual(["c", "d"]);
});

test("a seat stays while a client uses it, however many others come", () => {
  const { seats, ended } = setUp(0);
  const first = seats.take(principal("a"));
  const second = seats.take(principal("a"));
  first.giveBack();
  seats.take(principal("b")).giveBack();
  expect(ended).toEqual(["b"]);
  second.giveBack();
  expect(ended).toEqual(["b", "a"]);
});

test("a principal with other rights gets a new seat, and the old one ends", () => {
  const { seats, ended } = setUp(10);
  const before = seats.take(principal("a"));
  seats.take(principal("a", "1"));
  expect(ended).toEqual(["a"]);
  before.giveBack();
  expect(seats.all()).toEqual(["a"]);
});
