import type { PersonRole, PersonSummary } from "@sonde/schemas/people";
import { useState } from "preact/hooks";
import { ask, askAll, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { SelectField } from "../fields.tsx";
import { InvitationList } from "./invitation-list.tsx";
import { PersonWindow } from "./person-window.tsx";
import { Badge, Failure, Lines, Said, Shown, Time, useAct, useRead, Window } from "../parts.tsx";

type Invited = { role: PersonRole; link: string; expiresAt: string };

const ROLES: readonly [PersonRole, string][] = [
  ["owner", "owns the hub: everything, also other owners"],
  ["admin", "decides who gets in, and runs the fleet"],
  ["operator", "runs the fleet: hosts, packs, drift, calls"],
  ["auditor", "reads everything and changes nothing"],
  ["member", "asks hosts within a policy"],
];

/** The people of the hub. */
export function PeopleSheet() {
  const version = useLive(({ versions }) => versions.people);
  const mayManage = useRight("people.manage");
  const [isInviting, setInviting] = useState(false);
  const [opened, setOpened] = useState<PersonSummary | null>(null);
  const [given, setGiven] = useState(0);
  const read = useRead(() => askAll<PersonSummary>("/people", "people"), [version]);
  const { again } = read;
  return (
    <section class="sheet" aria-labelledby="people">
      <header class="title">
        <h2 id="people">People</h2>
        {mayManage ? (
          <button type="button" class="plain" onClick={() => setInviting(true)}>
            Invite a person
          </button>
        ) : null}
      </header>
      {isInviting ? (
        <InviteWindow close={() => setInviting(false)} again={() => setGiven(given + 1)} />
      ) : null}
      {opened === null ? null : (
        <PersonWindow person={opened} close={() => setOpened(null)} again={again} />
      )}
      <Shown of={read} rows={3}>
        {(people) => (
          <>
            <PeopleTable people={people} open={setOpened} again={again} />
            <InvitationList version={`${version} ${given} ${people.length}`} />
          </>
        )}
      </Shown>
    </section>
  );
}

function PeopleTable(props: {
  people: readonly PersonSummary[];
  open: (person: PersonSummary) => void;
  again: () => void;
}) {
  const { people, open, again } = props;
  if (people.length === 0) {
    return (
      <p class="note">Nobody has an account yet. The hub's log has the link for the first owner.</p>
    );
  }
  return (
    <table>
      <caption class="unseen">People</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col" class="middle">
            Signs in by
          </th>
          <th scope="col" class="middle">
            Last time
          </th>
          <th scope="col">
            <span class="unseen">Acts</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {people.map((person) => (
          <PersonRow key={person.id} person={person} open={open} again={again} />
        ))}
      </tbody>
    </table>
  );
}

function PersonRow(props: {
  person: PersonSummary;
  open: (person: PersonSummary) => void;
  again: () => void;
}) {
  const { person, open, again } = props;
  const mayManage = useRight("people.manage");
  const isSelf = useLive(({ me }) => me?.id === `person:${person.id}`);
  const { run, isRunning, refusal } = useAct();
  const { id, name, role, disabled, passkeys, hasPassword, issuer, signedInAt } = person;
  const change = (body: object) =>
    run(async () => {
      await ask<PersonSummary>("PATCH", `/people/${part(id)}`, body).finally(again);
    });
  const ways = [
    ...(passkeys > 0 ? ["passkey"] : []),
    ...(hasPassword ? ["password and code"] : []),
    ...(issuer === null ? [] : [issuer]),
  ];
  return (
    <tr>
      <th scope="row">
        <Said text={name} /> {isSelf ? <span class="note">you</span> : null}{" "}
        {disabled ? <Badge level="warn">disabled</Badge> : null}
        {refusal === null ? null : <Failure refusal={refusal} />}
      </th>
      <td>
        {mayManage && !isSelf ? (
          <select
            aria-label={`Role of ${name}`}
            value={role}
            disabled={isRunning}
            onChange={({ currentTarget }) => change({ role: currentTarget.value })}
          >
            {ROLES.map(([one]) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        ) : (
          role
        )}
      </td>
      <td class="middle">
        <Said text={ways.join(", ")} />
      </td>
      <td class="middle">{signedInAt === null ? "never" : <Time at={signedInAt} />}</td>
      <td>
        <p class="acts">
          {mayManage && !isSelf ? (
            <button
              type="button"
              class="plain"
              disabled={isRunning}
              aria-label={`${disabled ? "Enable" : "Disable"} ${name}`}
              onClick={() => change({ disabled: !disabled })}
            >
              {disabled ? "Enable" : "Disable"}
            </button>
          ) : null}
          <button
            type="button"
            class="plain"
            aria-label={`Sessions of ${name}`}
            onClick={() => open(person)}
          >
            Sessions
          </button>
        </p>
      </td>
    </tr>
  );
}

function InviteWindow({ close, again }: { close: () => void; again: () => void }) {
  const { run, isRunning, refusal } = useAct();
  const [role, setRole] = useState<PersonRole>("member");
  const [invited, setInvited] = useState<Invited | null>(null);
  return (
    <Window title="Invite a person" close={close}>
      {invited === null ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run(async () => {
              setInvited(await ask<Invited>("POST", "/people/invitations", { role }));
              again();
            });
          }}
        >
          <SelectField
            label="Role"
            value={role}
            set={(chosen) => setRole(chosen as PersonRole)}
            options={ROLES.map(([one, does]) => [one, `${one}: ${does}`])}
          />
          {refusal === null ? null : <Failure refusal={refusal} />}
          <p class="acts">
            <button type="submit" disabled={isRunning}>
              Make the link
            </button>
          </p>
        </form>
      ) : (
        <>
          <p>
            Whoever opens this link makes an account as {invited.role}. It works once, is shown only
            here, and ends <Time at={invited.expiresAt} />.
          </p>
          <Lines label="Link of the invitation" text={invited.link} />
        </>
      )}
    </Window>
  );
}
