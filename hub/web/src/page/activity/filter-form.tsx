import { Field, SelectField } from "../fields.tsx";
import { useLive } from "../live.ts";
import { Said } from "../parts.tsx";
import { SearchField } from "../search-field.tsx";
import { useNames, useSubjects } from "../subjects.ts";
import { type Asked, askedOf, FILTERS, SHOWS, type Show } from "./filters.ts";

type Change = (asked: Asked) => void;
type Chosen = { asked: Asked; change: Change };

/** The filters of the log: text and kind at once, the others below, and those in force to take off. */
export function FilterForm(
  props: Chosen & {
    show: Show;
    choose: (show: Show) => void;
    isPaused: boolean;
    pause: () => void;
  },
) {
  const { asked, change, show, choose, isPaused, pause } = props;
  return (
    <form role="search" aria-label="The audit log" onSubmit={(event) => event.preventDefault()}>
      <div class="filter">
        <SearchField
          label="Text of an entry"
          placeholder="Any text of an entry, such as a code or a path"
          text={asked.text ?? ""}
          search={(text) => change({ text })}
        />
        <fieldset class="choices">
          <legend class="unseen">What to show</legend>
          {SHOWS.map(([one, name]) => (
            <label key={one}>
              <input type="radio" name="show" checked={show === one} onChange={() => choose(one)} />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <button type="button" class="plain" aria-pressed={isPaused} onClick={pause}>
          {isPaused ? "Go on" : "Pause"}
        </button>
      </div>
      <MoreFilters asked={asked} change={change} />
      <InForce asked={asked} change={change} />
    </form>
  );
}

const ANY = ["", "Any"] as const;
const DECISIONS = [ANY, ["allow", "Let in"], ["deny", "Refused"]] as const;
const STATUSES = [
  ANY,
  ...([
    ["ok", "Went well"],
    ["failure", "Failed"],
    ["denied", "Refused"],
    ["info", "Neither"],
  ] as const),
] as const;

function MoreFilters({ asked, change }: Chosen) {
  const agents = useLive((live) => live.agents);
  const names = agents?.map(({ name }) => name) ?? [];
  const tags = [...new Set(agents?.flatMap((agent) => agent.tags) ?? [])].sort();
  const line = (name: keyof Asked, note?: string, known: readonly string[] = []) => (
    <LineField {...{ name, asked, change, known }} {...(note !== undefined && { note })} />
  );
  return (
    <details class="more">
      <summary>More filters</summary>
      <div class="fields">
        <WhoField asked={asked} change={change} />
        {line("agent", "One name.", names)}
        {line("tag", "The hosts that have it now.", tags)}
        {line("probe", "Such as system.disk.usage.")}
        {line("tool", "Also one of the hub's own, such as list_agents.")}
        {line("event", "Such as key.created.")}
        {line("client", "Its id.")}
        <SelectField
          label={FILTERS.decision}
          value={asked.decision ?? ""}
          set={(decision) => change({ decision })}
          options={DECISIONS}
        />
        <SelectField
          label={FILTERS.status}
          value={asked.status ?? ""}
          set={(status) => change({ status })}
          options={STATUSES}
        />
        <TimeField name="since" asked={asked} change={change} />
        <TimeField name="until" asked={asked} change={change} />
      </div>
    </details>
  );
}

/** A field of one line. What is typed is asked for when somebody leaves it or presses Enter. */
function LineField(props: Chosen & { name: keyof Asked; note?: string; known: readonly string[] }) {
  const { name, asked, change, note, known } = props;
  return (
    <Field label={FILTERS[name]} {...(note !== undefined && { note })}>
      {(id) => (
        <>
          <input
            id={id}
            value={asked[name] ?? ""}
            maxLength={500}
            autocomplete="off"
            spellcheck={false}
            list={known.length === 0 ? undefined : `${id}-known`}
            onChange={({ currentTarget: { value } }) => change({ [name]: value.trim() })}
          />
          {known.length === 0 ? null : (
            <datalist id={`${id}-known`}>
              {known.map((one) => (
                <option key={one} value={one} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

/** A time in UTC, as the page shows times. A day is its beginning. */
function TimeField({ name, asked, change }: Chosen & { name: "since" | "until" }) {
  const said = asked[name] ?? "";
  const value = said.length === 10 ? `${said}T00:00` : said.slice(0, 16);
  return (
    <Field label={FILTERS[name]}>
      {(id) => (
        <input
          id={id}
          type="datetime-local"
          value={value}
          onChange={({ currentTarget }) =>
            change({ [name]: currentTarget.value === "" ? "" : `${currentTarget.value}Z` })
          }
        />
      )}
    </Field>
  );
}

/** Who did it. One who is gone is still chosen by an address, and by a line of the log. */
function WhoField({ asked, change }: Chosen) {
  const subjects = useSubjects() ?? [];
  const nameOf = useNames();
  const value = asked.person === undefined ? (asked.principal ?? "") : `person:${asked.person}`;
  const known = subjects.map(({ id, name }) => [id, name] as const);
  const isKnown = value === "" || known.some(([id]) => id === value);
  return (
    <SelectField
      label={FILTERS.person}
      note="What a person did has what their clients and keys did."
      value={value}
      set={(subject) =>
        change({ person: "", principal: "", ...(subject === "" ? {} : askedOf(subject)) })
      }
      options={[ANY, ...(isKnown ? [] : [[value, nameOf(value)] as const]), ...known]}
    />
  );
}

/** Each filter that is in force, to take it off. */
function InForce({ asked, change }: Chosen) {
  const nameOf = useNames();
  const names = (Object.keys(FILTERS) as (keyof Asked)[]).filter((name) => name in asked);
  if (names.length === 0) return null;
  const said = (name: keyof Asked): string => {
    const value = asked[name] ?? "";
    if (name === "principal") return nameOf(value);
    return name === "person" ? nameOf(`person:${value}`) : value;
  };
  return (
    <ul class="in-force" aria-label="Filters in force">
      {names.map((name) => (
        <li key={name}>
          <button type="button" class="tag" onClick={() => change({ [name]: "" })}>
            <span class="unseen">Take off </span>
            {FILTERS[name]}: <Said text={said(name)} /> <span aria-hidden="true">{"\u00d7"}</span>
          </button>
        </li>
      ))}
      <li>
        <button
          type="button"
          class="plain"
          onClick={() => change(Object.fromEntries(names.map((name) => [name, ""])))}
        >
          Take all off
        </button>
      </li>
    </ul>
  );
}
