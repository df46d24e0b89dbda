import { SondeError } from "@sonde/schemas/errors";
import { ApproveTools, ToolPinList } from "@sonde/schemas/hub";
import type { Static } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
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
  const { app, directory, auditLog, now } = hub;

  async function listPins(): Promise<Static<typeof ToolPinList>> {
    const pins = await store.listPins();
    const held = listHeldTools(catalog, directory.agents(), directory.packs(), pins);
    return {
      pins,
      held: held.map(({ probe, definitionSha256, pack }) => {
        return { probe, definitionSha256, packDigest: pack.digest };
      }),
    };
  }

  app.get(
    "/api/v1/tool-pins",
    { config: { right: "tools.read" }, schema: { response: { 200: ToolPinList } } },
    () => listPins(),
  );

  app.post(
    "/api/v1/tool-pins",
    {
      config: { right: "tools.approve" },
      schema: { body: ApproveTools, response: { 200: ToolPinList } },
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
      return listPins();
    },
  );
}
