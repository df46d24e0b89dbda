export type { ProcessRights } from "../process-rights.ts";
export {
  AgentStatement,
  type AttestationBody,
  parseAttestationBody,
  type AttestBody,
  type StatedFile,
  type StatedGrant,
  type StatedHubGrant,
  type StatedPack,
  type StatedProcess,
} from "./attestation.ts";
export {
  AGENT_CERTIFICATE_MS,
  RECOVERABLE_MS,
  RecoverRequest,
  RecoverResponse,
  parseRecoverResponse,
  agentUri,
  API_KEY_PREFIX,
  EnrolChallenge,
  EnrolRequest,
  EnrolResponse,
  TOKEN_PREFIX,
  parseEnrolChallenge,
  parseEnrolResponse,
  formatAddress,
  parseAddress,
} from "./enrolment.ts";
export {
  CheckpointBody,
  parseWitnessBody,
  SEEN_CHECKPOINT_HEADER,
  WitnessBody,
} from "./checkpoint.ts";
export { AttestedHead, parseAttestedHead } from "./attested-head.ts";
export {
  DsseEnvelope,
  EnvelopeHeader,
  LogHead,
  PAYLOAD_TYPES,
  parseDsseEnvelope,
  parseEnvelopeHeader,
  type Direction,
  MAX_SKEW_MS,
} from "./envelope.ts";
export { encodeBody, encodeResult } from "./encode-body.ts";
export {
  FrameReader,
  MAX_BODY_BYTES,
  decodeFrame,
  encodeFrame,
  encodeStreamFrame,
  type Frame,
} from "./frames.ts";
export { ApprovalsBody, HubGrant, HubGrantsBody, parseHubGrantsBody } from "./hub-grants.ts";
export { DEFAULT_KEY_ALGORITHM, KEY_ALGORITHMS, KeyAlgorithm } from "./key-algorithm.ts";
export {
  KEY_SET_HEADER,
  KEY_SET_TYPE,
  KeySet,
  type KeyUse,
  parseKeySet,
  SEEN_HEAD_HEADER,
} from "./key-set.ts";
export { parseStatedHead, SIGNED_HEAD_TYPE, StatedHead } from "./signed-head.ts";
export {
  CallBody,
  CertificateBody,
  parseCertificateBody,
  DesiredStateBody,
  HelloBody,
  KeySetBody,
  MAX_PACKS,
  MAX_READS_BYTES,
  PackReport,
  PackReportBody,
  RegistryHeadReport,
  PackState,
  ReadsBody,
  Redactions,
  RefusedBody,
  ResultBody,
  WelcomeBody,
  parseCallBody,
  parseDesiredStateBody,
  parseHelloBody,
  parsePackReportBody,
  parseReadsBody,
  parseResultBody,
  parseWelcomeBody,
} from "./messages.ts";
export {
  type Agreement,
  FIRST_PROTOCOL,
  OWN_PROTOCOL,
  CLOCK_HEADER,
  PROTOCOL_CLOSE_CODE,
  PROTOCOL_HEADER,
  REFUSED_CLOSE_CODE,
  ProtocolOffer,
  agreeOnProtocol,
  cutCloseReason,
} from "./protocol.ts";
export {
  type AgentMessage,
  type HubMessage,
  type MessageType,
  readAgentMessage,
  readHubMessage,
} from "./read-message.ts";
export { ASKED_BY, ATTESTATION, CANCEL, CHECKPOINTS, HUB_GRANTS, READS } from "./features.ts";
