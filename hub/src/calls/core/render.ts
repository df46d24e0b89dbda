import { type SondeError, adviceOn } from "@sonde/schemas/errors";
import { type ToolResult, type ToolResults } from "@sonde/schemas/hub";
import { type ResultBody } from "@sonde/schemas/wire";

/**
 * An answer for an MCP client. The client gets it as structured content and, for older ones, as
 * text.
 */
export type Rendered = { structuredContent: ToolResults; isError: boolean };

const NO_REDACTIONS = { count: 0, rules: {} };

/** Converts an agent's result to the common result shape. */
export function renderResult(agent: string, body: ResultBody): Rendered {
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
  return { structuredContent: { results: [result] }, isError: body.status === "failure" };
}

/** Converts an error of the hub to the same shape. */
export function renderError(agent: string, error: SondeError): Rendered {
  const result: ToolResult = {
    agent,
    status: "failure",
    failure: { code: error.code, message: error.message, ...adviceOn(error.code) },
    redactions: NO_REDACTIONS,
    collectedAt: null,
  };
  return { structuredContent: { results: [result] }, isError: true };
}
