export { createPublisherKey, type PublisherKey } from "./create-publisher-key.ts";
export { signArchive, statementOf } from "./sign-archive.ts";
export { signKeyless, type KeylessSigned } from "./sign-keyless.ts";
export { signStatement, type Statement } from "./sign-statement.ts";
export {
  buildSigningServices,
  parseSigningServices,
  PUBLIC_SERVICES,
  type ServiceAddresses,
  type SigningServices,
} from "./signing-services.ts";
