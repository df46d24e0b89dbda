import type { NamedPolicy, Policy } from "@sonde/schemas/policy";
import { useState } from "preact/hooks";
import { ask, part } from "../api.ts";
import { readWords, SelectField, TextField } from "../fields.tsx";
import { Failure, useAct, Window } from "../parts.tsx";
import type { Rules } from "./policy-words.tsx";

/** The fields of the form, as they are typed. */
type Typed = {
  name: string;
  agents: string;
  agentsDeny: string;
  tools: string;
  toolsDeny: string;
  packs: string;
  packsDeny: string;
  capability: string;
  perMinute: string;
  burst: string;
  addresses: string;
  expiresAt: string;
};

const TEXTS: readonly [keyof Typed, string, string][] = [
  ["agents", "Hosts", "Names and tags, such as db-1 role=web. A star is every host."],
  ["agentsDeny", "Hosts that are refused all the same", "Empty refuses none."],
  ["tools", "Questions", "Such as system.** or docker.*. A star is every question."],
  ["toolsDeny", "Questions that are refused all the same", "Empty refuses none."],
  ["packs", "Packs", "Such as sonde/system. A star is every pack."],
  ["packsDeny", "Packs that are refused all the same", "Empty refuses none."],
  ["addresses", "Addresses", "Such as 192.0.2.0/24. Empty is anywhere."],
];

const LEVELS: readonly [string, string][] = [
  ["", "as high as the role goes"],
  ["observe", "observe: looks only"],
  ["interact", "interact"],
  ["manage", "manage"],
];

/** Makes a policy, or changes one that has a name. */
export function PolicyWindow(props: {
  /** Null to make one. */
  of: NamedPolicy | null;
  close: () => void;
  again: () => void;
}) {
  const { of, close, again } = props;
  const { run, isRunning, refusal } = useAct();
  const [typed, setTyped] = useState(() => toTyped(of));
  const set = (name: keyof Typed, value: string) =>
    setTyped((before) => ({ ...before, [name]: value }));
  const keep = async () => {
    await ask<NamedPolicy>("PUT", `/policies/${part(typed.name)}`, { policy: toPolicy(typed) });
    again();
    close();
  };
  const field = (name: keyof Typed) => ({
    ...{ value: typed[name], set: (text: string) => set(name, text) },
    spellcheck: false,
  });
  const count = { type: "number", min: 1, max: 60_000 } as const;
  return (
    <Window title={of === null ? "Make a policy" : `Policy ${of.name}`} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(keep);
        }}
      >
        {of !== null ? null : (
          <TextField
            label="Name of the policy"
            note="Small letters, digits and hyphens."
            {...field("name")}
            required
            pattern="[a-z][a-z0-9\-]{0,38}"
          />
        )}
        {TEXTS.map(([name, label, note]) => (
          <TextField key={name} label={label} note={note} {...field(name)} />
        ))}
        <SelectField
          label="Asks at most"
          value={typed.capability}
          set={(level) => set("capability", level)}
          options={LEVELS}
        />
        <TextField
          label="Calls a minute"
          note="Empty is no limit."
          {...field("perMinute")}
          {...count}
        />
        <TextField
          label="Calls at once after a pause"
          note="Empty is as many as in a minute."
          {...field("burst")}
          {...count}
        />
        <TextField
          label="Ends, in UTC"
          note="Empty is never."
          {...field("expiresAt")}
          type="datetime-local"
          step={1}
        />
        {refusal === null ? null : <Failure refusal={refusal} />}
        <p class="acts">
          <button type="submit" disabled={isRunning}>
            {of === null ? "Make it" : "Change it"}
          </button>
        </p>
      </form>
    </Window>
  );
}

function toTyped(of: NamedPolicy | null): Typed {
  const { agents, tools, packs, capability, rate, addresses, expiresAt } = of?.policy ?? {};
  const allowed = ({ allow = "*" }: Rules = {}) => (allow === "*" ? "*" : allow.join(" "));
  const denied = ({ deny = [] }: Rules = {}) => deny.join(" ");
  return {
    name: of?.name ?? "",
    ...{ agents: allowed(agents), agentsDeny: denied(agents) },
    ...{ tools: allowed(tools), toolsDeny: denied(tools) },
    ...{ packs: allowed(packs), packsDeny: denied(packs) },
    capability: capability ?? "",
    perMinute: String(rate?.perMinute ?? ""),
    burst: String(rate?.burst ?? ""),
    addresses: addresses?.join(" ") ?? "",
    expiresAt: expiresAt?.slice(0, 19) ?? "",
  };
}

/** What was typed, as the hub takes it. The hub checks it. */
function toPolicy(typed: Typed): Policy {
  const { capability, perMinute, expiresAt } = typed;
  const addresses = readWords(typed.addresses);
  const burst = typed.burst === "" ? perMinute : typed.burst;
  return {
    ...withRules("agents", typed.agents, typed.agentsDeny),
    ...withRules("tools", typed.tools, typed.toolsDeny),
    ...withRules("packs", typed.packs, typed.packsDeny),
    ...(capability !== "" && { capability: capability as NonNullable<Policy["capability"]> }),
    ...(perMinute !== "" && { rate: { perMinute: Number(perMinute), burst: Number(burst) } }),
    ...(addresses.length > 0 && { addresses }),
    ...(expiresAt !== "" && { expiresAt: new Date(`${expiresAt}Z`).toISOString() }),
  };
}

/** No member where nothing is narrowed. An empty list of what is allowed allows nothing. */
function withRules(member: "agents" | "tools" | "packs", allow: string, deny: string): Policy {
  const allowed = readWords(allow);
  const denied = readWords(deny);
  const isAll = allowed.length === 1 && allowed[0] === "*";
  if (isAll && denied.length === 0) return {};
  const rules = { ...(!isAll && { allow: allowed }), ...(denied.length > 0 && { deny: denied }) };
  return { [member]: rules };
}
