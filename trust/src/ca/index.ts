export {
  AGENT_LIFETIME_MS,
  type AgentCertificate,
  type Authority,
  agentUri,
  createAuthority,
  type KeyedCertificate,
  openAuthority,
  readPublicKey,
} from "./authority.ts";
