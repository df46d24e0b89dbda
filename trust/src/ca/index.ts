export {
  AGENT_LIFETIME_MS,
  type AgentCertificate,
  type Authority,
  createAuthority,
  type KeyedCertificate,
  openAuthority,
} from "./authority.ts";
