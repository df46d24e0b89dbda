import { SondeError } from "@sonde/schemas/errors";
import {
  HoldPolicy,
  NamedPolicy,
  PolicyHolder,
  PolicyHolderId,
  PolicyList,
  PolicyName,
  type PolicyRule,
  PolicyTest,
  SetPolicy,
  TestPolicy,
} from "@sonde/schemas/policy";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Catalog } from "../../catalog/index.ts";
import type { Hub } from "../../hub.ts";
import { asOfNow, authorize } from "../core/authorize.ts";
import { requireSoundPolicy } from "../core/require-sound-policy.ts";
import type { Subjects } from "../core/subjects.ts";
import type { PolicyStore } from "./policy-store.ts";

const PolicyParams = Type.Object({ policy: PolicyName });
const HolderParams = Type.Object({ holder: PolicyHolderId });

/** Adds the routes that list, set, give and try policies. */
export function addPolicyRoutes(
  { app, auditLog, directory, now }: Hub,
  store: PolicyStore,
  uses: { subjects: Subjects; catalog: Pick<Catalog, "entries"> },
): void {
  const list = async () => ({
    policies: await store.list(),
    holders: await store.listHolders(),
  });
  const find = async (name: string): Promise<NamedPolicy> => {
    const policies = await store.list();
    const found = policies.find((one) => one.name === name);
    if (found !== undefined) return found;
    const known = policies.map((one) => one.name).join(", ") || "none";
    throw new SondeError("NOT_FOUND", `expected a policy of ${known}, got ${name}`);
  };

  app.get(
    "/api/v1/policies",
    { config: { right: "policy.read" }, schema: { response: { 200: PolicyList } } },
    list,
  );

  app.get(
    "/api/v1/policies/:policy",
    {
      config: { right: "policy.read" },
      schema: { params: PolicyParams, response: { 200: NamedPolicy } },
    },
    async (request) => await find(request.params.policy),
  );

  app.put(
    "/api/v1/policies/:policy",
    {
      config: { right: "policy.manage" },
      schema: { params: PolicyParams, body: SetPolicy, response: { 200: NamedPolicy } },
    },
    async (request) => {
      const { policy: name } = request.params;
      const { policy } = request.body;
      requireSoundPolicy(policy, directory.policies());
      const by = request.principal.subject.id;
      const at = now();
      await auditLog.append(
        buildAuditRecord(at, "access-policy.changed", { principal: by, detail: { name, policy } }),
      );
      await store.set(name, policy, { by, at });
      return await find(name);
    },
  );

  app.delete(
    "/api/v1/policies/:policy",
    {
      config: { right: "policy.manage" },
      schema: { params: PolicyParams, response: { 200: PolicyList } },
    },
    async (request) => {
      const { policy: name } = request.params;
      await find(name);
      const principal = request.principal.subject.id;
      await auditLog.append(
        buildAuditRecord(now(), "access-policy.changed", {
          ...{ principal, detail: { name, policy: null } },
        }),
      );
      const holders = await store.remove(name);
      if (holders.length === 0) return await list();
      const some = holders.slice(0, 5).join(", ");
      throw new SondeError(
        "POLICY_IN_USE",
        `expected a policy that nobody holds, got ${name}, which ${holders.length} hold: ${some}`,
      );
    },
  );

  app.put(
    "/api/v1/policy-holders/:holder",
    {
      config: { right: "policy.manage" },
      schema: { params: HolderParams, body: HoldPolicy, response: { 200: PolicyHolder } },
    },
    async (request) => {
      const { holder } = request.params;
      const { policy } = request.body;
      requireSoundPolicy(policy, directory.policies());
      await requireSubject(holder);
      const by = request.principal.subject.id;
      const at = now();
      const detail = { holder, policy };
      await auditLog.append(buildAuditRecord(at, "access-policy.held", { principal: by, detail }));
      if (await store.hold(holder, policy, { by, at })) return { holder, policy };
      throw new SondeError(
        "NOT_FOUND",
        "expected a policy that is there, got one that was removed",
      );
    },
  );

  app.delete(
    "/api/v1/policy-holders/:holder",
    {
      config: { right: "policy.manage" },
      schema: { params: HolderParams, response: { 200: PolicyList } },
    },
    async (request) => {
      const { holder } = request.params;
      if (!directory.holders().has(holder)) {
        throw new SondeError("NOT_FOUND", `expected a holder of a policy, got ${holder}`);
      }
      const principal = request.principal.subject.id;
      const detail = { holder, policy: null };
      await auditLog.append(buildAuditRecord(now(), "access-policy.held", { principal, detail }));
      await store.release(holder);
      return await list();
    },
  );

  app.post(
    "/api/v1/policy/test",
    {
      config: { right: "policy.read" },
      schema: { body: TestPolicy, response: { 200: PolicyTest } },
    },
    async (request) => await tryOut(request.body),
  );

  async function requireSubject(subject: string) {
    const principal = await uses.subjects.find(subject);
    if (principal !== null) return principal;
    throw new SondeError("NOT_FOUND", `expected a key, person or grant in force, got ${subject}`);
  }

  /** Decides by the same function as a call, first whether the subject is let in. */
  async function tryOut({ subject, probe, agent, address }: TestPolicy): Promise<PolicyTest> {
    const principal = asOfNow(await requireSubject(subject));
    const entry = [...uses.catalog.entries().values()].find((one) => one.probe === probe);
    const capability = entry?.capability ?? "observe";
    const enter = { kind: "enter", address: address ?? null, at: now().getTime() } as const;
    const rules: PolicyRule[] = [];
    const entered = authorize(principal, enter, rules);
    const call = { kind: "probe.call", agent: directory.tagged(agent), probe, capability } as const;
    const decision = entered.allowed ? authorize(principal, call, rules) : entered;
    if (!decision.allowed) {
      const { code, reason, rule } = decision;
      return { allowed: false, code, reason, rules: [rule] };
    }
    rules.push(...decision.rates.map(({ rule }) => rule));
    return { allowed: true, code: null, reason: null, rules };
  }
}
