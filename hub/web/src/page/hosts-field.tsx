import { useId } from "preact/hooks";
import { readWords } from "./fields.tsx";
import { countOf, Said } from "./parts.tsx";

/** A host as a field of hosts knows it. */
export type Choosable = { readonly name: string; readonly tags: readonly string[] };

/** What somebody typed of hosts: those that it names, and what names none. */
export type ChosenHosts = { names: string[]; unknown: string[] };

/** How many names are said beside a field. */
const MAX_SAID = 12;

/** Finds the hosts that names, tags or a star mean. No name has an equals sign. */
export function chooseHosts(text: string, agents: readonly Choosable[]): ChosenHosts {
  const names = new Set<string>();
  const unknown: string[] = [];
  for (const word of readWords(text)) {
    const fit = agents.filter(
      ({ name, tags }) =>
        word === "*" || (word.includes("=") ? tags.includes(word) : name === word),
    );
    if (fit.length === 0) unknown.push(word);
    for (const { name } of fit) names.add(name);
  }
  return { names: [...names].sort(), unknown };
}

/** A field for hosts by name and tag, which says at once whom that means. */
export function HostsField(props: {
  text: string;
  agents: readonly Choosable[];
  set: (text: string) => void;
  problem?: string | undefined;
  isOptional?: boolean;
}) {
  const { text, agents, set, problem, isOptional = false } = props;
  const id = useId();
  const { names, unknown } = chooseHosts(text, agents);
  return (
    <div class="field">
      <label for={id}>Hosts</label>
      <input
        id={id}
        autocomplete="off"
        spellcheck={false}
        maxLength={4_000}
        value={text}
        aria-describedby={`${id}-note ${id}-problem`}
        aria-invalid={problem !== undefined}
        onInput={({ currentTarget }) => set(currentTarget.value)}
      />
      <p class="note" id={`${id}-note`}>
        Names and tags, such as web-1 role=db. A star means every host.
        {isOptional ? " Empty: the only one that you may ask." : null}
      </p>
      <p class="note" role="status">
        {text.trim() === "" ? (
          `${countOf(agents.length, "host")} to choose from.`
        ) : (
          <>
            {`${countOf(names.length, "host")}: `}
            <Said text={names.slice(0, MAX_SAID).join(", ") || "none"} />
            {names.length > MAX_SAID ? ` and ${names.length - MAX_SAID} more` : null}
            {unknown.length === 0 ? null : (
              <>
                . Nothing is called <Said text={unknown.join(", ")} />
              </>
            )}
          </>
        )}
      </p>
      <Problem id={`${id}-problem`} text={problem} />
    </div>
  );
}

/** Why a field cannot be sent as it is. */
export function Problem(props: { id: string; text: string | undefined }) {
  return (
    <p class="problem" id={props.id} role="alert">
      {props.text ?? ""}
    </p>
  );
}
