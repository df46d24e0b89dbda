import { join } from "node:path";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type Digest, type Version } from "@sonde/schemas/names";
import { type AdmittedPack, type LogPlace } from "@sonde/schemas/trust";
import { type RegistryHeadReport } from "@sonde/schemas/wire";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { type AuditLog, buildClosedAuditLog, createAuditLog } from "./core/audit-log.ts";
import { type HostStatement, describeAgent } from "./core/describe-agent.ts";
import { limitCalls } from "./core/limit-calls.ts";
import { Packs } from "./core/packs.ts";
import { type AgentEvent, createEventRecorder } from "./core/record-event.ts";
import { RegistryView, type RegistryViewPorts } from "./core/registry-view.ts";
import type { RunnerPort } from "./core/runner-port.ts";
import { createHubLink } from "./edge/hub/hub-link.ts";
import { openLocalApi } from "./edge/local-api.ts";
import type { Log } from "./edge/log.ts";
import type { AgentConfig } from "./edge/read-config.ts";
import { readGrants } from "./edge/read-grants.ts";
import { type AuditSegments, openAuditSegments } from "./edge/store/audit-segments.ts";
import { readIdentity } from "./edge/store/identity.ts";
import { within } from "./edge/within.ts";
import { renewCertificate } from "./edge/store/renew-certificate.ts";
import { readRegistryView, writeRegistryView } from "./edge/store/registry-view-file.ts";
import { readPackState, writePackState } from "./edge/store/pack-state-file.ts";

/** Installs packs on this host; see trust/admit. Rejects with a SondeError. */
export type Admission = {
  readPolicy: RegistryViewPorts["readPolicy"];
  follow: RegistryViewPorts["follow"];
  /** @param log how far the registry's log was followed */
  admit: (
    archive: { name: string; version: Version; digest: Digest },
    log: LogPlace,
  ) => Promise<AdmittedPack>;
  readAdmitted: (digest: Digest) => Promise<AdmittedPack>;
  codePathOf: (digest: Digest) => string;
};

export type AgentParts = {
  config: AgentConfig;
  host: HostStatement;
  /** The agent's own user id. */
  uid: number;
  runner: RunnerPort;
  admission: Admission;
  log: Log;
};

export type Agent = { agentId: string; name: string; socketPath: string; close(): Promise<void> };

const SEGMENT_BYTES = 4 * 1024 * 1024;
const MAX_CALLS = 32;
const RETRY_MS = 10_000;
const RUNNER_CHECK_MS = 1000;
/** How often the registry's log is followed when nothing else triggers it. */
const FOLLOW_MS = 5 * 60_000;
/** Desired states that arrive within this time share one read of the log. */
const RECENT_MS = 2000;

/**
 * Starts every part of an agent and connects them. Resolves when the local API listens.
 * The hub may still be unreachable then.
 *
 * @throws SondeError STARTING_FAILED, RIGHT_MISSING
 */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { config, runner, log } = parts;
  const identityFolder = join(config.stateDir, "identity");
  let identity = readIdentity(identityFolder);
  const name = config.agentName ?? identity.agentName;
  const { audit, segments } = openAudit(join(config.stateDir, "audit"), log);
  const record = createEventRecorder(audit, name, Date.now, (code) =>
    log("audit.failed", { code }),
  );
  recordOpening(segments, record);
  const registry = openRegistryView(parts, identity.registryHead, record);
  const packs = await openPacks(parts, identity.hubId, registry, record);
  const says = describeAgent({ ...parts, ...config, ...identity, name, packs, audit, registry });
  const link = createHubLink({
    identity: () => identity,
    handlers: {
      onCall: limitCalls(
        {
          agentName: name,
          audit,
          runner,
          findPack: (pack) => packs.find(pack),
          now: Date.now,
          clock: () => performance.now(),
          within,
        },
        MAX_CALLS,
      ),
      onWelcome: ({ hubVersion }, { protocol }) => log("hub.connected", { hubVersion, protocol }),
      onUnsupported: (message) => log("message.unsupported", { message }),
      buildHello: says.hello,
      buildPackReport: says.packReport,
      onCertificate(certificate) {
        identity = renewCertificate(identityFolder, identity, certificate);
        log("certificate.renewed", {});
      },
      onDesiredState(desired) {
        logFailure(registry.follow(RECENT_MS), "registry.not-followed", log);
        logFailure(packs.apply(desired), "desired-state.failed", log);
      },
    },
    onRefused: ({ code, message }) => {
      log("hub.refused", { code, message });
      record({ event: "envelope.refused", status: "denied", code, detail: { message } });
    },
    log,
    now: Date.now,
  });
  packs.onChange(() => link.reportPacks());
  registry.onChange(() => {
    packs.judgeAgain();
    link.reportPacks();
  });
  const socketPath = join(config.stateDir, "run", "agent.sock");
  const api = await openLocalApi(socketPath, {
    status: () => says.status(link.connectedSince()),
    packs: () => ({ packs: packs.reports() }),
    explain: says.explain,
    reload() {
      packs.reload();
      return { packs: packs.reports() };
    },
  });
  const stopWatching = watch(packs, registry, runner, log);
  return {
    agentId: identity.agentId,
    name,
    socketPath,
    async close() {
      stopWatching();
      link.close();
      await api.close();
      await runner.close();
      await segments?.close();
    },
  };
}

/**
 * Opens the audit log. With a broken log the agent still starts, but refuses every call
 * and says why.
 */
function openAudit(folder: string, log: Log): { audit: AuditLog; segments: AuditSegments | null } {
  try {
    const segments = openAuditSegments(folder, SEGMENT_BYTES);
    return { audit: createAuditLog(segments, segments.head), segments };
  } catch (thrown) {
    if (!(thrown instanceof SondeError) || thrown.code !== "AUDIT_UNAVAILABLE") throw thrown;
    log("audit.unavailable", { message: thrown.message });
    return { audit: buildClosedAuditLog(thrown, EMPTY_HEAD), segments: null };
  }
}

function recordOpening(segments: AuditSegments | null, record: (event: AgentEvent) => void): void {
  if (segments === null) return;
  const { head, trimmedBytes } = segments;
  const detail = { size: head.size, trimmedBytes };
  record({ event: "log.opened", status: "info", code: null, detail });
}

async function openPacks(
  { config, uid, runner, admission, log }: AgentParts,
  hubId: string,
  registry: RegistryView,
  record: (event: AgentEvent) => void,
): Promise<Packs> {
  const statePath = join(config.stateDir, "packs.json");
  const owners = config.sameUid ? [0, uid] : [0];
  const packs = new Packs({
    ...admission,
    admit: async (archive) => await admission.admit(archive, await registry.place()),
    whyStopped: (name, version) => registry.whyStopped(name, version),
    maxCapability: config.maxCapability,
    readGrants() {
      const grants = readGrants(config.grantsDir, owners);
      for (const { file, reason } of grants.refused) log("grant.refused", { file, reason });
      return grants;
    },
    hasRunner: (groups) => runner.serves(groups),
    drop: (digest) => runner.drop(digest),
    save: (state) => writePackState(statePath, { hubId, ...state }),
    reportUnsaved: ({ code, cause }) => log("packs.unsaved", { code, cause: String(cause) }),
    record,
  });
  const saved = readPackState(statePath);
  // A saved desired state counts only for the hub that sent it.
  await packs.restore(saved?.hubId === hubId ? saved : null);
  return packs;
}

function openRegistryView(
  { config, admission }: AgentParts,
  enrolledHead: RegistryHeadReport,
  record: (event: AgentEvent) => void,
): RegistryView {
  const path = join(config.stateDir, "registry-view.json");
  return new RegistryView(
    {
      readPolicy: admission.readPolicy,
      follow: admission.follow,
      enrolledHead,
      save: (view) => writeRegistryView(path, view),
      record,
      elapsed: () => performance.now(),
    },
    readRegistryView(path),
  );
}

/** Retries temporary failures, and judges the packs again when the runners have changed. */
function watch(packs: Packs, registry: RegistryView, runner: RunnerPort, log: Log): () => void {
  let seen = "";
  const retry = setInterval(() => logFailure(packs.retry(), "retry.failed", log), RETRY_MS);
  const follow = setInterval(
    () => logFailure(registry.follow(FOLLOW_MS / 2), "registry.not-followed", log),
    FOLLOW_MS,
  );
  const look = setInterval(() => {
    const now = runner
      .runners()
      .map(({ groups }) => groups.join(","))
      .sort()
      .join(";");
    if (now === seen) return;
    seen = now;
    packs.judgeAgain();
  }, RUNNER_CHECK_MS);
  return () => {
    clearInterval(retry);
    clearInterval(follow);
    clearInterval(look);
  };
}

function logFailure(work: Promise<void>, event: string, log: Log): void {
  work.catch((thrown: unknown) => {
    const { code, message } = toSondeError(thrown);
    log(event, { code, message });
  });
}
