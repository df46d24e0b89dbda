import type { ToolSummary } from "@sonde/schemas/hub";
import type { PolicyTest } from "@sonde/schemas/policy";
import { useId, useState } from "preact/hooks";
import { ask, askAll } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { SelectField, TextField } from "../fields.tsx";
import { Badge, Failure, Said, useAct, useRead } from "../parts.tsx";
import type { Subject } from "../subjects.ts";

/** As many as are offered for a name that is being typed. */
const MAX_OFFERED = 500;

/** Whether somebody may ask something of a host, and by which rule. Nothing is asked. */
export function PolicyTrial({ subjects }: { subjects: readonly Subject[] | null }) {
  const mayList = useRight("probe.list");
  const agents = useLive((live) => live.agents);
  const tools = useRead(
    async () => (mayList ? await askAll<ToolSummary>("/tools", "tools") : []),
    [mayList],
  );
  const { run, isRunning, refusal } = useAct();
  const [typed, setTyped] = useState({ subject: "", probe: "", agent: "", address: "" });
  const [tested, setTested] = useState<PolicyTest | null>(null);
  const [toolsId, agentsId] = [useId(), useId()];
  const field = (name: keyof typeof typed) => ({
    value: typed[name],
    set(text: string) {
      setTested(null);
      setTyped({ ...typed, [name]: text.trim() });
    },
  });
  const test = async () => {
    const { subject, probe, agent, address } = typed;
    const asked = { subject, probe: toProbe(probe), agent, ...(address !== "" && { address }) };
    setTested(null);
    setTested(await ask<PolicyTest>("POST", "/policy/test", asked));
  };
  return (
    <section class="sheet" aria-labelledby="trial">
      <h2 id="trial">Would it be allowed?</h2>
      <p class="note">The hub decides as it would for a call. Nothing is asked of the host.</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(test);
        }}
      >
        <SelectField
          label="Who"
          {...field("subject")}
          required
          options={[
            ["", "Somebody"],
            ...(subjects ?? []).map(({ id, name }) => [id, name] as const),
          ]}
        />
        <TextField
          label="Question"
          note="Such as system.disk.usage."
          {...field("probe")}
          required
          list={toolsId}
          spellcheck={false}
        />
        <TextField label="Host" {...field("agent")} required list={agentsId} spellcheck={false} />
        <TextField
          label="From which address"
          note="A policy that names addresses refuses who comes from none."
          {...field("address")}
          spellcheck={false}
        />
        <datalist id={toolsId}>
          {tools.value?.map(({ probe, name }) =>
            probe === null ? null : <option key={name} value={probe} />,
          )}
        </datalist>
        <datalist id={agentsId}>
          {agents?.slice(0, MAX_OFFERED).map(({ id, name }) => (
            <option key={id} value={name} />
          ))}
        </datalist>
        {refusal === null ? null : <Failure refusal={refusal} />}
        <p class="acts">
          <button type="submit" disabled={isRunning}>
            Say whether
          </button>
        </p>
      </form>
      <div role="status">{tested === null ? null : <Tested of={tested} />}</div>
    </section>
  );
}

/** A tool's name as clients see it, or its probe's id: `system_disk_usage`, `system.disk.usage`. */
function toProbe(typed: string): string {
  return typed.replace("__", "/").replaceAll("_", ".");
}

function Tested({ of: { allowed, code, reason, rules } }: { of: PolicyTest }) {
  return (
    <>
      <p>
        <Badge level={allowed ? "good" : "bad"}>{allowed ? "allowed" : "refused"}</Badge>{" "}
        {code === null ? null : <Said code text={code} />} <Said text={reason ?? ""} />
      </p>
      <ul class="reads" aria-label={allowed ? "Rules that allow it" : "The rule that refuses it"}>
        {rules.map(({ policy, line }) => (
          <li key={`${policy} ${line}`}>
            <Said text={policy} />
            <code class="exact">
              <Said text={line} />
            </code>
          </li>
        ))}
      </ul>
    </>
  );
}
