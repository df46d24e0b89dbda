import { toPlainLine } from "./plain-text.ts";

/**
 * The closed error table. One line per code. A code is never reused with another meaning, and never
 * removed while a released client may meet it.
 *
 * - `status`: HTTP status when the error leaves over REST
 * - `retryable`: whether the same request may succeed later without a change
 * - `hint`: the next step, for a person or a model
 */
export const ERROR_TABLE = {
  // Input
  BAD_REQUEST: {
    status: 400,
    retryable: false,
    hint: "Correct the request; the message names the field.",
  },
  BODY_TOO_LARGE: { status: 413, retryable: false, hint: "Send a smaller body." },
  RANGE_INVALID: {
    status: 416,
    retryable: false,
    hint: "Request bytes that the archive has; Content-Range states its size.",
  },
  CURSOR_REFUSED: {
    status: 400,
    retryable: false,
    hint: "Read the list again from its start, without a cursor.",
  },
  IDEMPOTENCY_CONFLICT: {
    status: 422,
    retryable: false,
    hint: "Send another request with an Idempotency-Key of its own.",
  },
  REQUEST_RUNNING: {
    status: 409,
    retryable: true,
    hint: "Send it again shortly with the same Idempotency-Key, for its answer.",
  },
  ANSWER_LOST: {
    status: 409,
    retryable: false,
    hint: "Look whether it was done, for example in the audit log; to do it again, use another Idempotency-Key.",
  },
  NOT_FOUND: { status: 404, retryable: false, hint: "Check the name; list what exists first." },
  CONFIG_INVALID: {
    status: 500,
    retryable: false,
    hint: "Correct the configuration file named in the message.",
  },
  // Authentication and authorization
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    hint: "Send a valid API key as a bearer token.",
  },
  FORBIDDEN: { status: 403, retryable: false, hint: "Ask an operator for this right." },
  SCOPE_MISSING: {
    status: 403,
    retryable: false,
    hint: "Let the client ask for the scope that WWW-Authenticate names.",
  },
  TOKEN_REUSED: {
    status: 400,
    retryable: false,
    hint: "Two held the same token, so all of its grant has ended; connect the client again.",
  },
  SIGN_IN_REFUSED: {
    status: 401,
    retryable: false,
    hint: "Check name, password and code, and wait a minute; a passkey works at once.",
  },
  SIGN_IN_AGAIN: {
    status: 403,
    retryable: false,
    hint: "Sign in again at /login, then repeat this within ten minutes.",
  },
  LINK_REFUSED: {
    status: 401,
    retryable: false,
    hint: "Ask for a new link; each works once. On the hub's host: sonde hub reset-owner.",
  },
  LAST_OWNER: {
    status: 409,
    retryable: false,
    hint: "Make another person an owner first.",
  },
  LAST_CREDENTIAL: {
    status: 409,
    retryable: false,
    hint: "Add another passkey or a password first.",
  },
  NAME_TAKEN: { status: 409, retryable: false, hint: "Choose another name." },
  KEY_IN_ADDRESS: {
    status: 400,
    retryable: false,
    hint: "Addresses are logged by others: rotate the key that was in it, and send the new one as a bearer token.",
  },
  ADDRESS_REFUSED: {
    status: 403,
    retryable: false,
    hint: "Ask from an address that the policy names, or have its addresses changed: sonde policy.",
  },
  ACCESS_ENDED: {
    status: 403,
    retryable: false,
    hint: "The policy has an end, which is over: ask whoever manages policies for a later one.",
  },
  RATE_LIMITED: {
    status: 429,
    retryable: true,
    hint: "Wait as long as the message says; ask several servers' questions one after the other.",
  },
  POLICY_IN_USE: {
    status: 409,
    retryable: false,
    hint: "Give its holders another policy first; the message names them.",
  },
  ORIGIN_REFUSED: {
    status: 403,
    retryable: false,
    hint: "Call the hub by a host name it was configured with.",
  },
  // Approvals
  APPROVAL_STALE: {
    status: 409,
    retryable: false,
    hint: "What was shown has changed since; look at it again and decide anew.",
  },
  HOST_DECIDES: {
    status: 409,
    retryable: false,
    hint: "The host lets the hub grant none of this; its administrator runs the command in the message.",
  },
  // Calls
  AGENT_UNKNOWN: {
    status: 404,
    retryable: false,
    hint: "Use list_agents to see the agents you may ask.",
  },
  AGENT_OFFLINE: {
    status: 503,
    retryable: true,
    hint: "The agent reconnects by itself; try again shortly.",
  },
  AGENT_BUSY: {
    status: 503,
    retryable: true,
    hint: "Too many calls are waiting on this agent; try again shortly.",
  },
  AGENT_LOCKED: {
    status: 409,
    retryable: false,
    hint: "Two copies of the agent's identity were seen; an operator enrols the right host again.",
  },
  AGENT_QUARANTINED: {
    status: 409,
    retryable: false,
    hint: "An operator looks at sonde agents and releases the agent; ask another agent meanwhile.",
  },
  AGENT_ROLLED_BACK: {
    status: 409,
    retryable: false,
    hint: "The agent's host went back in time; an operator looks at it and releases the agent.",
  },
  AGENT_RESTRICTED: {
    status: 409,
    retryable: false,
    hint: "An operator looks at sonde agents and releases the agent; ask another agent meanwhile.",
  },
  ATTESTATION_STALE: {
    status: 400,
    retryable: false,
    hint: "The agent answered an order that was not the last one; its session ended, and it connects again.",
  },
  PROBE_UNKNOWN: {
    status: 404,
    retryable: false,
    hint: "List the tools again; the pack may have been revoked.",
  },
  PARAMS_INVALID: {
    status: 400,
    retryable: false,
    hint: "Correct the arguments; the message names the field.",
  },
  CALL_TIMEOUT: {
    status: 504,
    retryable: true,
    hint: "The agent did not answer in time; it may be busy.",
  },
  CALL_CANCELLED: {
    status: 409,
    retryable: false,
    hint: "The hub ended the call, because the agent is held; sonde agents says why.",
  },
  CALL_OUTCOME_UNKNOWN: {
    status: 504,
    retryable: true,
    hint: "The link broke while the probe ran; ask again, probes only read.",
  },
  RESULT_INVALID: {
    status: 502,
    retryable: false,
    hint: "The pack's result does not fit its manifest; tell its author.",
  },
  RESULT_TOO_LARGE: {
    status: 502,
    retryable: false,
    hint: "Ask for less; the pack should offer a narrower probe.",
  },
  RESULT_GONE: {
    status: 404,
    retryable: false,
    hint: "Call the tool again; a long answer is kept for an hour, for who asked.",
  },
  // Reads: the agent could not look. An empty result means that nothing is there.
  PERMISSION_NEEDED: {
    status: 403,
    retryable: false,
    hint: "Give the runner the right named in the message.",
  },
  SOURCE_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "What the probe reads does not exist on this host.",
  },
  READ_FAILED: {
    status: 502,
    retryable: true,
    hint: "The read itself failed; the message says how.",
  },
  READ_TIMEOUT: {
    status: 504,
    retryable: true,
    hint: "The read took longer than its declared limit.",
  },
  READ_NOT_GRANTED: {
    status: 403,
    retryable: false,
    hint: "The read is outside what was approved; see sonde agent explain.",
  },
  // Packs on an agent
  PACK_NOT_ACTIVE: {
    status: 409,
    retryable: false,
    hint: "Approve the pack on the host: sonde agent approve PACK.",
  },
  PACK_DIGEST_MISMATCH: {
    status: 409,
    retryable: false,
    hint: "The hub pinned another archive than the agent runs; approve the tools again.",
  },
  PACK_TIMEOUT: {
    status: 504,
    retryable: false,
    hint: "The pack's code ran too long and was stopped; tell its author.",
  },
  PACK_CRASHED: {
    status: 502,
    retryable: false,
    hint: "The pack's code crashed its process; other calls are unaffected.",
  },
  PACK_FAILED: {
    status: 502,
    retryable: false,
    hint: "The pack's code threw an error; tell its author.",
  },
  PACK_NEEDS_NEWER_AGENT: { status: 409, retryable: false, hint: "Upgrade the agent." },
  PACK_QUARANTINED: {
    status: 403,
    retryable: false,
    hint: "This version is known to be harmful; install a newer one.",
  },
  PACK_DOWNGRADE: {
    status: 409,
    retryable: false,
    hint: "Only a person on the host can go back to an older version: sonde agent approve PACK.",
  },
  CAPABILITY_ABOVE_CEILING: {
    status: 403,
    retryable: false,
    hint: "The host's maxCapability forbids this; only the host's administrator can raise it.",
  },
  RUNNER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "The runner is restarting; try again shortly.",
  },
  SCRUB_FAILED: {
    status: 500,
    retryable: false,
    hint: "The result could not be scrubbed in time and was dropped.",
  },
  AUDIT_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "The audit log cannot be written, so nothing runs; free disk space or repair it.",
  },
  AUDIT_INCONSISTENT: {
    status: 409,
    retryable: false,
    hint: "The audit log is not the one that was signed: entries were removed, changed or added. Keep the database as it is, and run sonde audit verify.",
  },
  EVIDENCE_INVALID: {
    status: 422,
    retryable: false,
    hint: "The file is not what sonde evidence export writes, or it was changed. Export the call once more and compare.",
  },
  // Sinks of the audit log: the entries stay in the log and are sent again
  SINK_UNREACHABLE: {
    status: 502,
    retryable: true,
    hint: "Look whether the receiver runs, and whether its certificate is what the sink trusts; the message has the system's code.",
  },
  SINK_TIMEOUT: {
    status: 504,
    retryable: true,
    hint: "The receiver did not take the entries in time; look what keeps it.",
  },
  SINK_REFUSED: {
    status: 502,
    retryable: true,
    hint: "The receiver said no; its own log says why.",
  },
  SINK_WRITE_FAILED: {
    status: 502,
    retryable: true,
    hint: "The file could not be written; look at the disk, and at the rights of its folder.",
  },
  // Witnesses of the audit log's checkpoints
  WITNESS_DISAGREES: {
    status: 409,
    retryable: false,
    hint: "The witness has seen another audit log of this hub: the log was cut, rewritten or set back to a backup. Keep the database as it is, and run sonde audit verify with --witness.",
  },
  WITNESS_UNTRUSTED: {
    status: 502,
    retryable: true,
    hint: "The answer has no valid cosignature by the key in the configuration; compare that key with the one of the witness.",
  },
  CHECKPOINT_UNTRUSTED: {
    status: 403,
    retryable: false,
    hint: "No key that this witness has for the log signed the checkpoint; give its operator the log's present key.",
  },
  CHECKPOINT_INCONSISTENT: {
    status: 422,
    retryable: false,
    hint: "The proof does not lead from what this witness has seen of the log to this checkpoint.",
  },
  // Packs: archive, manifest, signature
  ARCHIVE_INVALID: {
    status: 422,
    retryable: false,
    hint: "Build the archive with sonde-pack build.",
  },
  MANIFEST_INVALID: {
    status: 422,
    retryable: false,
    hint: "Run sonde-pack build; the message names the field.",
  },
  REQUIRES_MISMATCH: {
    status: 422,
    retryable: false,
    hint: "The manifest's requires must be what its sources need; rebuild with sonde-pack build.",
  },
  DIGEST_MISMATCH: {
    status: 422,
    retryable: false,
    hint: "The bytes are not the ones that were signed; fetch them again.",
  },
  RELEASE_MISMATCH: {
    status: 422,
    retryable: false,
    hint: "Do not install it. Fetch the whole release again from its publisher.",
  },
  SIGNATURE_MISSING: {
    status: 422,
    retryable: false,
    hint: "Sign the archive with sonde-pack sign.",
  },
  SIGNATURE_INVALID: {
    status: 422,
    retryable: false,
    hint: "Sign the archive again; it or its bundle was changed.",
  },
  SIGNER_UNTRUSTED: {
    status: 403,
    retryable: false,
    hint: "If you know the signer, let it sign on this host: sonde trust add PUBLISHER.",
  },
  SIGNING_FAILED: {
    status: 502,
    retryable: true,
    hint: "Check the identity token (audience sigstore, not expired) and the signing services' addresses.",
  },
  ROOT_UPDATE_FAILED: {
    status: 502,
    retryable: true,
    hint: "Check the mirror and its first root.json; the pinned root stays.",
  },
  CODE_REFUSED: {
    status: 422,
    retryable: false,
    hint: "The pack's code uses a construct that packs may not use.",
  },
  CAPABILITY_REFUSED: {
    status: 403,
    retryable: false,
    hint: "This registry accepts read-only packs; its operator can allow more.",
  },
  BUILD_FAILED: {
    status: 422,
    retryable: false,
    hint: "Correct the pack's source; the message says where.",
  },
  // Registry
  PUBLISHER_UNKNOWN: {
    status: 404,
    retryable: false,
    hint: "Ask the registry's operator to add the publisher.",
  },
  IDENTITY_REFUSED: {
    status: 401,
    retryable: false,
    hint: "Ask an owner to add this identity as a trusted publisher; an identity token works once.",
  },
  ISSUER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "The issuer of the identity token did not return its keys; try again shortly.",
  },
  NAME_REFUSED: {
    status: 409,
    retryable: false,
    hint: "Choose a name that does not resemble another publisher's or pack's name.",
  },
  VERSION_QUARANTINED: {
    status: 410,
    retryable: false,
    hint: "The registry's operator stopped this version; the message says why. Use another version.",
  },
  VERSION_EXISTS: {
    status: 409,
    retryable: false,
    hint: "Versions never change; publish a new version.",
  },
  REGISTRY_READ_ONLY: {
    status: 403,
    retryable: false,
    hint: "This registry mirrors another one: make the change there, then export and import.",
  },
  EXPORT_INVALID: {
    status: 422,
    retryable: false,
    hint: "The file is damaged or is not an export; run sonde registry export again.",
  },
  REGISTRY_LOG_INCONSISTENT: {
    status: 502,
    retryable: false,
    hint: "The registry's log was rewritten or forked; install nothing and run sonde registry audit.",
  },
  REGISTRY_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "The registry did not answer; verified packs keep working.",
  },
  REGISTRY_UNTRUSTED: {
    status: 502,
    retryable: false,
    hint: "Another user has the registry's port; stop and investigate. Another user's registry needs https.",
  },
  REGISTRY_BUSY: {
    status: 503,
    retryable: true,
    hint: "Too many uploads at once; send it again after the seconds that Retry-After names.",
  },
  CHECK_FAILED: {
    status: 503,
    retryable: true,
    hint: "The registry could not finish its checks and published nothing; send it again.",
  },
  // Backup of a hub
  BACKUP_INVALID: {
    status: 422,
    retryable: false,
    hint: "The file is damaged, is no backup of a hub, or the pass phrase is another. Nothing was changed.",
  },
  BACKUP_FAILED: {
    status: 500,
    retryable: false,
    hint: "Nothing was changed; the message says why, such as a full disk.",
  },
  // Wire
  HUB_ROLLED_BACK: {
    status: 409,
    retryable: false,
    hint: "The agent saw a later state of this hub: stop the older copy, or restore a backup (docs/backup.md). On the agent's host, sonde agent accept-hub accepts the hub as it is.",
  },
  PROTOCOL_UNSUPPORTED: {
    status: 400,
    retryable: false,
    hint: "Hub and agent are too far apart in version; update the older of the two.",
  },
  ENVELOPE_INVALID: {
    status: 400,
    retryable: false,
    hint: "The message was not a well-formed signed envelope.",
  },
  ENVELOPE_SIGNATURE: {
    status: 401,
    retryable: false,
    hint: "The message's signature does not verify.",
  },
  ENVELOPE_MISDIRECTED: {
    status: 401,
    retryable: false,
    hint: "The message was signed for another hub, agent, session or direction.",
  },
  ENVELOPE_SEQUENCE: {
    status: 401,
    retryable: false,
    hint: "The message was replayed, reordered or lost; the session is closed.",
  },
  ENVELOPE_EXPIRED: {
    status: 401,
    retryable: true,
    hint: "The message is too old or from the future; check both clocks.",
  },
  // Enrolment
  TOKEN_REFUSED: {
    status: 401,
    retryable: false,
    hint: "Ask for a new enrolment token; each works once, for 15 minutes.",
  },
  TOO_MANY_ATTEMPTS: { status: 429, retryable: true, hint: "Wait a minute before trying again." },
  CSR_INVALID: { status: 400, retryable: false, hint: "Enrol again with a new enrolment token." },
  AGENT_NAME_TAKEN: {
    status: 409,
    retryable: false,
    hint: "Choose another agent name or remove the old agent first.",
  },
  CERTIFICATE_REFUSED: {
    status: 401,
    retryable: false,
    hint: "The agent's certificate is not one the hub accepts; enrol again.",
  },
  HUB_UNTRUSTED: {
    status: 502,
    retryable: false,
    hint: "What answers is not the hub that was expected; stop and investigate.",
  },
  HUB_UNREACHABLE: {
    status: 503,
    retryable: true,
    hint: "Check the hub's name, and the firewalls between here and its ports; nothing was changed.",
  },
  CLOCK_WRONG: {
    status: 500,
    retryable: false,
    hint: "Set this host's clock, for example by timedatectl set-ntp true, and try again.",
  },
  // Running the product
  ALREADY_RUNNING: {
    status: 409,
    retryable: false,
    hint: "Use the Sonde that runs, or end it first; another one needs a data folder of its own.",
  },
  PORT_IN_USE: {
    status: 500,
    retryable: false,
    hint: "Choose another port with --port, or stop the other program.",
  },
  RIGHT_MISSING: {
    status: 500,
    retryable: false,
    hint: "Run as the user named in the message or change the owner of the path.",
  },
  PRIVILEGE_REFUSED: {
    status: 500,
    retryable: false,
    hint: "Start the process through the launcher, never as root.",
  },
  INSECURE_LISTENER: {
    status: 500,
    retryable: false,
    hint: "Listen on loopback, configure TLS, or set behindProxy.",
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "Check the database; nothing is served without its audit log.",
  },
  STARTING_FAILED: {
    status: 500,
    retryable: false,
    hint: "Correct what the message names; a log file named in it says more.",
  },
  INTERNAL: {
    status: 500,
    retryable: true,
    hint: "This is a defect; the log has the details under the id of the request or call.",
  },
} as const satisfies Record<string, { status: number; retryable: boolean; hint: string }>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** The shape of an error that a program prints. Over HTTP it is a part of the problem. */
export type ErrorBody = {
  error: { code: ErrorCode; message: string; retryable: boolean; hint: string };
};

/**
 * An error with a code from the table. The message states what was expected and what came instead.
 * It may quote strangers, so it is one line in which everything shows.
 */
export class SondeError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(toPlainLine(message), options);
    this.name = "SondeError";
    this.code = code;
  }

  get status(): number {
    return ERROR_TABLE[this.code].status;
  }

  toBody(): ErrorBody {
    const { retryable, hint } = ERROR_TABLE[this.code];
    return { error: { code: this.code, message: this.message, retryable, hint } };
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_TABLE, value);
}

/**
 * The code and the message of a service's refusal over HTTP: a problem (RFC 9457) or, of release
 * 0.1.0, an `ErrorBody`.
 *
 * @returns null for anything else, also for a code that this release does not know
 */
export function readRefusal(answer: unknown): { code: ErrorCode; message: string } | null {
  if (typeof answer !== "object" || answer === null) return null;
  const { code, detail, error } = answer as Record<string, unknown>;
  if (isErrorCode(code)) return { code, message: typeof detail === "string" ? detail : "" };
  if (typeof error !== "object" || error === null) return null;
  return readRefusal({
    code: "code" in error ? error.code : null,
    detail: "message" in error ? error.message : null,
  });
}

/** The next step for a code, which may belong to another release's table. */
export function adviceOn(code: string): { retryable: boolean; hint: string } {
  if (isErrorCode(code)) {
    const { retryable, hint } = ERROR_TABLE[code];
    return { retryable, hint };
  }
  return {
    retryable: false,
    hint: "A newer release sent this code; see its documentation.",
  };
}

/**
 * Builds a SondeError from a failure that another process sent. A code that this release does not
 * know is kept in the message.
 */
export function fromStated({ code, message }: { code: string; message: string }): SondeError {
  if (isErrorCode(code)) return new SondeError(code, message);
  return new SondeError("INTERNAL", `${code}: ${message}`);
}

/**
 * Converts anything thrown to a SondeError. An error without a code becomes INTERNAL, without its
 * message.
 */
export function toSondeError(thrown: unknown): SondeError {
  if (thrown instanceof SondeError) return thrown;
  return new SondeError("INTERNAL", "An unexpected error happened.", { cause: thrown });
}

/**
 * Names in an INTERNAL error the id under which the log has its details. Other errors stay as they
 * are.
 */
export function nameLogId(error: SondeError, id: string): SondeError {
  if (error.code !== "INTERNAL") return error;
  return new SondeError("INTERNAL", `${error.message} Its id in the log is ${id}.`, {
    cause: error.cause,
  });
}
