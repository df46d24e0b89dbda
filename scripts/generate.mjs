// Writes schemas/json/, the JSON Schema of every public shape; docs/threat-model-tests.md, which
// links each attack to the tests that cite it; and docs/pack-reference.md for authors. With --check it only compares, and fails when
// the committed files are out of date.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as agent from "../schemas/src/agent-api.ts";
import * as approvals from "../schemas/src/approvals.ts";
import * as audit from "../schemas/src/audit.ts";
import * as auditHold from "../schemas/src/audit-hold.ts";
import * as auditSearch from "../schemas/src/audit-search.ts";
import * as errors from "../schemas/src/errors.ts";
import * as evidence from "../schemas/src/evidence.ts";
import * as hub from "../schemas/src/hub-api.ts";
import * as manifest from "../schemas/src/manifest/index.ts";
import * as oauth from "../schemas/src/oauth.ts";
import * as people from "../schemas/src/people.ts";
import * as policy from "../schemas/src/policy.ts";
import * as registry from "../schemas/src/registry/index.ts";
import * as trust from "../schemas/src/trust/index.ts";
import * as wire from "../schemas/src/wire/index.ts";
import { renderPackReference } from "./pack-reference.ts";
import { renderThreatLinks } from "./threat-links.ts";

const schemas = {
  ...agent,
  ...approvals,
  ...audit,
  ...auditHold,
  ...auditSearch,
  ...errors,
  ...evidence,
  ...hub,
  ...manifest,
  ...oauth,
  ...people,
  ...policy,
  ...registry,
  ...trust,
  ...wire,
};

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "schemas/json");
const PUBLISHED = {
  manifest: schemas.Manifest,
  "dsse-envelope": schemas.DsseEnvelope,
  "envelope-header": schemas.EnvelopeHeader,
  "key-set": schemas.KeySet,
  "signed-head": schemas.StatedHead,
  "message-key-set": schemas.KeySetBody,
  "message-checkpoint": schemas.CheckpointBody,
  "message-witness": schemas.WitnessBody,
  "message-welcome": schemas.WelcomeBody,
  "message-hello": schemas.HelloBody,
  "message-desired-state": schemas.DesiredStateBody,
  "message-pack-report": schemas.PackReportBody,
  "message-approvals": schemas.ApprovalsBody,
  "message-hub-grants": schemas.HubGrantsBody,
  "message-call": schemas.CallBody,
  "message-certificate": schemas.CertificateBody,
  "message-reads": schemas.ReadsBody,
  "message-result": schemas.ResultBody,
  "registry-log-entry": schemas.RegistryEntry,
  "audit-entry": schemas.AuditEntry,
  evidence: schemas.Evidence,
  "judged-evidence": schemas.JudgedEvidence,
  "trust-policy": schemas.TrustPolicy,
  "grant-file": schemas.GrantFile,
  "tool-results": schemas.ToolResults,
  "call-provenance": schemas.CallProvenance,
};
/** Bodies of HTTP requests and answers, by service. Each file is named after its schema. */
const HTTP_BODIES = {
  hub: {
    AcceptDrift: schemas.AcceptDrift,
    AgentAttestation: schemas.AgentAttestation,
    AgentDetail: schemas.AgentDetail,
    AgentList: schemas.AgentList,
    CallList: schemas.CallList,
    CallTool: schemas.CallTool,
    CalledTool: schemas.CalledTool,
    RollOut: schemas.RollOut,
    RollOutState: schemas.RollOutState,
    ToolList: schemas.ToolList,
    ApiKeyList: schemas.ApiKeyList,
    RevokedApiKey: schemas.RevokedApiKey,
    SigningKeyList: schemas.SigningKeyList,
    RotateKey: schemas.RotateKey,
    ApprovalOutcome: schemas.ApprovalOutcome,
    ApprovalRequest: schemas.ApprovalRequest,
    ApprovePack: schemas.ApprovePack,
    ApproveTools: schemas.ApproveTools,
    AssignPack: schemas.AssignPack,
    AuditAttestation: schemas.AuditAttestation,
    AuditExportEnd: schemas.AuditExportEnd,
    AuditHold: schemas.AuditHold,
    AuditHoldList: schemas.AuditHoldList,
    AuditPage: schemas.AuditPage,
    AuditProof: schemas.AuditProof,
    AuditSearchPage: schemas.AuditSearchPage,
    ChainPage: schemas.ChainPage,
    ChangeTags: schemas.ChangeTags,
    CreateAuditHold: schemas.CreateAuditHold,
    DriftPolicy: schemas.DriftPolicy,
    Inbox: schemas.Inbox,
    QuarantineAgent: schemas.QuarantineAgent,
    SetDriftRule: schemas.SetDriftRule,
    CreateApiKey: schemas.CreateApiKey,
    CreateToken: schemas.CreateToken,
    CreatedApiKey: schemas.CreatedApiKey,
    CreatedToken: schemas.CreatedToken,
    EnrolChallenge: schemas.EnrolChallenge,
    EnrolRequest: schemas.EnrolRequest,
    EnrolResponse: schemas.EnrolResponse,
    HoldPolicy: schemas.HoldPolicy,
    NamedPolicy: schemas.NamedPolicy,
    PolicyHolder: schemas.PolicyHolder,
    PolicyList: schemas.PolicyList,
    PolicyTest: schemas.PolicyTest,
    RecoverRequest: schemas.RecoverRequest,
    RecoverResponse: schemas.RecoverResponse,
    AuditSinkList: schemas.AuditSinkList,
    OutsideWitnessList: schemas.OutsideWitnessList,
    ForgetLog: schemas.ForgetLog,
    ForgottenLog: schemas.ForgottenLog,
    HubHealth: schemas.HubHealth,
    RegistryLogStatus: schemas.RegistryLogStatus,
    PersonList: schemas.PersonList,
    PersonSummary: schemas.PersonSummary,
    ChangePerson: schemas.ChangePerson,
    CreateInvitation: schemas.CreateInvitation,
    CreatedInvitation: schemas.CreatedInvitation,
    InvitationList: schemas.InvitationList,
    SessionList: schemas.SessionList,
    Me: schemas.Me,
    HubPackDetail: schemas.HubPackDetail,
    RegistryVersion: schemas.RegistryVersion,
    EventStart: schemas.EventStart,
    PasskeyOptions: schemas.PasskeyOptions,
    AddPasskey: schemas.AddPasskey,
    AnswerOfPasskey: schemas.AnswerOfPasskey,
    SignedInPerson: schemas.SignedInPerson,
    JoinWithPasskey: schemas.JoinWithPasskey,
    AnswerToJoin: schemas.AnswerToJoin,
    PasswordOptions: schemas.PasswordOptions,
    SetPassword: schemas.SetPassword,
    RecoveryCodes: schemas.RecoveryCodes,
    RotateApiKey: schemas.RotateApiKey,
    RotatedApiKey: schemas.RotatedApiKey,
    SetPolicy: schemas.SetPolicy,
    TestPolicy: schemas.TestPolicy,
    ToolPinList: schemas.ToolPinList,
  },
  registry: {
    AddIdentity: schemas.AddIdentity,
    AddPublisher: schemas.AddPublisher,
    AddedIdentity: schemas.AddedIdentity,
    AddedPublisher: schemas.AddedPublisher,
    ImportReport: schemas.ImportReport,
    PackCounts: schemas.PackCounts,
    PackList: schemas.PackList,
    PackVersions: schemas.PackVersions,
    PublishedVersion: schemas.PublishedVersion,
    PublisherDetails: schemas.PublisherDetails,
    VersionDifference: schemas.VersionDifference,
    VersionDetails: schemas.VersionDetails,
    ResolvedVersion: schemas.ResolvedVersion,
  },
  agent: {
    AgentPacks: schemas.AgentPacks,
    AgentStatus: schemas.AgentStatus,
    PackExplanation: schemas.PackExplanation,
  },
};
const fileNameOf = (name) => name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
const published = [
  ...Object.entries(PUBLISHED),
  ...Object.values(HTTP_BODIES).flatMap((bodies) =>
    Object.entries(bodies).map(([name, schema]) => [fileNameOf(name), schema]),
  ),
];

const wanted = new Map(
  published.map(([name, schema]) => [
    `${name}.json`,
    `${JSON.stringify({ $schema: "https://json-schema.org/draft/2020-12/schema", ...schema }, null, 2)}\n`,
  ]),
);
wanted.set("errors.json", `${JSON.stringify(schemas.ERROR_TABLE, null, 2)}\n`);

const documents = new Map([
  ["docs/threat-model-tests.md", renderThreatLinks(root)],
  ["docs/pack-reference.md", renderPackReference(root)],
]);

if (process.argv.includes("--check")) {
  const isOld = (path, text) => !existsSync(path) || readFileSync(path, "utf8") !== text;
  const old = [...wanted]
    .filter(([name, text]) => isOld(join(folder, name), text))
    .map(([name]) => `schemas/json/${name}`);
  const extra = readdirSync(folder).filter((name) => !wanted.has(name));
  const oldDocuments = [...documents]
    .filter(([path, text]) => isOld(join(root, path), text))
    .map(([path]) => path);
  const all = [...old, ...extra, ...oldDocuments];
  if (all.length > 0) {
    process.stderr.write(`old: ${all.join(", ")}: npm run generate\n`);
    process.exit(1);
  }
} else {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of wanted) writeFileSync(join(folder, name), text);
  for (const [path, text] of documents) writeFileSync(join(root, path), text);
}
