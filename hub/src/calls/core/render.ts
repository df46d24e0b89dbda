import { type SondeError, adviceOn } from "@sonde/schemas/errors";
import { type ToolResult } from "@sonde/schemas/hub";
import { type ResultBody } from "@sonde/schemas/wire";

const NO_REDACTIONS = { count: 0, rules: {} };

/** Converts an agent's result to its part of the common result shape. */
export function renderResult(agent: string, body: ResultBody): ToolResult {
  const result: ToolResult = {
    agent,
    status: body.status,
    redactions: body.redactions,
    collectedAt: body.collectedAt,
  };
  if (body.data !== undefined) result.data = body.data;
  if (body.truncated) result.truncated = true;
  if (body.failure !== undefined) {
    const { code, message } = body.failure;
    result.failure = { code, message, ...adviceOn(code) };
  }
  return result;
}

/** Converts an error of the hub to the same shape. */
export function renderError(agent: string, error: SondeError): ToolResult {
  return {
    agent,
    status: "failure",
    failure: { code: error.code, message: error.message, ...adviceOn(error.code) },
    redactions: NO_REDACTIONS,
    collectedAt: null,
  };
}
