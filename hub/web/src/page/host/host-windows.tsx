import type { AgentDetail, AgentList } from "@sonde/schemas/hub";
import { useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { putAgent } from "../live.ts";
import { Field, readWords } from "../fields.tsx";
import { Failure, Said, useAct, Window } from "../parts.tsx";
import { addressOf, go, Link } from "../router.tsx";

type Props = { agent: AgentDetail; close: () => void };

/** A form of one text, and the act that takes it. */
function TextForm(props: {
  label: string;
  note: string;
  text: string;
  act: string;
  isDanger?: boolean;
  isRequired?: boolean;
  maxLength: number;
  submit: (text: string) => Promise<void>;
}) {
  const { run, isRunning, refusal } = useAct();
  const [text, setText] = useState(props.text);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        run(() => props.submit(text));
      }}
    >
      <Field label={props.label} note={props.note}>
        {(id) => (
          <input
            id={id}
            required={props.isRequired !== false}
            maxLength={props.maxLength}
            autocomplete="off"
            spellcheck={false}
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        )}
      </Field>
      {refusal === null ? null : <Failure refusal={refusal} />}
      <p class="acts">
        <button type="submit" class={props.isDanger === true ? "danger" : ""} disabled={isRunning}>
          {props.act}
        </button>
      </p>
    </form>
  );
}

/** Lets no question reach the host until somebody releases it. */
export function QuarantineWindow({ agent, close }: Props) {
  return (
    <Window title="Quarantine" close={close}>
      <p>
        No question will reach <Said text={agent.name} /> until somebody releases it. It stays
        connected.
      </p>
      <TextForm
        label="Reason"
        note="Whoever asks the host is told."
        text=""
        maxLength={300}
        act="Quarantine it"
        isDanger
        submit={async (reason) => {
          putAgent(
            await ask<AgentDetail>("POST", `/agents/${part(agent.name)}/quarantine`, { reason }),
          );
          close();
        }}
      />
    </Window>
  );
}

/** Ends the host's identity. It would have to be invited anew. */
export function RevokeWindow({ agent, close }: Props) {
  return (
    <Window title="Revoke" close={close}>
      <p>
        The identity of <Said text={agent.name} /> ends for good, and its connection with it. To
        come back, the host must be invited anew.
      </p>
      <TextForm
        label="Name of the host"
        note="Type it, so that it is the right one."
        text=""
        maxLength={63}
        act="Revoke it"
        isDanger
        submit={async (typed) => {
          if (typed !== agent.name) throw new Error(`expected ${agent.name}, got ${typed}`);
          await ask<AgentList>("DELETE", `/agents/${part(agent.name)}`);
          go(addressOf([]));
        }}
      />
    </Window>
  );
}

/** Changes the tags, which decide who may ask the host. */
export function TagsWindow({ agent, close }: Props) {
  const keyOf = (tag: string) => tag.split("=")[0] ?? "";
  return (
    <Window title="Tags" close={close}>
      <TextForm
        label="Tags"
        note="Such as role=web env=prod, with one value for each key. They decide who may ask the host."
        text={agent.tags.join(" ")}
        isRequired={false}
        maxLength={1_700}
        act="Keep these tags"
        submit={async (text) => {
          const tags = readWords(text);
          const keys = new Set(tags.map(keyOf));
          const change = {
            set: tags.filter((tag) => !agent.tags.includes(tag)),
            remove: agent.tags.map(keyOf).filter((key) => !keys.has(key)),
          };
          putAgent(await ask<AgentDetail>("POST", `/agents/${part(agent.name)}/tags`, change));
          close();
        }}
      />
    </Window>
  );
}

/** Orders a pack. The host checks it itself, and a person there allows its reads. */
export function InstallWindow({ agent, close }: Props) {
  return (
    <Window title="Install a pack" close={close}>
      <p>
        The hub checks the pack and orders it. <Said text={agent.name} /> checks it again, and runs
        nothing of it before a person on the host allows its reads.{" "}
        <Link to={["packs"]}>Look for one in the registry</Link>
      </p>
      <TextForm
        label="Pack"
        note="PUBLISHER/PACK, or with a version or a range after it: sonde/system@1.0.0, sonde/system@^1"
        text=""
        maxLength={200}
        act="Install it"
        submit={async (text) => {
          const [name = "", version = "*"] = text.trim().split("@");
          const path = name.split("/").map(part).join("/");
          const url = `/agents/${part(agent.name)}/packs/${path}`;
          putAgent(await ask<AgentDetail>("PUT", url, { version }));
          close();
        }}
      />
    </Window>
  );
}
