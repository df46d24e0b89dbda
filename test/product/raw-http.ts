import { request } from "node:http";
import { type ErrorBody, ERROR_TABLE, isErrorCode } from "@sonde/schemas/errors";

export type RawAnswer = { status: number; text: string };

/** Sends a request exactly as given: any Host, any header, any bytes. */
export function sendRaw(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<RawAnswer> {
  const { method = "GET", headers = {}, body } = options;
  return new Promise((done, fail) => {
    const call = request(url, { method, headers, timeout: 20_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => done({ status: response.statusCode ?? 0, text }));
      response.on("error", fail);
    });
    call.on("timeout", () => call.destroy(new Error("no answer in time")));
    call.on("error", fail);
    call.end(body);
  });
}

/**
 * The code of a refusal. Throws when the answer is no problem (RFC 9457) with the former error body
 * beside it, or has another status or hint than the error table.
 */
export function codeOf({ status, text }: RawAnswer): string {
  const { error, ...problem } = JSON.parse(text) as Partial<ErrorBody> & Record<string, unknown>;
  if (!isErrorCode(error?.code)) {
    throw new Error(`expected an error of the table, got ${status} ${text}`);
  }
  const { code, message: detail, retryable, hint } = error;
  const wanted = { type: `urn:sonde:error:${code}`, status, detail, code, retryable, hint };
  for (const [member, value] of Object.entries(wanted)) {
    if (problem[member] !== value) {
      throw new Error(`expected ${member} ${JSON.stringify(value)}, got ${text}`);
    }
  }
  const row = ERROR_TABLE[error.code];
  const fits =
    row.status === status && row.hint === error.hint && row.retryable === error.retryable;
  if (!fits) throw new Error(`expected status ${row.status} and its hint, got ${status} ${text}`);
  return error.code;
}
