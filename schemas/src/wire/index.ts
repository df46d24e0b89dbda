export {
  AGENT_CERTIFICATE_MS,
  agentUri,
  API_KEY_PREFIX,
  EnrolChallenge,
  EnrolRequest,
  EnrolResponse,
  TOKEN_PREFIX,
  parseEnrolChallenge,
  parseEnrolResponse,
} from "./enrolment.ts";
export {
  DsseEnvelope,
  EnvelopeHeader,
  LogHead,
  PAYLOAD_TYPES,
  parseDsseEnvelope,
  parseEnvelopeHeader,
  type Direction,
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
export {
  CallBody,
  CertificateBody,
  parseCertificateBody,
  DesiredStateBody,
  HelloBody,
  MAX_PACKS,
  PackReport,
  PackReportBody,
  RegistryHeadReport,
  PackState,
  Redactions,
  RefusedBody,
  ResultBody,
  WelcomeBody,
  parseCallBody,
  parseDesiredStateBody,
  parseHelloBody,
  parsePackReportBody,
  parseResultBody,
  parseWelcomeBody,
} from "./messages.ts";
export {
  type Agreement,
  FIRST_PROTOCOL,
  OWN_PROTOCOL,
  PROTOCOL_CLOSE_CODE,
  PROTOCOL_HEADER,
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
