import type { SessionSummary } from "@sonde/schemas/people";
import { ask, part } from "../api.ts";
import { Badge, Failure, Said, Shown, Time, useAct, useRead } from "../parts.tsx";

type SessionList = { sessions: SessionSummary[] };

/** Where one is signed in oneself. @param props.when it is read again when that is another */
export function SessionSheet(props: { when?: unknown }) {
  const read = useRead(() => ask<SessionList>("GET", "/sessions"), [props.when]);
  return (
    <section class="sheet" aria-labelledby="sessions">
      <h2 id="sessions">Where you are signed in</h2>
      <Shown of={read} rows={2}>
        {({ sessions }) => (
          <ul class="plain-list">
            {sessions.map((session) => (
              <SessionItem key={session.id} session={session} again={read.again} />
            ))}
          </ul>
        )}
      </Shown>
    </section>
  );
}

/** From where somebody is signed in, how, and what their browser says of itself. */
export function SessionLine({ session }: { session: SessionSummary }) {
  const { current, address, browser, seenAt, methods } = session;
  return (
    <>
      <p>
        <Said text={address} /> {current ? <Badge level="good">this one</Badge> : null}{" "}
        <span class="note">
          by {methods.join(" and ")}, last used <Time at={seenAt} />
        </span>
      </p>
      <p class="note">
        <Said text={browser} />
      </p>
    </>
  );
}

function SessionItem({ session, again }: { session: SessionSummary; again: () => void }) {
  const { run, isRunning, refusal } = useAct();
  const { id, current, address } = session;
  const end = async () => {
    await ask("DELETE", `/sessions/${part(id)}`);
    again();
  };
  return (
    <li>
      <SessionLine session={session} />
      {refusal === null ? null : <Failure refusal={refusal} />}
      {current ? null : (
        <button
          type="button"
          class="plain"
          aria-label={`End it: the session of ${address}`}
          disabled={isRunning}
          onClick={() => run(end)}
        >
          End it
        </button>
      )}
    </li>
  );
}
