export type { Diagnosed } from "./core/conclude.ts";
export { type DiagnosisRequest, runRunbooks } from "./core/run-runbooks.ts";
