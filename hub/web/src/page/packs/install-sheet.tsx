import type { AgentDetail, RollOut, RollOutState } from "@sonde/schemas/hub";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Refusal } from "../api.ts";
import { toRefusal } from "../api.ts";
import { chooseHosts, HostsField } from "../hosts-field.tsx";
import { useLive } from "../live.ts";
import { Field, readWords } from "../fields.tsx";
import { Badge, countOf, Failure, type Level, Said } from "../parts.tsx";
import { Link } from "../router.tsx";
import { rollOut, type RollOutEnd, stateOn } from "./roll-out.ts";

const NO_AGENTS: readonly AgentDetail[] = [];
const MAX_AT_ONCE = 10_000;

/** A roll-out that this page drives, and where it is. */
type Progress = {
  wanted: RollOut;
  state: RollOutState | null;
  /** Null while it goes on. */
  end: RollOutEnd | "refused" | null;
  refusal: Refusal | null;
};

/** Gives a version to hosts, a few at a time, and shows how each of them takes it. */
export function InstallSheet(props: { name: string; version: string; on: string }) {
  const { name, version } = props;
  const agents = useLive((live) => live.agents) ?? NO_AGENTS;
  const [on, setOn] = useState(props.on);
  const [atOnce, setAtOnce] = useState("1");
  const [problems, setProblems] = useState<{ on?: string; atOnce?: string }>({});
  const [progress, setProgress] = useState<Progress | null>(null);
  const running = useRef<AbortController | null>(null);
  // Who leaves the page ends its steps. What was given stays.
  useEffect(() => () => running.current?.abort(), []);
  const isRunning = progress !== null && progress.end === null;

  const go = (wanted: RollOut): void => {
    running.current?.abort();
    const own = new AbortController();
    running.current = own;
    const put = (change: Partial<Progress>): void => {
      if (own.signal.aborted) return;
      setProgress((known) => ({
        ...{ wanted, state: known?.state ?? null, end: null, refusal: null },
        ...change,
      }));
    };
    setProgress({ wanted, state: null, end: null, refusal: null });
    rollOut(wanted, own.signal, (state) => put({ state })).then(
      (end) => put({ end }),
      (thrown: unknown) => put({ end: "refused", refusal: toRefusal(thrown) }),
    );
  };
  const submit = (): void => {
    const { names, unknown } = chooseHosts(on, agents);
    const count = Number(atOnce);
    const found = {
      ...(unknown.length > 0 && { on: `Nothing is called ${unknown.join(", ")}.` }),
      ...(names.length === 0 && unknown.length === 0 && { on: "Name at least one host." }),
      ...(!(Number.isInteger(count) && count >= 1 && count <= MAX_AT_ONCE) && {
        atOnce: `Expected a number from 1 to ${MAX_AT_ONCE.toLocaleString("en-US")}.`,
      }),
    };
    setProblems(found);
    if (Object.keys(found).length > 0) return;
    const selectors = readWords(on);
    go({ pack: name, version, on: selectors.includes("*") ? "*" : selectors, atOnce: count });
  };
  return (
    <section class="sheet" aria-labelledby="install">
      <h2 id="install">
        Install <Said text={`${name} ${version}`} />
      </h2>
      <p class="note">
        The hub verifies the pack and orders it. Each host verifies it again, and reads nothing for
        it before somebody allowed that.
      </p>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <HostsField text={on} agents={agents} set={setOn} problem={problems.on} />
        <Field
          label="Hosts at a time"
          note="The next ones get it once these have verified it. At the first host that does not take it, it stops."
        >
          {(id) => (
            <input
              id={id}
              inputMode="numeric"
              autocomplete="off"
              maxLength={5}
              value={atOnce}
              aria-invalid={problems.atOnce !== undefined}
              onInput={({ currentTarget }) => setAtOnce(currentTarget.value)}
            />
          )}
        </Field>
        {problems.atOnce === undefined ? null : (
          <p class="problem" role="alert">
            {problems.atOnce}
          </p>
        )}
        <p class="acts">
          <button type="submit" disabled={isRunning}>
            Install it
          </button>
          {isRunning ? (
            <button
              type="button"
              class="plain"
              onClick={() => {
                running.current?.abort();
                setProgress({ ...progress, end: "left" });
              }}
            >
              Stop here
            </button>
          ) : null}
        </p>
      </form>
      {progress === null ? null : (
        <ProgressView progress={progress} agents={agents} again={() => go(progress.wanted)} />
      )}
    </section>
  );
}

function ProgressView(props: {
  progress: Progress;
  agents: readonly AgentDetail[];
  again: () => void;
}) {
  const { progress, agents, again } = props;
  const { state, end, refusal, wanted } = progress;
  return (
    <div class="progress">
      <p role="status">{describeProgress(progress)}</p>
      {state === null ? null : (
        <>
          <progress
            aria-label="Hosts that have it"
            max={countHosts(state)}
            value={state.done.length}
          />
          <HostStates pack={wanted.pack} state={state} agents={agents} />
        </>
      )}
      {refusal === null ? null : <Failure refusal={refusal} />}
      {end === null || end === "done" ? null : (
        <p class="acts">
          <button type="button" class="plain" onClick={again}>
            Go on
          </button>
        </p>
      )}
      {end === null ? (
        <p class="note">It goes on while this page is open. What was given stays.</p>
      ) : null}
    </div>
  );
}

function countHosts({ done, waiting, stopped, left }: RollOutState): number {
  return done.length + waiting.length + stopped.length + left.length;
}

function describeProgress({ state, end }: Progress): string {
  if (state === null) {
    return end === null ? "The hub fetches and verifies it." : "It was given to no host.";
  }
  const have = `it is on ${state.done.length.toLocaleString("en-US")} of ${countOf(countHosts(state), "host")}`;
  const unchanged = `${countOf(state.left.length, "host")} not changed`;
  switch (end) {
    case null:
      return `Now ${have}.`;
    case "done":
      return `Done: ${have}.`;
    case "stopped":
      return `Stopped, since a host does not take it: ${have}, ${unchanged}.`;
    case "silent":
      return `Stopped, since hosts said nothing of it for two minutes: ${have}, ${unchanged}.`;
    case "refused":
      return `Refused: ${have}, ${unchanged}.`;
    case "left":
      return `You stopped it: ${have}, ${unchanged}.`;
  }
}

const SHOWN = 200;

function HostStates(props: { pack: string; state: RollOutState; agents: readonly AgentDetail[] }) {
  const { pack, state, agents } = props;
  const rows = [
    ...state.stopped.map(({ agent }) => agent),
    ...state.waiting,
    ...state.done,
    ...state.left,
  ];
  return (
    <table>
      <caption class="unseen">How each host takes it</caption>
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {rows.slice(0, SHOWN).map((name) => {
          const agent = agents.find((one) => one.name === name);
          const { level, word, why } = describeHost(name, pack, state, agent);
          return (
            <tr key={name}>
              <th scope="row">
                <Link to={["hosts", name]}>
                  <Said text={name} />
                </Link>
              </th>
              <td>
                <Badge level={level}>
                  <Said text={word} />
                </Badge>{" "}
                <Said text={why} />
              </td>
            </tr>
          );
        })}
      </tbody>
      {rows.length > SHOWN ? (
        <tfoot>
          <tr>
            <td colSpan={2}>{`${rows.length - SHOWN} more hosts are not listed.`}</td>
          </tr>
        </tfoot>
      ) : null}
    </table>
  );
}

type HostState = { level: Level; word: string; why: string };

function describeHost(
  name: string,
  pack: string,
  { stopped, waiting, left, version }: RollOutState,
  agent: AgentDetail | undefined,
): HostState {
  const refused = stopped.find((one) => one.agent === name);
  if (refused !== undefined) {
    const { reason } = refused;
    const why = reason === null ? "" : `${reason.code}: ${reason.message}`;
    return { level: "bad", word: refused.state, why };
  }
  if (left.includes(name)) return { level: "none", word: "not yet", why: "" };
  const report = agent === undefined ? undefined : stateOn(agent, pack, version);
  if (agent?.online === false) {
    return { level: "none", word: "offline", why: "It takes it when it is back." };
  }
  if (waiting.includes(name)) {
    return { level: "none", word: report?.state ?? "ordered", why: "It fetches and verifies it." };
  }
  if (report?.state === "active") return { level: "good", word: "active", why: "" };
  return {
    ...{ level: "warn", word: report?.state ?? "verified" },
    why: "Somebody has to allow its reads: see the Inbox.",
  };
}
