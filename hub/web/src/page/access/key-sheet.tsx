import type { ApiKeySummary, KeyPolicy } from "@sonde/schemas/hub";
import { useState } from "preact/hooks";
import { useNames } from "../subjects.ts";
import { askAll } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { Badge, Said, Shown, Time, useRead } from "../parts.tsx";
import { MakeWindow, RevokeWindow, RotateWindow } from "./key-windows.tsx";
import { tellHeld } from "./policy-words.tsx";

/** The keys by which programs get in. */
export function KeySheet() {
  // Each key is listed with the policy that it holds.
  const version = useLive(({ versions: { keys, policies } }) => `${keys} ${policies}`);
  const mayManage = useRight("keys.manage");
  const [isMaking, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiKeySummary | null>(null);
  const [rotating, setRotating] = useState<ApiKeySummary | null>(null);
  const read = useRead(() => askAll<ApiKeySummary>("/api-keys", "keys"), [version]);
  const { again } = read;
  return (
    <section class="sheet" aria-labelledby="keys">
      <header class="title">
        <h2 id="keys">Keys</h2>
        {mayManage ? (
          <button type="button" class="plain" onClick={() => setMaking(true)}>
            Make a key
          </button>
        ) : null}
      </header>
      {isMaking ? <MakeWindow close={() => setMaking(false)} again={again} /> : null}
      {rotating === null ? null : (
        <RotateWindow of={rotating} close={() => setRotating(null)} again={again} />
      )}
      {revoking === null ? null : (
        <RevokeWindow of={revoking} close={() => setRevoking(null)} again={again} />
      )}
      <Shown of={read} rows={3}>
        {(keys) => (
          <KeyTable
            keys={keys.filter(({ revokedAt }) => revokedAt === null)}
            acts={mayManage ? { revoke: setRevoking, rotate: setRotating } : null}
          />
        )}
      </Shown>
    </section>
  );
}

function KeyTable(props: {
  keys: readonly ApiKeySummary[];
  acts: Record<"revoke" | "rotate", (key: ApiKeySummary) => void> | null;
}) {
  const { keys, acts } = props;
  const nameOf = useNames();
  return (
    <table>
      <caption class="unseen">Keys in force</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col" class="middle">
            May ask
          </th>
          <th scope="col" class="extra middle">
            Made
          </th>
          <th scope="col" class="middle">
            Last used
          </th>
          <th scope="col" class="middle">
            Ends
          </th>
          <th scope="col">
            <span class="unseen">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.id}>
            <th scope="row">
              <Said text={key.name} />
            </th>
            <td>{key.policy.role}</td>
            <td class="middle">
              <Policy of={key.policy} />
              {key.held === null ? null : <span class="note">{` by ${tellHeld(key.held)}`}</span>}
            </td>
            <td class="extra middle">
              <Time at={key.createdAt} />
              {key.createdBy === null ? null : (
                <span class="note">
                  {" by "}
                  <Said text={nameOf(key.createdBy)} />
                </span>
              )}
            </td>
            <td class="middle">
              <LastUse of={key} />
            </td>
            <td class="middle">
              <End of={key} />
            </td>
            <td>
              {acts === null ? null : (
                <p class="acts">
                  <button
                    type="button"
                    class="plain"
                    aria-label={`Rotate ${key.name}`}
                    onClick={() => acts.rotate(key)}
                  >
                    Rotate
                  </button>
                  <button
                    type="button"
                    class="plain"
                    aria-label={`Revoke ${key.name}`}
                    onClick={() => acts.revoke(key)}
                  >
                    Revoke
                  </button>
                </p>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Policy({ of }: { of: KeyPolicy }) {
  if (of.role === "auditor") return <>nothing; it reads</>;
  if (of.role === "metrics") return <>nothing; it reads numbers</>;
  const { agents, probes } = of;
  const words = (list: "*" | string[], all: string) =>
    list === "*" ? all : list.length === 0 ? "nothing" : list.join(", ");
  return (
    <>
      <Said text={words(agents, "every host")} />
      <span class="note">
        {" about "}
        <Said text={words(probes, "everything")} />
      </span>
    </>
  );
}

function LastUse({ of: { lastUsedAt, lastUsedAddress } }: { of: ApiKeySummary }) {
  if (lastUsedAt === null) return <>never</>;
  return (
    <>
      <Time at={lastUsedAt} />
      <span class="note">
        {" from "}
        <Said text={lastUsedAddress ?? "an unknown address"} />
      </span>
    </>
  );
}

/** When it ends, and until when the secret before the last rotation works. */
function End({ of: { expiresAt, previousEndsAt } }: { of: ApiKeySummary }) {
  const isOver = expiresAt !== null && Date.parse(expiresAt) <= Date.now();
  const hasTwo = previousEndsAt !== null && Date.parse(previousEndsAt) > Date.now();
  return (
    <>
      {expiresAt === null ? (
        "never"
      ) : isOver ? (
        <Badge level="warn">over</Badge>
      ) : (
        <Time at={expiresAt} />
      )}
      {hasTwo ? (
        <span class="note">
          {"; its secret before, "}
          <Time at={previousEndsAt} />
        </span>
      ) : null}
    </>
  );
}
