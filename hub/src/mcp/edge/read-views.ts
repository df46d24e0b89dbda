import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ReadResourceResult } from "@modelcontextprotocol/server";
import { buildParser } from "@sonde/schemas/parse";
import { readConfiguredJson } from "@sonde/service";
import { Type } from "typebox";
import type { Principal } from "../../identity/index.ts";
import { findView, VIEW_META, VIEW_NAMES, VIEW_TYPE, type Views } from "../core/views.ts";
import type { ToolPorts } from "./call-tool.ts";
import { recordRead } from "./fixed-tools.ts";

export type ViewPorts = Pick<ToolPorts, "auditLog" | "now"> & { views: Views };

const parseViews = buildParser(
  Type.Record(Type.String(), Type.String({ maxLength: 40_960 })),
  "views.json",
  "CONFIG_INVALID",
);

/**
 * Reads the pictures of this release. The build writes them beside the hub's program, whose owner is
 * root; without them, as in a source tree, no tool has a picture.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function readViews(program: string): Views {
  const path = join(dirname(program), "views.json");
  if (!existsSync(path)) return new Map();
  const found = new Map(Object.entries(parseViews(readConfiguredJson(path, "views.json"))));
  return new Map(
    VIEW_NAMES.flatMap((name) => {
      const html = found.get(name);
      return html === undefined ? [] : [[name, html]];
    }),
  );
}

/**
 * Reads a picture as a client does. It is in no list, since tools name it, and it is the same for all.
 *
 * @returns null when the address is of no picture
 * @throws SondeError AUDIT_UNAVAILABLE
 */
export async function readView(
  ports: ViewPorts,
  principal: Principal,
  uri: string,
): Promise<ReadResourceResult | null> {
  const text = findView(ports.views, uri);
  if (text === null) return null;
  await recordRead(ports, principal, null, { resource: uri, found: true });
  return { contents: [{ uri, mimeType: VIEW_TYPE, text, _meta: VIEW_META }] };
}
