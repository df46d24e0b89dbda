import { SondeError } from "@sonde/schemas/errors";
import { type ValueSchema } from "@sonde/schemas/manifest";
import { AGENT_ARGUMENT } from "@sonde/schemas/names";
import type { CatalogEntry } from "../../catalog/index.ts";
import { checkerOf } from "./check-answer.ts";

type Params = Record<string, unknown>;

/**
 * Returns the parameters as the probe gets them. Many clients send null for an optional argument
 * that they leave out, so such a null is left out here, where the parameter itself takes no null.
 *
 * @throws SondeError PARAMS_INVALID
 */
export function checkParams(
  { params: schema, tool }: Pick<CatalogEntry, "params" | "tool">,
  agent: string,
  given: Params,
): Params {
  const params = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value !== null || !isLeftOut(schema, name)),
  );
  // The tool's own schema, so that the message names the arguments as the client knows them.
  const misfit = checkerOf(tool.inputSchema)({ ...params, [AGENT_ARGUMENT]: agent });
  if (misfit !== null) throw new SondeError("PARAMS_INVALID", misfit);
  return params;
}

function isLeftOut(schema: ValueSchema, name: string): boolean {
  if (!("properties" in schema) || !Object.hasOwn(schema.properties, name)) return false;
  const takesNull = "anyOf" in (schema.properties[name] ?? {});
  return !takesNull && !schema.required.includes(name);
}
