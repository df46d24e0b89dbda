import type { ValueSchema } from "@sonde/schemas/manifest";

// Pictures that a client shows beside a tool's answer (MCP Apps, SEP-1865, revision 2026-01-26). A
// picture is a page of the hub's own, without network, that draws the answer of one tool.

/** By this name a client and a server say in their capabilities that they speak of pictures. */
export const UI_EXTENSION = "io.modelcontextprotocol/ui";
/** The only type of a picture. */
export const VIEW_TYPE = "text/html;profile=mcp-app";
/** Where a request of the 2026-07-28 revision has what its client can do. */
const CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
/** Begins the session id of a client of the 2025 revisions that shows pictures. */
const SESSION_PREFIX = "views-";

export const VIEW_NAMES = ["disk", "processes", "pressure", "findings", "fleet"] as const;
export type ViewName = (typeof VIEW_NAMES)[number];

/** The pictures of this release, by name, as documents. Empty in a source tree. */
export type Views = ReadonlyMap<ViewName, string>;

/** What a picture needs of an answer: a member of it, or of each row of a list. */
type Shape = "string" | "number" | [Shape] | { [member: string]: Shape };

const stall = { avg10Percent: "number", avg60Percent: "number", avg300Percent: "number" } as const;
const pressure = { some: stall, full: stall } as const;

/**
 * The shape of an answer decides on its picture, and not the name of a pack. So a manifest needs no
 * new member, which agents of earlier releases would refuse, and any author gets a picture by
 * answering in its shape.
 */
const SHAPES: [ViewName, Shape][] = [
  [
    "disk",
    {
      filesystems: [
        {
          ...{ mountPoint: "string", totalBytes: "number", usedBytes: "number" },
          ...{ availableBytes: "number", usedPercent: "number" },
        },
      ],
    },
  ],
  [
    "processes",
    {
      processes: [{ pid: "number", name: "string", cpuPercent: "number", residentBytes: "number" }],
    },
  ],
  ["pressure", { cpu: pressure, memory: pressure, io: pressure }],
];

/** The pictures of the hub's own tools. */
const OF_OWN_TOOLS: ReadonlyMap<string, ViewName> = new Map([
  ["list_agents", "fleet"],
  ["agent_overview", "fleet"],
  ["diagnose", "findings"],
  ["health_check", "findings"],
]);

/** Finds the picture of a tool of the hub's own. */
export function viewOfOwnTool(tool: string): ViewName | null {
  return OF_OWN_TOOLS.get(tool) ?? null;
}

/** Finds the picture for answers of a schema: the first whose shape they always have. */
export function viewOfResult(result: ValueSchema): ViewName | null {
  return SHAPES.find(([, shape]) => fits(result, shape))?.[0] ?? null;
}

/** A value may also be null: each picture says so of it. */
function fits(schema: ValueSchema, shape: Shape): boolean {
  if ("anyOf" in schema) return fits(schema.anyOf[0], shape);
  if (shape === "number") return schema.type === "number" || schema.type === "integer";
  if (shape === "string") return schema.type === "string";
  if (Array.isArray(shape)) return schema.type === "array" && fits(schema.items, shape[0]);
  if (schema.type !== "object" || !("properties" in schema)) return false;
  const { required, properties } = schema;
  return Object.entries(shape).every(([member, inside]) => {
    const known = required.includes(member) ? properties[member] : undefined;
    return known !== undefined && fits(known, inside);
  });
}

function addressOfView(name: ViewName): string {
  return `ui://sonde/${name}`;
}

/** @returns the document; null when the address is of no picture */
export function findView(views: Views, uri: string): string | null {
  const name = VIEW_NAMES.find((one) => addressOfView(one) === uri);
  return name === undefined ? null : (views.get(name) ?? null);
}

/** What a client is told of a picture: it may reach no address at all. */
export const VIEW_META = {
  ui: {
    csp: { connectDomains: [], resourceDomains: [], frameDomains: [], baseUriDomains: [] },
    prefersBorder: true,
  },
};

/**
 * What a tool says of its picture. No picture may call a tool, so that one that was taken over asks
 * for nothing: a client refuses its call of a tool that is not visible to it.
 */
export function describeView(view: ViewName | null): { ui: Record<string, unknown> } {
  const visibility = ["model"];
  return { ui: view === null ? { visibility } : { resourceUri: addressOfView(view), visibility } };
}

/** Says whether a message tells that its client shows pictures of our type. */
export function announcesViews(message: unknown): boolean {
  const params = memberOf(message, "params");
  const capabilities =
    memberOf(memberOf(params, "_meta"), CLIENT_CAPABILITIES) ??
    (memberOf(message, "method") === "initialize" ? memberOf(params, "capabilities") : undefined);
  const types = memberOf(memberOf(memberOf(capabilities, "extensions"), UI_EXTENSION), "mimeTypes");
  return Array.isArray(types) && types.includes(VIEW_TYPE);
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/**
 * The session id for a client of the 2025 revisions that announced pictures in its handshake. The
 * client repeats it, so no hub has to remember the handshake. It gives no right: who makes one up is
 * told which tools have a picture.
 *
 * @param unique a text that no other session has
 */
export function sessionWithViews(unique: string): string {
  return `${SESSION_PREFIX}${unique}`;
}

export function isSessionWithViews(session: string | null): boolean {
  return session?.startsWith(SESSION_PREFIX) === true;
}
