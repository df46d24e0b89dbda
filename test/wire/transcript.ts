/** What the transcript of the present state is called, which a next release will have. */
export const PRESENT = "present";
/** A message that no release knows. */
export const UNKNOWN_TYPE = "of-no-release";

/** One session as it went over the wire: public keys and signed frames, no secret. */
export type Transcript = {
  /** Release of hub and agent, or `present`. */
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
