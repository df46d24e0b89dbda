import type {
  ApiKeySummary,
  CreatedApiKey,
  KeyPolicy,
  RevokedApiKey,
  RotatedApiKey,
} from "@sonde/schemas/hub";
import type { PolicyList } from "@sonde/schemas/policy";
import { useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { useRight } from "../live.ts";
import { readWords, SelectField, TextField } from "../fields.tsx";
import { Badge, Failure, Lines, Said, Time, useAct, useRead, Window } from "../parts.tsx";

const DAY_MS = 24 * 3_600_000;

type Role = KeyPolicy["role"];
const ROLES: readonly [Role, string][] = [
  ["client", "asks hosts, for an AI"],
  ["auditor", "reads everything, asks nothing"],
  ["metrics", "reads numbers, for Prometheus"],
  ["operator", "does everything"],
];

export function MakeWindow({ close, again }: { close: () => void; again: () => void }) {
  const { run, isRunning, refusal } = useAct();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("client");
  const [agents, setAgents] = useState("*");
  const [probes, setProbes] = useState("*");
  const [days, setDays] = useState("");
  const [held, setHeld] = useState("");
  const policies = usePolicyNames();
  const [made, setMade] = useState<CreatedApiKey | null>(null);
  const listOf = (text: string): "*" | string[] => {
    const words = readWords(text);
    return words.length === 1 && words[0] === "*" ? "*" : words;
  };
  const make = async () => {
    const isClient = role === "client";
    const policy: KeyPolicy = {
      role,
      agents: isClient ? listOf(agents) : "*",
      probes: isClient ? listOf(probes) : "*",
    };
    const expiresAt = new Date(Date.now() + Number(days) * DAY_MS).toISOString();
    const more = {
      ...(days !== "" && { expiresAt }),
      ...(held !== "" && { held: { name: held } }),
    };
    setMade(await ask<CreatedApiKey>("POST", "/api-keys", { name, policy, ...more }));
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
        <TextField
          label="Name of the key"
          note="Who or what it is for."
          value={name}
          set={setName}
          required
          maxLength={80}
        />
        <SelectField
          label="Role"
          value={role}
          set={(chosen) => setRole(chosen as Role)}
          options={ROLES.map(([one, does]) => [one, `${one}: ${does}`])}
        />
        {role === "client" ? (
          <>
            <TextField
              label="Hosts"
              note="Names and tags, such as web-1 role=db. A star is every host."
              value={agents}
              set={setAgents}
              spellcheck={false}
            />
            <TextField
              label="Questions"
              note="Such as system.overview. A star is every question."
              value={probes}
              set={setProbes}
              spellcheck={false}
            />
          </>
        ) : null}
        <TextField
          label="Ends after days"
          note="Empty is never."
          value={days}
          set={setDays}
          type="number"
          min={1}
          max={3650}
        />
        {policies.length === 0 ? null : (
          <SelectField
            label="Policy"
            note="It narrows the key further."
            value={held}
            set={setHeld}
            options={[["", "none"], ...policies.map((one) => [one, one] as const)]}
          />
        )}
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

export function RevokeWindow(props: { of: ApiKeySummary; close: () => void; again: () => void }) {
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

/** The names of the policies, for who may read them. */
function usePolicyNames(): string[] {
  const mayRead = useRight("policy.read");
  const { value } = useRead(
    async () => (mayRead ? (await ask<PolicyList>("GET", "/policies")).policies : []),
    [mayRead],
  );
  return value?.map(({ name }) => name) ?? [];
}

/** For how long the secret of before works beside the new one. */
const OVERLAPS: readonly [minutes: string, words: string][] = [
  ["0", "not at all"],
  ["60", "an hour"],
  ["1440", "a day"],
  ["10080", "a week"],
];

/** Gives a key a new secret, which is shown once. */
export function RotateWindow(props: { of: ApiKeySummary; close: () => void; again: () => void }) {
  const { of, close, again } = props;
  const { run, isRunning, refusal } = useAct();
  const [minutes, setMinutes] = useState("60");
  const [made, setMade] = useState<RotatedApiKey | null>(null);
  const rotate = async () => {
    const body = { overlapMinutes: Number(minutes) };
    setMade(await ask<RotatedApiKey>("POST", `/api-keys/${part(of.id)}/rotate`, body));
    again();
  };
  return (
    <Window title="Rotate a key" close={close}>
      {made === null ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run(rotate);
          }}
        >
          <p>
            <Said text={of.name} /> gets a new secret and stays what it is.
          </p>
          <SelectField
            label="The secret of now works on for"
            value={minutes}
            set={setMinutes}
            options={OVERLAPS}
          />
          {refusal === null ? null : <Failure refusal={refusal} />}
          <p class="acts">
            <button type="submit" disabled={isRunning}>
              Rotate it
            </button>
          </p>
        </form>
      ) : (
        <>
          <p>
            This is the new secret of <Said text={of.name} />. It is shown only here. The one of
            before ends <Time at={made.previousEndsAt} />.
          </p>
          <Lines label="Key" text={made.key} />
          <p class="acts">
            <button type="button" class="plain" onClick={close}>
              I have it
            </button>
          </p>
        </>
      )}
    </Window>
  );
}
