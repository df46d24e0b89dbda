export { type Diagnosed, type DiagnosisRequest, runRunbooks } from "./core/run-runbooks.ts";
