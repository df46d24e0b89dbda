import { join } from "node:path";
import { toSondeError } from "@sonde/schemas/errors";
import { type Digest, type Version } from "@sonde/schemas/names";
import type { Failure } from "@sonde/schemas/reads";
import { type AdmittedPack, type LogPlace, type TrustPolicy } from "@sonde/schemas/trust";
import { type RegistryHeadReport } from "@sonde/schemas/wire";
import { DEFAULT_HUB_MAY_GRANT, type HubMayGrant } from "@sonde/schemas/agent";
import { existsSync } from "node:fs";
import { readGrants, revokedFileOf } from "@sonde/files";
import { readOwnRights } from "@sonde/privileges";
import type { OwnRules } from "@sonde/scrub";
import { findEntry } from "@sonde/trust/segments";
import { createConfirmedTime } from "./core/confirmed-time.ts";
import { type HostStatement, describeAgent, describeConnection } from "./core/describe-agent.ts";
import type { Ceiling } from "./core/ceiling.ts";
import { Attestor } from "./core/attestor.ts";
import { limitCalls } from "./core/limit-calls.ts";
import type { HubGrants } from "./core/hub-grants.ts";
import { Packs } from "./core/packs.ts";
import { type AgentEvent, createEventRecorder } from "./core/record-event.ts";
import { RegistryView, type RegistryViewPorts } from "./core/registry-view.ts";
import type { RunnerPort } from "./core/runner-port.ts";
import type { OwnPlaces } from "./edge/attest/own-files.ts";
import { createStatementReader } from "./edge/attest/state-agent.ts";
import { createHubLink } from "./edge/hub/hub-link.ts";
import { openAudit } from "./edge/open-audit.ts";
import { openLocalApi } from "./edge/local-api.ts";
import type { Log } from "./edge/log.ts";
import type { AgentConfig } from "./edge/read-config.ts";
import { createRecovery } from "./edge/hub/recover-identity.ts";
import { openHubGrants } from "./edge/store/hub-grants-file.ts";
import { openHubView } from "./edge/store/hub-view-file.ts";
import { createAttestedHeadFile } from "./edge/store/attested-head-file.ts";
import { readEnrolPort, writeEnrolPort } from "./edge/store/enrol-port.ts";
import { describeCertificate, readIdentity } from "./edge/store/identity.ts";
import { watchRootRules } from "./edge/watch-root-rules.ts";
import { within } from "./edge/within.ts";
import { renewCertificate } from "./edge/store/renew-certificate.ts";
import { readRegistryView, writeRegistryView } from "./edge/store/registry-view-file.ts";
import { readPackState, writePackState } from "./edge/store/pack-state-file.ts";

/** Installs packs on this host; see trust/admit. Rejects with a SondeError. */
export type Admission = {
  readPolicy: () => TrustPolicy;
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
  /** The files that the agent states of itself. */
  places: OwnPlaces;
  /** The agent's own user id, and the names of its supplementary groups. */
  uid: number;
  groups: readonly string[];
  /** The operator's own patterns of secrets. */
  ownRules: OwnRules;
  runner: RunnerPort;
  admission: Admission;
  log: Log;
};

/** What a reload may bring. */
export type AgentSettings = {
  config: AgentConfig;
  /** The operator's own patterns of secrets. */
  ownRules: OwnRules;
  /** Of the configuration's bytes, for the attestation. */
  configSha256: Digest;
};

export type Agent = {
  agentId: string;
  name: string;
  socketPath: string;
  /** Takes over the live settings. Calls that run are not disturbed, and no connection ends. */
  reload(settings: AgentSettings): void;
  close(): Promise<void>;
};

const MAX_CALLS = 32;
const RETRY_MS = 10_000;
/** A runner that ends is replaced within this time, and its packs stay as they are. */
const RUNNER_SETTLE_MS = 1000;
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
  const live = {
    ceiling: ceilingOf(config),
    hubMayGrant: hubMayGrantOf(config),
    ownRules: parts.ownRules,
    maySendReads: maySendReadsOf(config),
    host: parts.host,
  };
  const identityFolder = join(config.stateDir, "identity");
  let identity = readIdentity(identityFolder);
  const name = config.agentName ?? identity.agentName;
  const auditFolder = join(config.stateDir, "audit");
  const opened = openAudit(auditFolder, config.audit ?? {}, log);
  const { audit } = opened;
  const record = createEventRecorder(audit, name, Date.now, (code) =>
    log("audit.failed", { code }),
  );
  const { found } = opened;
  if (found !== null) record({ event: "log.opened", status: "info", code: null, detail: found });
  const time = createConfirmedTime(Date.now, () => performance.now());
  opened.keep(name, () => time.now());
  const registry = openRegistryView(parts, identity.registryHead, record);
  const noteRules = watchRootRules(
    {
      path: join(config.stateDir, "root-rules.json"),
      ceiling: () => live.ceiling,
      readPolicy: parts.admission.readPolicy,
    },
    record,
    log,
  );
  noteRules();
  const hub = openHubView(identityFolder, identity, record);
  const hubGrants = openHubGrants(identityFolder, identity, () => hub.commandKeys(), record);
  const packs = await openPacks(parts, live, identity.hubId, registry, hubGrants, record);
  const says = describeAgent({
    ...{ ...parts, ...config, ...identity, name, packs, audit, registry, hubGrants },
    get ceiling() {
      return live.ceiling;
    },
    get hubMayGrant() {
      return live.hubMayGrant;
    },
    get host() {
      return live.host;
    },
    certificate: () => describeCertificate(identity),
    hashOf: (seq) => readHash(auditFolder, seq, log),
  });
  const takeCertificate = (certificate: string): void => {
    identity = renewCertificate(identityFolder, identity, certificate);
    log("certificate.renewed", {});
  };
  const recovery = createRecovery({
    identity: () => identity,
    enrolPort: () => readEnrolPort(identityFolder),
    recovered: takeCertificate,
    now: Date.now,
  });
  /** Why the agent refused its hub last; null while it accepts it. */
  let problem: Failure | null = null;
  const attested = createAttestedHeadFile(
    join(auditFolder, "attested.json"),
    () => hub.commandKey(),
    (thrown) => log("audit.word-unsaved", { message: toSondeError(thrown).message }),
  );
  const attestor = new Attestor({
    read: createStatementReader({
      ...{ ...parts, ...parts.admission, name, packs },
      get ceiling() {
        return live.ceiling;
      },
      get host() {
        return live.host;
      },
      grantsDir: config.grantsDir,
      readGrants: () => readGrants(config.grantsDir, ownersOf(parts)),
      readRights: readOwnRights,
      groupNames: parts.groups,
      now: Date.now,
    }),
    tellChanged: () => link.tellChanged(),
  });
  const calls = limitCalls(
    {
      agentName: name,
      audit,
      get ownRules() {
        return live.ownRules;
      },
      get maySendReads() {
        return live.maySendReads;
      },
      runner,
      findPack: (pack) => packs.find(pack),
      now: Date.now,
      clock: () => performance.now(),
      within,
    },
    MAX_CALLS,
  );
  const link = createHubLink({
    identity: () => identity,
    hub,
    ensureCertificate: () => recovery.ensureCertificate(),
    onRejected: () => recovery.rejected(),
    handlers: {
      onCall: (call) => calls.run(call),
      onCancel: (callId) => calls.cancel(callId),
      onWelcome(welcome, { protocol }, sessionId) {
        const { hubVersion, hubTime, enrolPort } = welcome;
        time.heard(hubTime);
        hub.takeHead(welcome, sessionId);
        problem = null;
        log("hub.connected", { hubVersion, protocol });
        recovery.accepted();
        if (enrolPort !== undefined) keepEnrolPort(identityFolder, enrolPort, log);
        record(describeConnection(says.hello(null), hubVersion, protocol));
      },
      onCheckpoint: (body) => hub.takeCheckpoint(body),
      buildWitness: () => hub.seenCheckpoint(),
      onHeadRepeated: (message) => attested.heard(message),
      onUnsupported: (message) => log("message.unsupported", { message }),
      onAttest: (nonce) => attestor.attest(nonce),
      onUnattested: ({ code, message }) => log("attestation.failed", { code, message }),
      buildHello: says.hello,
      buildPackReport: says.packReport,
      buildApprovals: says.approvals,
      onHubGrants(body, message) {
        if (hubGrants.take(body, message)) packs.reload();
        // Also what was refused is told: the hub waits for the answer.
        link.reportPacks();
        logFailure(attestor.look(), "attestation.failed", log);
      },
      onCertificate(certificate) {
        takeCertificate(certificate);
        // Only now the hub may hold the one before for stale: this one is durable.
        link.reportPacks();
      },
      onKeySet(keySet) {
        hub.takeKeySet(keySet);
        return hub.commandKey();
      },
      onDesiredState(desired) {
        logFailure(registry.follow(RECENT_MS), "registry.not-followed", log);
        logFailure(packs.apply(desired), "desired-state.failed", log);
      },
    },
    onRefused: ({ code, message }) => {
      problem = { code, message };
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
  const status = () =>
    says.status(link.connectedSince(), recovery.problem(), {
      ...{ keySet: hub.place(), auditHead: hub.seenHead(), problem },
    });
  const socketPath = join(config.stateDir, "run", "agent.sock");
  const api = await openLocalApi(socketPath, {
    status,
    packs: () => ({ packs: packs.reports() }),
    explain: says.explain,
    acceptHub() {
      hub.forget();
      hubGrants.forget();
      packs.reload();
      return status();
    },
    reload() {
      packs.reload();
      return { packs: packs.reports() };
    },
  });
  const stopWatching = watch(packs, registry, runner, log, () => {
    noteRules();
    logFailure(attestor.look(), "attestation.failed", log);
  });
  return {
    agentId: identity.agentId,
    name,
    socketPath,
    reload(settings) {
      live.ceiling = ceilingOf(settings.config);
      live.hubMayGrant = hubMayGrantOf(settings.config);
      live.ownRules = settings.ownRules;
      live.maySendReads = maySendReadsOf(settings.config);
      live.host = { ...live.host, configSha256: settings.configSha256 };
      opened.setLimits(settings.config.audit ?? {});
      noteRules();
      packs.reload();
      // By the ceiling other probes may exist now.
      link.reportPacks();
      logFailure(attestor.look(), "attestation.failed", log);
    },
    async close() {
      stopWatching();
      link.close();
      attested.close();
      await api.close();
      runner.close();
      await opened.close();
    },
  };
}

function ceilingOf({ maxCapability, alsoReadOnly = [] }: AgentConfig): Ceiling {
  return { maxCapability, alsoReadOnly: new Set(alsoReadOnly) };
}

function hubMayGrantOf({ approvals }: AgentConfig): HubMayGrant {
  return approvals?.hubMayGrant ?? DEFAULT_HUB_MAY_GRANT;
}

function maySendReadsOf({ evidence }: AgentConfig): boolean {
  return evidence?.sendReads === true;
}

/** Whose files count as root's. */
function ownersOf({ config, uid }: AgentParts): number[] {
  return config.sameUid ? [0, uid] : [0];
}

async function openPacks(
  parts: AgentParts,
  live: Readonly<{ ceiling: Ceiling; hubMayGrant: HubMayGrant; ownRules: OwnRules }>,
  hubId: string,
  registry: RegistryView,
  hubGrants: HubGrants,
  record: (event: AgentEvent) => void,
): Promise<Packs> {
  const { config, runner, admission, log } = parts;
  const statePath = join(config.stateDir, "packs.json");
  const packs = new Packs({
    ...admission,
    admit: async (archive) => await admission.admit(archive, await registry.place()),
    whyStopped: (name, version) => registry.whyStopped(name, version),
    get ceiling() {
      return live.ceiling;
    },
    get ownRules() {
      return live.ownRules;
    },
    get hubMayGrant() {
      return live.hubMayGrant;
    },
    hubGrantOf: (pack, digest) => hubGrants.of(pack, digest),
    isRevoked: (pack) => existsSync(join(config.grantsDir, revokedFileOf(pack))),
    readGrants() {
      const grants = readGrants(config.grantsDir, ownersOf(parts));
      for (const { file, reason } of grants.refused) log("grant.refused", { file, reason });
      return grants;
    },
    // Only a package's agent has its runners by sockets of systemd.
    program: config.runnerSockets === undefined ? "sonde agent" : "sonde-agent",
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

/**
 * Retries temporary failures, looks at what root may have changed, and judges the packs again when
 * the runners have changed.
 */
function watch(
  packs: Packs,
  registry: RegistryView,
  runner: RunnerPort,
  log: Log,
  lookAtHost: () => void,
): () => void {
  const retry = setInterval(() => {
    logFailure(packs.retry(), "retry.failed", log);
    lookAtHost();
  }, RETRY_MS);
  const follow = setInterval(
    () => logFailure(registry.follow(FOLLOW_MS / 2), "registry.not-followed", log),
    FOLLOW_MS,
  );
  let seen = "";
  let looking: NodeJS.Timeout | undefined;
  const look = (): void => {
    looking = undefined;
    const now = runner
      .runners()
      .map(({ groups }) => groups.join(","))
      .sort()
      .join(";");
    if (now === seen) return;
    seen = now;
    packs.judgeAgain();
  };
  const lookSoon = (): void => {
    looking ??= setTimeout(look, RUNNER_SETTLE_MS);
  };
  runner.onChange(lookSoon);
  lookSoon();
  return () => {
    clearInterval(retry);
    clearInterval(follow);
    runner.onChange(() => undefined);
    clearTimeout(looking);
  };
}

/** A full disk ends no session: the port is only needed when the certificate opens nothing. */
function keepEnrolPort(folder: string, port: number, log: Log): void {
  try {
    writeEnrolPort(folder, port);
  } catch (thrown) {
    log("enrol-port.unsaved", { cause: String(thrown) });
  }
}

function logFailure(work: Promise<void>, event: string, log: Log): void {
  work.catch((thrown: unknown) => {
    const { code, message } = toSondeError(thrown);
    log(event, { code, message });
  });
}

/** A log that cannot be read says nothing of an entry. It then takes no calls either. */
function readHash(folder: string, seq: number, log: AgentParts["log"]): Digest | null | undefined {
  try {
    const entry = findEntry(folder, seq);
    return entry === null ? null : entry?.hash;
  } catch (thrown) {
    log("audit.failed", { code: toSondeError(thrown).code });
    return undefined;
  }
}
