import { createPublicKey } from "node:crypto";
import { createTurns } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import {
  type Agreement,
  type ApprovalsBody,
  type AttestationBody,
  type DsseEnvelope,
  type HelloBody,
  type LogHead,
  MAX_SKEW_MS,
  OWN_PROTOCOL,
  type PackReportBody,
  type RegistryHeadReport,
  encodeBody,
} from "@sonde/schemas/wire";
import { scrubSentence } from "@sonde/scrub";
import { createChannel, type KeptMessage, signHead } from "@sonde/trust/envelope";
import type { WebSocket } from "ws";
import { buildAuditRecord } from "../../audit/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { KeptResults } from "../../evidence/index.ts";
import type { Hub } from "../../hub.ts";
import { chooseCommandKey } from "../../keys/choose-command-key.ts";
import type { HeldKeySet } from "../../keys/signing-keys.ts";
import { type Lease, createAgentLink } from "../../links/index.ts";
import { findOlderPack } from "../core/find-older-pack.ts";
import { describeStatement, findChanges } from "../core/statement.ts";
import type { AgentChanges } from "./agent-changes.ts";
import type { AgentCopies } from "./agent-copies.ts";
import type { AuditWitnesses } from "./audit-witness.ts";
import { createRenewal } from "./certificate-renewal.ts";
import type { EnrolmentStore, ListedCertificate } from "./enrolment-store.ts";
import { createNewest } from "./keep-newest.ts";
import type { KeepWitness, KeptWitness } from "./keep-witness.ts";
import type { StateCheckpoint, StatedCheckpoint } from "./state-checkpoint.ts";

/** Asks the agent of one session what it is. */
export type AttestationSession = {
  /** The agent said hello. */
  begin(agreement: Agreement): void;
  /** @throws SondeError ATTESTATION_STALE; the session must then end */
  stated(body: AttestationBody, message: KeptMessage): void;
  /** The agent's next statement will differ. */
  changed(): void;
  stop(): void;
};
/** @param ask sends the order to attest */
export type WatchAgent = (
  agent: { id: string; name: string },
  ask: (nonce: string) => void,
) => AttestationSession;

/** What this hub keeps of the grants on hosts. */
export type AgentApprovals = {
  /** Keeps what an agent says of them. */
  saveStated(agentId: string, body: ApprovalsBody, at: Date): Promise<void>;
  /** The agent should have this version of a pack now: grants of the version before may be for it too. */
  carryOver(agent: KnownAgent, pack: HubPack): Promise<void>;
};

export type SessionOptions = Pick<
  Hub,
  | "addresses"
  | "auditLog"
  | "checkpoints"
  | "directory"
  | "elapsed"
  | "keys"
  | "links"
  | "now"
  | "report"
> & {
  agents: AgentChanges;
  enrolments: EnrolmentStore;
  copies: AgentCopies;
  witnesses: AuditWitnesses;
  stateCheckpoint: StateCheckpoint;
  keepWitness: KeepWitness;
  watchAgent: WatchAgent;
  approvals: Pick<AgentApprovals, "saveStated">;
  results: Pick<KeptResults, "keep" | "keepsReads">;
  /** Is called with the registry's log head that an agent saw. */
  onRegistryHead: (agent: string, head: RegistryHeadReport) => Promise<void>;
};

/** An agent whose connection may begin a session. */
export type Admitted = ListedCertificate & {
  lease: Lease;
  sessionId: string;
  hubNonce: Buffer;
  /** False for release 0.1.0, which refuses a welcome with an offer. */
  understandsOffers: boolean;
  /** True for an agent that was sent `held`, and that takes over later key sets. */
  followsKeySets: boolean;
  /** Agents refuse a hub whose log is shorter than they saw it. */
  auditHead: LogHead;
  /** This hub's entry at the size that the agent saw; undefined when the agent named none. */
  seenHead: LogHead | null | undefined;
  /** The size of the newest checkpoint that the agent took over; null for one that knows none. */
  seenCheckpoint: number | null;
  /** What it is told of the newest one. */
  checkpoint: StatedCheckpoint | null;
  /** The newest head of the agent's own log that this hub knows; null before the first. */
  agentHead: LogHead | null;
  /** The agent's clock minus the hub's; null for an agent that did not say it. */
  skewMs: number | null;
  held: HeldKeySet;
};

/**
 * Serves the session of an admitted agent: its statements are saved and recorded. It ends with the
 * connection, with the lease, and when its certificate expires without a next one.
 */
export function startSession(options: SessionOptions, admitted: Admitted, socket: WebSocket): void {
  const { agents, auditLog, keys, now } = options;
  const { agentId, lease } = admitted;
  const agent = options.directory.agentById(agentId);
  if (agent === undefined) return socket.terminate();
  const { followsKeySets, held } = admitted;
  const enrolledAt = new Date(agent.enrolledAt);
  const { signer } = chooseCommandKey(held, { followsKeySets, enrolledAt });
  const channel = createChannel({
    side: "hub",
    hubId: keys.hubId,
    agentId,
    sessionId: admitted.sessionId,
    signer,
    peerKey: createPublicKey(admitted.publicKey),
    now: () => now().getTime(),
  });
  const audit = (
    event: "agent.connected" | "agent.changed" | "agent.disconnected" | "envelope.refused",
    known: Parameters<typeof buildAuditRecord>[2],
  ) => {
    auditLog
      .append(buildAuditRecord(now(), event, { agent: agent.name, ...known }))
      .catch(options.report);
  };
  // Saves an agent's statements in their order. The registry may take long to answer, so the
  // comparison of heads waits for nobody and holds up no save.
  const inTurn = createTurns(1);
  const heard = () => ({ at: now(), skewMs: channel.peerSkewMs() });
  const saveReport = createNewest<PackReportBody>(({ packs }) =>
    inTurn(() => agents.savePacks(agentId, packs, heard())).catch(options.report),
  );
  const saveStated = createNewest<ApprovalsBody>((body) =>
    inTurn(() => options.approvals.saveStated(agentId, body, now())).catch(options.report),
  );
  const compareHead = createNewest<RegistryHeadReport>((head) =>
    options.onRegistryHead(agent.name, head).catch(options.report),
  );
  const saveWitness = createNewest<KeptWitness>((kept) =>
    options.keepWitness(agent, kept).catch(options.report),
  );
  let told = admitted.checkpoint?.size ?? admitted.seenCheckpoint;
  const tellNewer = async (): Promise<void> => {
    if (told === null) return;
    const next = await options.stateCheckpoint(told);
    if (next === null || next.size <= told) return;
    told = next.size;
    link.sendCheckpoint(next.body);
  };
  const tellCheckpoint = createNewest<void>(() => tellNewer().catch(options.report));
  const witness = options.witnesses.of(agentId);
  /** Lets calls through only after what the agent states was compared with what it stated before. */
  const begin = async (
    { auditHead, seenHead, packs }: HelloBody,
    agreement: Agreement,
    before: KnownAgent | undefined,
  ): Promise<void> => {
    const older = findOlderPack(before?.packs ?? [], packs, before?.desired.packs ?? []);
    const why =
      (await witness.findRollback({ head: auditHead, seen: seenHead })) ??
      (older &&
        `Its pack ${older.name} has version ${older.version}; it had ${older.before} before.`);
    if (why !== null) await options.copies.rolledBack(agentId, why);
    witness.note(auditHead);
    lease.ready();
    // After the desired state, so that the agent states what it makes of it.
    attestation.begin(agreement);
    renewal.begin();
  };
  const link = createAgentLink(socket, channel, {
    onHello(hello, agreement) {
      audit("agent.connected", { detail: describeStatement(hello, agreement) });
      const before = options.directory.agentById(agentId);
      const changes = findChanges(before?.hello ?? null, hello);
      if (changes !== null) audit("agent.changed", { detail: changes });
      const when = heard();
      inTurn(() => agents.saveHello(agentId, hello, when)).catch(options.report);
      compareHead(hello.registryHead);
      begin(hello, agreement, before).catch((thrown: Error) => {
        options.report(thrown);
        link.close("the hub could not compare the audit log");
      });
    },
    onStatedHead: (head) => witness.note(head),
    onResult: (callId, answer) => options.results.keep(callId, answer),
    keepsReads: () => options.results.keepsReads(),
    onPackReport(report) {
      saveReport(report);
      witness.note(report.auditHead);
      if (report.certificateSerial !== undefined) renewal.taken(report.certificateSerial);
      compareHead(report.registryHead);
    },
    onApprovals: saveStated,
    onAttestation: (body, message) => attestation.stated(body, message),
    onWitness: (body, message) => saveWitness({ body, message }),
    onHostChanged: () => attestation.changed(),
    onUnsupported(message) {
      audit("envelope.refused", {
        status: "denied",
        code: "PROTOCOL_UNSUPPORTED",
        detail: { message: scrubSentence(message, 300) },
      });
    },
    onClose(refusal) {
      renewal.stop();
      witness.close();
      attestation.stop();
      stopFollowing();
      stopTelling();
      if (refusal !== null) {
        audit("envelope.refused", { status: "denied", code: refusal.code });
      }
      if (refusal?.code === "ENVELOPE_EXPIRED") {
        inTurn(() => agents.saveSkew(agentId, channel.peerSkewMs())).catch(options.report);
      }
      if (refusal?.code === "HUB_ROLLED_BACK") {
        inTurn(() => agents.saveRefusal(agentId, now())).catch(options.report);
      }
      audit("agent.disconnected", {});
    },
  });
  const stopFollowing = keys.signing.onChange(() => {
    const next = keys.signing.held();
    if (followsKeySets) return link.sendKeySet(next.envelope, next.keys.command[0].signer);
    // This agent knows no other key. It may come back with a newer release.
    const isHeld = next.keys.command.some((key) => key.signer.keyId === signer.keyId);
    if (!isHeld) link.close("the command key has ended");
  });
  const stopTelling = options.checkpoints.onNew(() => tellCheckpoint());
  const { skewMs } = admitted;
  // Each side will refuse the other's messages.
  if (skewMs !== null && Math.abs(skewMs) > MAX_SKEW_MS) {
    inTurn(() => agents.saveSkew(agentId, skewMs)).catch(options.report);
  }
  // From here on a second connection of this identity finds this one (attack 19).
  lease.attach(link);
  const attestation = options.watchAgent({ id: agentId, name: agent.name }, (nonce) =>
    link.attest(nonce),
  );
  const renewal = createRenewal(
    options,
    { ...admitted, name: agent.name },
    {
      send: (certificate) => link.sendCertificate(certificate),
      expired: () => link.close("the certificate has expired"),
    },
  );
  socket.send(
    channel.seal({
      type: "welcome",
      body: encodeBody({
        hubTime: now().getTime(),
        hubVersion: RELEASE,
        auditHead: admitted.auditHead,
        ...(admitted.seenHead !== undefined && { seenHead: admitted.seenHead }),
        ...(admitted.checkpoint !== null && { checkpoint: admitted.checkpoint.body }),
        ...(admitted.seenCheckpoint !== null && { agentHead: admitted.agentHead }),
        ...(followsKeySets && { signedHead: signSeen(keys.hubId, admitted) }),
        ...(admitted.understandsOffers && {
          protocol: OWN_PROTOCOL,
          enrolPort: options.addresses.enrolPort,
        }),
      }),
    }),
  );
}

/** The heads of a welcome, signed by the audit key: the command key alone cannot state them. */
function signSeen(hubId: string, admitted: Admitted): DsseEnvelope {
  const { sessionId, auditHead: head, seenHead: seen = null, held } = admitted;
  return signHead({ hubId, sessionId, head, seen }, held.keys.audit[0].signer);
}
