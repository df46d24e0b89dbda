import { SondeError } from "@sonde/schemas/errors";
import type { GrantEnd } from "@sonde/schemas/oauth";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { ChosenGrants, GrantStore } from "./grant-store.ts";

/** Why a grant ends, and by which principal; null for the hub itself. */
export type Ending = { because: GrantEnd; by: string | null };

/**
 * Ends grants: first the record, then the grant with all of its codes and tokens. When it resolves,
 * no request of the client is served any more at this hub; others hear of it at once.
 */
export type EndGrants = {
  /** @throws SondeError NOT_FOUND for one that is not in force */
  one(id: string, ending: Ending): Promise<void>;
  all(of: ChosenGrants, ending: Ending): Promise<void>;
};

export function createEndGrants(
  { auditLog, now, report }: Pick<Hub, "auditLog" | "now" | "report">,
  grants: GrantStore,
): EndGrants {
  async function end(id: string, { because, by }: Ending): Promise<boolean> {
    const grant = await grants.find(id);
    if (grant === null) return false;
    const { personId, clientId, clientHost } = grant;
    const isTheft = because === "token-reused";
    const person = `person:${personId}`;
    await auditLog.append(
      buildAuditRecord(now(), "grant.ended", {
        principal: by,
        ...(isTheft && { status: "denied", code: "TOKEN_REUSED" }),
        detail: { id, because, person, clientId, clientHost },
      }),
    );
    if (isTheft) {
      const what = `a code or refresh token of grant ${id} was used twice; the grant has ended`;
      report(new SondeError("TOKEN_REUSED", what));
    }
    await grants.end([id], { because, by });
    return true;
  }

  return {
    async one(id, ending) {
      if (!(await end(id, ending))) {
        throw new SondeError("NOT_FOUND", "expected the id of a grant in force");
      }
    },
    async all(of, ending) {
      for (const id of await grants.listInForce(of)) await end(id, ending);
    },
  };
}
