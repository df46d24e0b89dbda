import { type Static, Type } from "typebox";
import { Uuid } from "../names.ts";
import { buildOpenParser } from "../parse/validator.ts";
import { LogHead, SessionId } from "./envelope.ts";

/** DSSE payload type of a head of the hub's audit log, which only the hub's audit key signs. */
export const SIGNED_HEAD_TYPE = "application/vnd.sonde.hub-log-head.v1+json";

/** What a hub states of its audit log at the start of a session. */
export const StatedHead = Type.Object({
  hubId: Uuid,
  /** Of the session that it was stated in, so that it cannot be repeated in another one. */
  sessionId: SessionId,
  head: LogHead,
  /** The hub's own entry at the size that the agent named; null when its log is shorter, or for none. */
  seen: Type.Union([LogHead, Type.Null()]),
});
export type StatedHead = Static<typeof StatedHead>;

/** Members that a later release adds are dropped. */
export const parseStatedHead = buildOpenParser(StatedHead, "head of the log", "HUB_UNTRUSTED");
