import type { NamedPolicy, PolicyHolder, PolicyList } from "@sonde/schemas/policy";
import { useId, useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { Failure, Said, Shown, Time, useAct, useRead } from "../parts.tsx";
import { PolicyTrial } from "./policy-trial.tsx";
import { PolicyWindow } from "./policy-form.tsx";
import { PolicyWords } from "./policy-words.tsx";
import { type Subject, useSubjects } from "../subjects.ts";

/** What narrows people, keys and clients, who holds it, and whether a call would be allowed. */
export function PolicySheet() {
  const version = useLive(({ versions }) => versions.policies);
  const mayManage = useRight("policy.manage");
  const subjects = useSubjects();
  const [opened, setOpened] = useState<NamedPolicy | "new" | null>(null);
  const read = useRead(() => ask<PolicyList>("GET", "/policies"), [version]);
  const { again } = read;
  const nameOf = (holder: string) => subjects?.find(({ id }) => id === holder)?.name ?? holder;
  return (
    <>
      <section class="sheet" aria-labelledby="policies">
        <header class="title">
          <h2 id="policies">Policies</h2>
          {mayManage ? (
            <button type="button" class="plain" onClick={() => setOpened("new")}>
              Make a policy
            </button>
          ) : null}
        </header>
        {opened === null ? null : (
          <PolicyWindow
            of={opened === "new" ? null : opened}
            close={() => setOpened(null)}
            again={again}
          />
        )}
        <Shown of={read} rows={3}>
          {({ policies, holders }) => {
            const own = holders.filter(({ policy }) => !("name" in policy));
            if (policies.length + own.length === 0) {
              return <p class="note">None. Without one, everybody may do what their role may.</p>;
            }
            return (
              <ul class="plain-list">
                {policies.map((policy) => (
                  <PolicyItem
                    key={policy.name}
                    of={policy}
                    holders={holders.filter((one) => nameOfPolicy(one) === policy.name)}
                    subjects={subjects ?? []}
                    nameOf={nameOf}
                    change={() => setOpened(policy)}
                    again={again}
                  />
                ))}
                {own.map(({ holder, policy }) => (
                  <li key={holder}>
                    <h3>
                      Only of <Said text={nameOf(holder)} />
                    </h3>
                    <PolicyWords of={"name" in policy ? {} : policy} />
                    <Holders holders={[holder]} nameOf={nameOf} again={again} />
                  </li>
                ))}
              </ul>
            );
          }}
        </Shown>
      </section>
      <PolicyTrial subjects={subjects} />
    </>
  );
}

function nameOfPolicy({ policy }: PolicyHolder): string | null {
  return "name" in policy ? policy.name : null;
}

function PolicyItem(props: {
  of: NamedPolicy;
  holders: readonly PolicyHolder[];
  subjects: readonly Subject[];
  nameOf: (holder: string) => string;
  change: () => void;
  again: () => void;
}) {
  const { of, holders, subjects, nameOf, again } = props;
  const mayManage = useRight("policy.manage");
  const { run, isRunning, refusal } = useAct();
  const remove = async () => {
    await ask("DELETE", `/policies/${part(of.name)}`);
    again();
  };
  return (
    <li>
      <h3>
        <Said text={of.name} />{" "}
        <span class="note">
          set <Time at={of.setAt} /> by <Said text={nameOf(of.setBy)} />
        </span>
      </h3>
      <PolicyWords of={of.policy} />
      {holders.length === 0 ? (
        <p class="note">Nobody holds it.</p>
      ) : (
        <Holders holders={holders.map(({ holder }) => holder)} nameOf={nameOf} again={again} />
      )}
      {refusal === null ? null : <Failure refusal={refusal} />}
      {mayManage ? (
        <>
          <Give policy={of.name} subjects={subjects} again={again} />
          <p class="acts">
            <button
              type="button"
              class="plain"
              aria-label={`Change ${of.name}`}
              onClick={props.change}
            >
              Change
            </button>
            <button
              type="button"
              class="danger"
              aria-label={`Remove ${of.name}`}
              disabled={isRunning}
              onClick={() => run(remove)}
            >
              Remove
            </button>
          </p>
        </>
      ) : null}
    </li>
  );
}

/** Who holds a policy, each with the act that takes it away. */
function Holders(props: {
  holders: readonly string[];
  nameOf: (holder: string) => string;
  again: () => void;
}) {
  const { holders, nameOf, again } = props;
  const mayManage = useRight("policy.manage");
  const { run, isRunning, refusal } = useAct();
  const take = (holder: string) =>
    run(async () => {
      await ask("DELETE", `/policy-holders/${part(holder)}`);
      again();
    });
  return (
    <>
      {refusal === null ? null : <Failure refusal={refusal} />}
      <ul class="reads" aria-label="Holders">
        {holders.map((holder) => (
          <li key={holder}>
            <Said text={nameOf(holder)} />{" "}
            {mayManage ? (
              <button
                type="button"
                class="plain"
                aria-label={`Take it away from ${nameOf(holder)}`}
                disabled={isRunning}
                onClick={() => take(holder)}
              >
                Take it away
              </button>
            ) : null}
          </li>
        ))}
      </ul>
    </>
  );
}

function Give(props: { policy: string; subjects: readonly Subject[]; again: () => void }) {
  const { policy, subjects, again } = props;
  const [subject, setSubject] = useState("");
  const { run, isRunning, refusal } = useAct();
  const id = useId();
  const give = async () => {
    await ask("PUT", `/policy-holders/${part(subject)}`, { policy: { name: policy } });
    setSubject("");
    again();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        run(give);
      }}
    >
      {refusal === null ? null : <Failure refusal={refusal} />}
      <p class="acts">
        <label class="unseen" for={id}>{`Who else holds ${policy}`}</label>
        <select
          id={id}
          required
          value={subject}
          onChange={({ currentTarget }) => setSubject(currentTarget.value)}
        >
          <option value="">Somebody</option>
          {subjects.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </select>
        <button type="submit" class="plain" aria-label={`Give it: ${policy}`} disabled={isRunning}>
          Give it
        </button>
      </p>
    </form>
  );
}
