import type { InvitationList as Invitations } from "@sonde/schemas/people";
import { ask, part } from "../api.ts";
import { useRight } from "../live.ts";
import { Failure, Time, useAct, useRead } from "../parts.tsx";

/** Links that nobody used yet. What they are is not known any more: only that they are. */
export function InvitationList({ version }: { version: string }) {
  const mayManage = useRight("people.manage");
  const { run, isRunning, refusal } = useAct();
  const read = useRead(() => ask<Invitations>("GET", "/people/invitations"), [version]);
  const end = (id: string) =>
    run(async () => {
      await ask("DELETE", `/people/invitations/${part(id)}`);
      read.again();
    });
  const { invitations } = read.value ?? { invitations: [] };
  const failed = read.refusal ?? refusal;
  return (
    <>
      {failed === null ? null : <Failure refusal={failed} again={read.again} />}
      {invitations.length === 0 ? null : (
        <>
          <h3>Links that nobody used yet</h3>
          <ul class="reads">
            {invitations.map(({ id, role, createdAt, expiresAt }) => (
              <li key={id}>
                {`As ${role}, given `}
                <Time at={createdAt} />, ends <Time at={expiresAt} />{" "}
                {mayManage ? (
                  <button
                    type="button"
                    class="plain"
                    aria-label={`End it: the link for a new ${role}`}
                    disabled={isRunning}
                    onClick={() => end(id)}
                  >
                    End it
                  </button>
                ) : null}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
