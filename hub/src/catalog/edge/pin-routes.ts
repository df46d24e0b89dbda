import { SondeError } from "@sonde/schemas/errors";
import { ApproveTools, PageQuery, ToolPinList } from "@sonde/schemas/hub";
import type { Static } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { PageRequest } from "../../rest/index.ts";
import type { Catalog } from "../core/catalog.ts";
import type { NewPin, PackStore } from "./pack-store.ts";
import type { AssignablePacks } from "./assignable-packs.ts";

/** Adds the routes that list pins and held tools, and approve them. */
export function addPinRoutes(
  hub: Hub,
  catalog: Catalog,
  store: PackStore,
  packs: AssignablePacks,
): void {
  const { app, directory, auditLog, now, pages } = hub;

  async function listPins(request: PageRequest): Promise<Static<typeof ToolPinList>> {
    const pins = await store.listPins();
    const inUse = new Set(
      directory.agents().flatMap(({ desired }) => desired.packs.map(({ digest }) => digest)),
    );
    const held: NewPin[] = [];
    for (const digest of inUse) {
      const pack = directory.packs().get(digest);
      if (pack === undefined) continue;
      for (const { probe, definitionSha256 } of catalog.wordsOf(pack)) {
        if (directory.pins().get(probe) === definitionSha256) continue;
        held.push({ probe, definitionSha256, packDigest: digest });
      }
    }
    // One list: first what waits for a person, then what was approved.
    const all = [
      ...held.map((tool) => ({ held: tool, key: `0 ${tool.probe} ${tool.packDigest}` })),
      ...pins.map((pin) => ({ pin, key: `1 ${pin.probe}` })),
    ];
    const { page, ...more } = pages.cut("pins", request, all, ({ key }) => key);
    return {
      pins: page.flatMap((row) => ("pin" in row ? [row.pin] : [])),
      held: page.flatMap((row) => ("held" in row ? [row.held] : [])),
      ...more,
    };
  }

  app.get(
    "/api/v1/tool-pins",
    {
      config: { right: "tools.read", errors: ["CURSOR_REFUSED"] },
      schema: {
        summary: "The words of tools that were approved, and those that wait",
        querystring: PageQuery,
        response: { 200: ToolPinList },
      },
    },
    (request) => listPins(request),
  );

  app.post(
    "/api/v1/tool-pins",
    {
      config: { right: "tools.approve", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Approves the words of exactly this archive",
        body: ApproveTools,
        response: { 200: ToolPinList },
      },
    },
    async (request) => {
      const pack = directory.packs().get(request.body.packDigest);
      if (pack === undefined) {
        throw new SondeError("NOT_FOUND", "expected the digest of an archive this hub verified");
      }
      const at = now();
      const by = request.principal.subject.id;
      const { name, digest } = pack;
      await auditLog.append(
        buildAuditRecord(at, "tools.approved", { principal: by, detail: { pack: name, digest } }),
      );
      await packs.approveTools(pack, by, at);
      return await listPins({ principal: request.principal, query: {} });
    },
  );
}
