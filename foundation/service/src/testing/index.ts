export { demandDocumented, type OpenApi } from "./demand-documented.ts";
export { hangUp } from "./hang-up.ts";
export { lintOpenApi } from "./lint-openapi.ts";
export { TestIssuer, type TokenLies } from "./test-issuer.ts";
