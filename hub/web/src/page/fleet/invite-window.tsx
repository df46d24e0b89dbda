import type { CreatedToken } from "@sonde/schemas/hub";
import { useState } from "preact/hooks";
import { ask } from "../api.ts";
import { useLive } from "../live.ts";
import { readWords, TextField } from "../fields.tsx";
import { Badge, Failure, Lines, Said, Time, useAct, Window } from "../parts.tsx";
import { Link } from "../router.tsx";

type Invited = CreatedToken & { name: string; known: ReadonlySet<string> };

/** Invites a host: a token, the lines to paste there, and the host as soon as it is here. */
export function InviteWindow({ close }: { close: () => void }) {
  const [invited, setInvited] = useState<Invited | null>(null);
  return (
    <Window title="Invite a host" close={close}>
      {invited === null ? (
        <InviteForm done={setInvited} />
      ) : (
        <Paste invited={invited} close={close} />
      )}
    </Window>
  );
}

function InviteForm({ done }: { done: (invited: Invited) => void }) {
  const agents = useLive((live) => live.agents);
  const { run, isRunning, refusal } = useAct();
  const [name, setName] = useState("");
  const [tags, setTags] = useState("");
  const [approves, setApproves] = useState(true);
  const submit = async () => {
    // An agent that enrols again keeps its id, and has another time of enrolment.
    const known = new Set((agents ?? []).map(({ id, enrolledAt }) => `${id} ${enrolledAt}`));
    const token = await ask<CreatedToken>("POST", "/enrolment-tokens", {
      agentName: name,
      tags: readWords(tags),
      approvesFirst: approves,
    });
    done({ ...token, name, known });
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        run(submit);
      }}
    >
      <TextField
        label="Name of the host"
        note="As people and the AI call it. Small letters, digits and dashes."
        value={name}
        set={setName}
        required
        maxLength={63}
        spellcheck={false}
      />
      <TextField
        label="Tags"
        note="Such as role=web env=prod. They decide who may ask the host."
        value={tags}
        set={setTags}
        spellcheck={false}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={approves}
          onChange={({ currentTarget }) => setApproves(currentTarget.checked)}
        />
        <span>Approve what the host first says about itself. Without this it waits for you.</span>
      </label>
      {refusal === null ? null : <Failure refusal={refusal} />}
      <p class="acts">
        <button type="submit" disabled={isRunning}>
          Make the invitation
        </button>
      </p>
    </form>
  );
}

function Paste({ invited, close }: { invited: Invited; close: () => void }) {
  const { token, name, enrolAddress, expiresAt, known } = invited;
  const arrived = useLive(({ agents }) =>
    agents?.find((agent) => agent.name === name && !known.has(`${agent.id} ${agent.enrolledAt}`)),
  );
  return (
    <>
      <p>
        On <Said text={name} />, with the agent installed, type this. It asks for the token, and
        shows whose packs the host will trust before anything is kept.
      </p>
      <Lines
        label="Line to type on the host"
        text={`sudo sonde-agent enrol --hub ${enrolAddress} --agent-name ${name} --trust sonde-trust.json`}
      />
      <p>
        The token is good once, and shown only here. It ends <Time at={expiresAt} />.
      </p>
      <Lines label="Token" text={token} />
      <div class="arrival" role="status">
        {arrived === undefined ? (
          <p>
            <span class="pulse" aria-hidden="true" /> Waiting for <Said text={name} />
          </p>
        ) : (
          <p>
            <Badge level="good">here</Badge> <Said text={arrived.name} /> is here
            {arrived.online ? " and connected." : ", and connects now."}{" "}
            <Link to={["hosts", arrived.name]}>Open it</Link>
          </p>
        )}
      </div>
      <p class="acts">
        <button type="button" class="plain" onClick={close}>
          Close
        </button>
      </p>
    </>
  );
}
