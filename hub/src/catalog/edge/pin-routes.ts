import { SondeError } from "@sonde/schemas/errors";
import { ApproveTools, PageQuery, ToolPinList } from "@sonde/schemas/hub";
import type { Static } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { PageRequest } from "../../rest/index.ts";
import type { Catalog } from "../core/catalog.ts";
import { listHeldTools } from "../core/held-tools.ts";
import type { PackStore } from "./pack-store.ts";
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
    const held = listHeldTools(catalog, directory.agents(), directory.packs(), pins);
    // One list: first what waits for a person, then what was approved.
    const all = [
      ...held.map(({ probe, definitionSha256, pack: { digest } }) => ({
        held: { probe, definitionSha256, packDigest: digest },
        key: `0 ${probe} ${digest}`,
      })),
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
