export { TestIssuer, type TokenLies } from "./test-issuer.ts";
