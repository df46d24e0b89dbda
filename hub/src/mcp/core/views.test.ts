import type { ValueSchema } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import {
  announcesViews,
  describeView,
  findView,
  isSessionWithViews,
  sessionWithViews,
  UI_EXTENSION,
  VIEW_META,
  viewOfOwnTool,
  viewOfResult,
} from "./views.ts";

const number = { type: "number" } as const;
const text = { type: "string" } as const;
const object = (
  properties: Record<string, ValueSchema>,
  required = Object.keys(properties),
): ValueSchema => ({ type: "object", properties, required, additionalProperties: false });
const list = (items: ValueSchema): ValueSchema => ({ type: "array", items });
const orNull = (schema: ValueSchema): ValueSchema => ({ anyOf: [schema, { type: "null" }] });

const row = {
  ...{ mountPoint: text, totalBytes: { type: "integer" } as const, usedBytes: number },
  ...{ availableBytes: number, usedPercent: orNull(number) },
};

test("an answer gets its picture by its shape, whoever wrote the pack", () => {
  const stall = object({ avg10Percent: number, avg60Percent: number, avg300Percent: number });
  const pressure = orNull(object({ some: orNull(stall), full: orNull(stall) }));
  const process = { pid: number, name: text, cpuPercent: number, residentBytes: orNull(number) };
  const views = [
    object({ filesystems: list(object(row)) }),
    object({ filesystems: list(object({ ...row, more: text })), count: number }),
    object({ processes: list(object(process)) }),
    object({ cpu: pressure, memory: pressure, io: pressure }),
  ].map(viewOfResult);
  expect(views).toEqual(["disk", "disk", "processes", "pressure"]);
});

test("an answer of another shape has no picture", () => {
  const { usedPercent: _, ...less } = row;
  const others = [
    object({}),
    object({ filesystems: object(row) }),
    object({ filesystems: list(text) }),
    object({ filesystems: list(object(less)) }),
    object({ filesystems: list(object({ ...row, usedPercent: text })) }),
    // A member that need not be there.
    object({ filesystems: list(object(row)) }, []),
    object({ filesystems: list(object(row, ["mountPoint"])) }),
    { type: "object", additionalProperties: list(object(row)), maxProperties: 9 } as const,
  ];
  expect(others.map(viewOfResult)).toEqual(others.map(() => null));
  expect(["list_agents", "explain", "toString"].map(viewOfOwnTool)).toEqual(["fleet", null, null]);
});

const extensions = (settings: unknown) => ({ extensions: { [UI_EXTENSION]: settings } });
const type = "text/html;profile=mcp-app";
const older = (capabilities: unknown, method = "initialize") => ({
  method,
  params: { capabilities },
});
const current = (capabilities: unknown) => ({
  method: "tools/list",
  params: { _meta: { "io.modelcontextprotocol/clientCapabilities": capabilities } },
});

test("a client announces pictures in its handshake or in each request, with our type", () => {
  const good = extensions({ mimeTypes: ["text/x", type] });
  expect([older(good), current(good)].map(announcesViews)).toEqual([true, true]);
  const others = [
    ...[null, 7, [], [older(good)], {}, { method: "initialize" }, older(good, "tools/list")],
    ...[older(null), older({ experimental: good.extensions }), current({})],
    ...[{}, null, { mimeTypes: type }, { mimeTypes: ["text/html"] }].flatMap((settings) => [
      older(extensions(settings)),
      current(extensions(settings)),
    ]),
  ];
  expect(others.filter(announcesViews)).toEqual([]);
});

test("the session of such a client says so, and no other", () => {
  expect([sessionWithViews("1"), "1", "x-views-1", "", null].map(isSessionWithViews)).toEqual([
    ...[true, false, false, false, false],
  ]);
});

test("attack 79: a picture may reach nothing, and call no tool", () => {
  const { csp, ...others } = VIEW_META.ui;
  expect(Object.keys(csp).sort()).toEqual([
    ...["baseUriDomains", "connectDomains", "frameDomains", "resourceDomains"],
  ]);
  expect(Object.values(csp).flat()).toEqual([]);
  expect(others).toEqual({ prefersBorder: true });
  expect(describeView("disk")).toEqual({
    ui: { resourceUri: "ui://sonde/disk", visibility: ["model"] },
  });
  expect(describeView(null)).toEqual({ ui: { visibility: ["model"] } });
});

test("only the address of a picture is one", () => {
  const views = new Map([["disk", "<!doctype html>"]] as const);
  expect(findView(views, "ui://sonde/disk")).toBe("<!doctype html>");
  const others = ["ui://sonde/fleet", "ui://sonde/disk/", "ui://other/disk", "disk"];
  expect(others.map((uri) => findView(views, uri))).toEqual(others.map(() => null));
});
