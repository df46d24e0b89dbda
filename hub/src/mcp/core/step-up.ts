import { type Capability, higherCapability, isHigherCapability } from "@sonde/schemas/names";
import { highestCapability, type Principal } from "../../identity/index.ts";
import { CALL_TOOL } from "./fixed-tools.ts";

/**
 * The capability that an OAuth client lacks for a call, when its person could let it have that one;
 * null when it lacks none. The client then asks the person for more (MCP, step-up authorization).
 * Whoever may not have it at all gets the refusal of the call itself.
 *
 * @param message one of JSON-RPC, or a batch
 * @param capabilityOfTool undefined for a tool that there is not
 */
export function findStepUp(
  message: unknown,
  principal: Principal,
  capabilityOfTool: (tool: string) => Capability | undefined,
): Capability | null {
  const { reach } = principal;
  if (reach === undefined) return null;
  const has = highestCapability(principal);
  const needed = (Array.isArray(message) ? (message as unknown[]) : [message])
    .map(readTool)
    .flatMap((tool) => (tool === null ? [] : (capabilityOfTool(tool) ?? [])))
    .reduce<Capability>((most, capability) => higherCapability(most, capability), "observe");
  return isHigherCapability(needed, has) && !isHigherCapability(needed, reach) ? needed : null;
}

/** The tool that a message calls, also by `call_tool`. */
function readTool(message: unknown): string | null {
  const { method, params } = asObject(message);
  if (method !== "tools/call") return null;
  const { name, arguments: args } = asObject(params);
  if (typeof name !== "string") return null;
  const { tool } = asObject(args);
  return name === CALL_TOOL.name && typeof tool === "string" ? tool : name;
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
