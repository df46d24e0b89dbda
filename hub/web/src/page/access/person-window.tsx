import type { PersonSummary, SessionSummary } from "@sonde/schemas/people";
import { useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { Failure, Said, Shown, useAct, useRead, Window } from "../parts.tsx";
import { SessionLine } from "./session-sheet.tsx";

type SessionList = { sessions: SessionSummary[] };

/** Where a person is signed in, and the end of it, or of the account. */
export function PersonWindow(props: {
  person: PersonSummary;
  close: () => void;
  again: () => void;
}) {
  const { person, close, again } = props;
  const { id, name } = person;
  const isSelf = useLive(({ me }) => me?.id === `person:${id}`);
  const mayManage = useRight("people.manage") && !isSelf;
  const [isDeleting, setDeleting] = useState(false);
  const { run, isRunning, refusal } = useAct();
  const route = `/people/${part(id)}`;
  const read = useRead(() => ask<SessionList>("GET", `${route}/sessions`), [id]);
  const end = async () => {
    await ask<SessionList>("DELETE", `${route}/sessions`);
    read.again();
  };
  const remove = async () => {
    await ask("DELETE", route);
    again();
    close();
  };
  return (
    <Window title={name} close={close}>
      <Shown of={read} rows={2}>
        {({ sessions }) =>
          sessions.length === 0 ? (
            <p>
              <Said text={name} /> is signed in nowhere.
            </p>
          ) : (
            <ul class="plain-list" aria-label={`Sessions of ${name}`}>
              {sessions.map((session) => (
                <li key={session.id}>
                  <SessionLine session={session} />
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      {refusal === null ? null : <Failure refusal={refusal} />}
      {!mayManage ? null : isDeleting ? (
        <>
          <p>
            The account is gone for good, and so is all that its clients may do. The audit log keeps
            what was done.
          </p>
          <p class="acts">
            <button type="button" class="danger" disabled={isRunning} onClick={() => run(remove)}>
              Delete it
            </button>
            <button type="button" class="plain" onClick={() => setDeleting(false)}>
              Keep it
            </button>
          </p>
        </>
      ) : (
        <p class="acts">
          {read.value === null || read.value.sessions.length === 0 ? null : (
            <button type="button" disabled={isRunning} onClick={() => run(end)}>
              End all sessions
            </button>
          )}
          <button type="button" class="danger" onClick={() => setDeleting(true)}>
            Delete the account
          </button>
        </p>
      )}
    </Window>
  );
}
