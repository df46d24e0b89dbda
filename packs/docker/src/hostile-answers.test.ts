import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { containerInspect } from "./container-inspect.ts";
import { containersList } from "./containers-list.ts";

function input(read: string, status: number, body: string, truncated = false): GuestInput {
  const samples = [{ at: 0, truncated, data: { status, body } }];
  return { params: {}, now: 0, reads: { [read]: { ok: true, samples } } };
}

test.each([
  ["an error", 500, '{"message":"no"}', /status 500/],
  ["another kind of answer", 200, "{}", /status 200/],
  ["no JSON", 200, "<html>", /JSON/],
])("%s is a failure, not an empty list", (_what, status, body, message) => {
  expect(() => containersList.call(input("list", status, body))).toThrow(message);
});

test("a list that was cut is a failure", () => {
  expect(() => containersList.call(input("list", 200, "[]", true))).toThrow(/cut/);
});

test("members that are missing or of another type are empty", () => {
  const body = JSON.stringify([null, { Id: 7, Names: "x", Ports: [{ PublicPort: "y" }] }]);
  expect(containersList.call(input("list", 200, body))).toMatchObject({
    containers: [
      { id: "", name: "" },
      { id: "", ports: ["0/"] },
    ],
  });
});

test("no value of the environment and no argument is in a result", () => {
  const body = JSON.stringify({
    Path: "/app",
    Args: ["--token=s3cret"],
    Config: { Env: ["A=s3cret", "B", "C=x=s3cret", 7], Cmd: ["s3cret"], Labels: { x: "s3cret" } },
  });
  const result = containerInspect.call(input("answer", 200, body));
  expect(JSON.stringify(result)).not.toContain("s3cret");
  expect(result).toMatchObject({ container: { environmentNames: ["", "A", "B", "C"] } });
});
