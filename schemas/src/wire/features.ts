// The names of what a session may have beyond its protocol; see protocol.ts.

/** A call says in `askedBy` who asked, in words. */
export const ASKED_BY = "asked-by";
/** Both sides know the messages of attestation.ts. */
export const ATTESTATION = "attestation";
/** The agent ends a call that the hub cancels. */
export const CANCEL = "cancel";
/** The hub sends the signed heads of its audit log, and the agent says which of them it keeps. */
export const CHECKPOINTS = "checkpoints";
/** The hub sends the grants that people gave at it, and the agent says what became of them. */
export const HUB_GRANTS = "hub-grants";
/** A call may ask for what the pack gets of its reads; the agent sends it before the answer. */
export const READS = "reads";
