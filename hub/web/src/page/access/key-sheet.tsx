import type { ApiKeySummary, CreatedApiKey, KeyPolicy, RevokedApiKey } from "@sonde/schemas/hub";
import { useState } from "preact/hooks";
import { useNames } from "../activity/use-entries.ts";
import { ask, askAll, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import {
  Badge,
  Failure,
  Field,
  Lines,
  Said,
  Time,
  useAct,
  useRead,
  Waiting,
  Window,
} from "../parts.tsx";

/** The keys by which programs get in. */
export function KeySheet() {
  const version = useLive(({ versions }) => versions.keys);
  const mayManage = useRight("keys.manage");
  const [isMaking, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiKeySummary | null>(null);
  const { value, refusal, again } = useRead(
    () => askAll<ApiKeySummary>("/api-keys", "keys"),
    [version],
  );
  const inForce = value?.filter(({ revokedAt }) => revokedAt === null) ?? [];
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
      {revoking === null ? null : (
        <RevokeWindow of={revoking} close={() => setRevoking(null)} again={again} />
      )}
      {refusal === null ? null : <Failure refusal={refusal} again={again} />}
      {value === null ? (
        refusal === null ? (
          <Waiting rows={3} />
        ) : null
      ) : (
        <KeyTable keys={inForce} revoke={mayManage ? setRevoking : null} />
      )}
    </section>
  );
}

function KeyTable(props: {
  keys: readonly ApiKeySummary[];
  revoke: ((key: ApiKeySummary) => void) | null;
}) {
  const { keys, revoke } = props;
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
          <th scope="col" class="middle">
            Made
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
            </td>
            <td class="middle">
              <Time at={key.createdAt} />
              {key.createdBy === null ? null : (
                <span class="note">
                  {" by "}
                  <Said text={nameOf(key.createdBy)} />
                </span>
              )}
            </td>
            <td class="number">
              {revoke === null ? null : (
                <button
                  type="button"
                  class="plain"
                  aria-label={`Revoke ${key.name}`}
                  onClick={() => revoke(key)}
                >
                  Revoke
                </button>
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

type Role = KeyPolicy["role"];
const ROLES: readonly [Role, string][] = [
  ["client", "asks hosts, for an AI"],
  ["auditor", "reads everything, asks nothing"],
  ["metrics", "reads numbers, for Prometheus"],
  ["operator", "does everything"],
];

function MakeWindow({ close, again }: { close: () => void; again: () => void }) {
  const { run, isRunning, refusal } = useAct();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("client");
  const [agents, setAgents] = useState("*");
  const [probes, setProbes] = useState("*");
  const [made, setMade] = useState<CreatedApiKey | null>(null);
  const listOf = (text: string): "*" | string[] => {
    const words = text.split(/[\s,]+/).filter((word) => word !== "");
    return words.length === 1 && words[0] === "*" ? "*" : words;
  };
  const make = async () => {
    const isClient = role === "client";
    const policy: KeyPolicy = {
      role,
      agents: isClient ? listOf(agents) : "*",
      probes: isClient ? listOf(probes) : "*",
    };
    setMade(await ask<CreatedApiKey>("POST", "/api-keys", { name, policy }));
    again();
  };
  if (made !== null) {
    return (
      <Window title="Make a key" close={close}>
        <p>
          This is the key of <Said text={name} />. It is shown only here.
        </p>
        <Lines label="Key" text={made.key} />
        <p class="acts">
          <button type="button" class="plain" onClick={close}>
            I have it
          </button>
        </p>
      </Window>
    );
  }
  return (
    <Window title="Make a key" close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(make);
        }}
      >
        <Field label="Name of the key" note="Who or what it is for.">
          {(id) => (
            <input
              id={id}
              required
              maxLength={80}
              autocomplete="off"
              value={name}
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
          )}
        </Field>
        <Field label="Role">
          {(id) => (
            <select
              id={id}
              value={role}
              onChange={({ currentTarget }) => setRole(currentTarget.value as Role)}
            >
              {ROLES.map(([one, does]) => (
                <option key={one} value={one}>
                  {`${one}: ${does}`}
                </option>
              ))}
            </select>
          )}
        </Field>
        {role === "client" ? (
          <>
            <Field
              label="Hosts"
              note="Names and tags, such as web-1 role=db. A star is every host."
            >
              {(id) => (
                <input
                  id={id}
                  autocomplete="off"
                  spellcheck={false}
                  value={agents}
                  onInput={({ currentTarget }) => setAgents(currentTarget.value)}
                />
              )}
            </Field>
            <Field label="Questions" note="Such as system.overview. A star is every question.">
              {(id) => (
                <input
                  id={id}
                  autocomplete="off"
                  spellcheck={false}
                  value={probes}
                  onInput={({ currentTarget }) => setProbes(currentTarget.value)}
                />
              )}
            </Field>
          </>
        ) : null}
        {refusal === null ? null : <Failure refusal={refusal} />}
        <p class="acts">
          <button type="submit" disabled={isRunning}>
            Make it
          </button>
        </p>
      </form>
    </Window>
  );
}

function RevokeWindow(props: { of: ApiKeySummary; close: () => void; again: () => void }) {
  const { of, close, again } = props;
  const { run, isRunning, refusal } = useAct();
  const [ended, setEnded] = useState<RevokedApiKey["ended"] | null>(null);
  const revoke = async () => {
    const done = await ask<RevokedApiKey>("DELETE", `/api-keys/${part(of.id)}`);
    again();
    if (done.ended.length === 0) close();
    else setEnded(done.ended);
  };
  return (
    <Window title="Revoke a key" close={close}>
      {ended === null ? (
        <>
          <p>
            <Said text={of.name} /> opens nothing from now on, and neither does any key that was
            made with it. Its open connections end.
          </p>
          {refusal === null ? null : <Failure refusal={refusal} />}
          <p class="acts">
            <button type="button" class="danger" disabled={isRunning} onClick={() => run(revoke)}>
              Revoke it
            </button>
            <button type="button" class="plain" onClick={close}>
              Keep it
            </button>
          </p>
        </>
      ) : (
        <>
          <p role="status">
            <Badge level="good">revoked</Badge> With it ended what was made with it:
          </p>
          <ul>
            {ended.map(({ id, name }) => (
              <li key={id}>
                <Said text={name} />
              </li>
            ))}
          </ul>
        </>
      )}
    </Window>
  );
}
