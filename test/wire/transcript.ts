/** One session as it went over the wire: public keys and signed frames, no secret. */
export type Transcript = {
  /** Of hub and agent. */
  release: string;
  /** SubjectPublicKeyInfo in PEM. */
  hubKey: string;
  agentKey: string;
  hubId: string;
  agentId: string;
  sessionId: string;
  /** Unix time in ms; every envelope was valid then. */
  startedAt: number;
  /** In the order in which they arrived; `frame` in base64. */
  frames: { from: "hub" | "agent"; frame: string }[];
};
