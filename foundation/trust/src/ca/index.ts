export {
  type AgentCertificate,
  type Authority,
  createAuthority,
  type KeyedCertificate,
  openAuthority,
} from "./authority.ts";
