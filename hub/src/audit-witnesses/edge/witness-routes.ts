import { OutsideWitnessList, type OutsideWitnessState } from "@sonde/schemas/hub";
import type { Hub } from "../../hub.ts";

/** Adds the route that tells how far each witness is. */
export function addWitnessRoutes(
  { app }: Pick<Hub, "app">,
  { read }: { read: () => Promise<OutsideWitnessState[]> },
): void {
  app.get(
    "/api/v1/audit/witnesses",
    {
      config: { right: "audit.read" },
      schema: {
        summary: "How far each witness of the audit log's checkpoints is, and what fails",
        response: { 200: OutsideWitnessList },
      },
    },
    async () => ({ witnesses: await read() }),
  );
}
