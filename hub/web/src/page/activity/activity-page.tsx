import { useEffect, useState } from "preact/hooks";
import { useLive, useRight } from "../live.ts";
import { countOf, Empty, Failure, PageTitle, Waiting } from "../parts.tsx";
import { setQuery, useRoute } from "../router.tsx";
import { LineTable } from "./activity-table.tsx";
import { chooseLines, type Line, type Show } from "./build-activity.ts";
import { useNames } from "../subjects.ts";
import { useLines } from "./use-entries.ts";

const SHOWS: readonly [Show, string][] = [
  ["calls", "Calls"],
  ["acts", "Acts"],
  ["denied", "Refused"],
  ["all", "Everything"],
];
/** Lines that are drawn: more are found by the filter. */
const SHOWN = 200;

/** What is asked and done, live: from the audit log. */
export function ActivityPage() {
  const mayRead = useRight("audit.read");
  return (
    <>
      <PageTitle title="Activity">
        <p class="lead">Calls and acts, from the audit log, as they happen</p>
      </PageTitle>
      {mayRead ? <Activity /> : <Empty title="Your role does not read the audit log." />}
    </>
  );
}

function Activity() {
  const { query } = useRoute();
  const { lines, refusal, again } = useLines();
  const nameOf = useNames();
  const droppedTo = useLive((live) => live.droppedTo);
  const [held, setHeld] = useState<readonly Line[] | null>(null);
  const text = query.get("q") ?? "";
  const show = SHOWS.find(([one]) => one === query.get("show"))?.[0] ?? "calls";
  const change = (part: { text?: string; show?: Show }) => {
    const next = { text, show, ...part };
    setQuery(["activity"], { q: next.text, show: next.show === "calls" ? "" : next.show });
  };
  if (refusal !== null) return <Failure refusal={refusal} again={again} />;
  if (lines === null) return <Waiting rows={10} />;
  const chosen = chooseLines(held ?? lines, { text, show }, nameOf);
  return (
    <>
      <form class="filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <SearchField text={text} change={(next) => change({ text: next })} />
        <fieldset class="choices">
          <legend class="unseen">What to show</legend>
          {SHOWS.map(([one, name]) => (
            <label key={one}>
              <input
                type="radio"
                name="show"
                checked={show === one}
                onChange={() => change({ show: one })}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <button
          type="button"
          class="plain"
          aria-pressed={held !== null}
          onClick={() => setHeld(held === null ? lines : null)}
        >
          {held === null ? "Pause" : "Go on"}
        </button>
      </form>
      <p class="unseen" role="status">
        {held === null ? "" : "Paused"}
      </p>
      {chosen.length === 0 ? (
        <Empty title={text === "" ? "Nothing yet." : "Nothing fits."}>
          <p>What happens from now on appears here by itself.</p>
        </Empty>
      ) : (
        <LineTable
          lines={chosen.slice(0, SHOWN)}
          nameOf={nameOf}
          choose={(next) => change({ text: next })}
        />
      )}
      {chosen.length > SHOWN ? (
        <p class="note">
          {`The newest ${SHOWN} of ${countOf(chosen.length, "line")}. The audit log has all of them.`}
        </p>
      ) : null}
      {droppedTo === null ? null : (
        <p class="note">
          {`What was recorded up to entry ${droppedTo} is not shown: its content was dropped, as this hub's retention says.`}
        </p>
      )}
    </>
  );
}

function SearchField({ text, change }: { text: string; change: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  return (
    <>
      <label class="unseen" for="search">
        Filter by who, host, question or code
      </label>
      <input
        id="search"
        type="search"
        placeholder="Who, host, question or code"
        value={typed}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => {
          setTyped(currentTarget.value);
          change(currentTarget.value);
        }}
      />
    </>
  );
}
