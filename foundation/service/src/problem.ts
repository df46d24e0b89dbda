import {
  type ErrorBody,
  type ErrorCode,
  ERROR_TABLE,
  type SondeError,
} from "@sonde/schemas/errors";
import { type TSchema, Type } from "typebox";

/** RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/**
 * An error as RFC 9457 wants it, with `code`, `retryable` and `hint` of the error table. `error`
 * says the same for clients of release 0.1.0, which read nothing else.
 */
export type Problem = ErrorBody & {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** The request's id as a URN; absent when the bytes were no request. */
  instance?: string;
} & Pick<ErrorBody["error"], "code" | "retryable" | "hint">;

/** Builds the body of every refusal over HTTP. */
export function buildProblem(error: SondeError, requestId?: string): Problem {
  const body = error.toBody();
  const { code, message, retryable, hint } = body.error;
  return {
    type: typeOf(code),
    title: titleOf(code),
    status: error.status,
    detail: message,
    ...(requestId !== undefined && { instance: `urn:uuid:${requestId}` }),
    ...{ code, retryable, hint },
    ...body,
  };
}

/** Builds the schema of the problems with these codes, which have one status. */
export function buildProblemSchema(codes: readonly ErrorCode[]): TSchema {
  const row = {
    code: Type.Enum([...codes]),
    retryable: Type.Boolean(),
    hint: Type.String({ description: "The next step" }),
  };
  return Type.Object({
    ...row,
    type: Type.Enum(codes.map(typeOf)),
    title: Type.String(),
    status: Type.Enum([...new Set(codes.map((code) => ERROR_TABLE[code].status))]),
    detail: Type.String({ description: "What was expected, and what came" }),
    instance: Type.Optional(Type.String({ description: "urn:uuid: and the request's id" })),
    error: Type.Object({ ...row, message: Type.String() }, { deprecated: true }),
  });
}

/** Stable, and the same for every Sonde. It names a row of the error table and is no address. */
function typeOf(code: ErrorCode): string {
  return `urn:sonde:error:${code}`;
}

/** `PACK_QUARANTINED` becomes `Pack quarantined`. */
function titleOf(code: ErrorCode): string {
  return `${code[0]}${code.slice(1).toLowerCase().replaceAll("_", " ")}`;
}
