/** One session as it went over the wire: public keys and signed frames, no secret. */
export type Transcript = {
  /** Releases of hub and agent. */
  release: string;
  /** SubjectPublicKeyInfo in PEM. */
  hubKey: string;
  agentKey: string;
  hubId: string;
  agentId: string;
  sessionId: string;
  /** Unix time in ms at which every envelope was valid. */
  startedAt: number;
  /** In order of arrival; `frame` in base64. */
  frames: { from: "hub" | "agent"; frame: string }[];
};
