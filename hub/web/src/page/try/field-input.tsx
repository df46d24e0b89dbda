import { toPlainLine } from "@sonde/schemas/plain-text";
import { useId } from "preact/hooks";
import { Problem } from "../hosts-field.tsx";
import { Said } from "../parts.tsx";
import { choicesOf, describeRange, type ToolField, withoutNull } from "./read-fields.ts";

type Props = {
  field: ToolField;
  text: string;
  problem: string | undefined;
  set: (text: string) => void;
};

/** One argument: its label, what it is for, its limits, and what is wrong with what was typed. */
export function FieldInput(props: Props) {
  const { field, problem } = props;
  const inner = withoutNull(field.schema);
  const id = useId();
  const described = `${id}-note ${id}-problem`;
  const note = (
    <p class="note" id={`${id}-note`}>
      <Said text={field.schema.description ?? inner.description ?? ""} />{" "}
      <span class="limits">{describeLimits(field)}</span>
    </p>
  );
  if (inner.type === "array" && choicesOf(inner.items) !== null) {
    return (
      <fieldset class="field checks" aria-describedby={described}>
        <legend>
          <Name field={field} />
        </legend>
        <Checks {...props} choices={choicesOf(inner.items) ?? []} />
        {note}
        <Problem id={`${id}-problem`} text={problem} />
      </fieldset>
    );
  }
  return (
    <div class="field">
      <label for={id}>
        <Name field={field} />
      </label>
      <Input {...props} id={id} described={described} />
      {note}
      <Problem id={`${id}-problem`} text={problem} />
    </div>
  );
}

function Name({ field: { name, isRequired } }: Pick<Props, "field">) {
  return (
    <>
      <Said text={name} />
      {isRequired ? <span class="note"> needed</span> : null}
    </>
  );
}

function describeLimits({ schema, isRequired }: ToolField): string {
  const inner = withoutNull(schema);
  const parts = [
    inner.type === "integer" || inner.type === "number" ? describeRange(inner) : "",
    inner.type === "string" && inner.maxLength !== undefined
      ? `at most ${inner.maxLength} characters`
      : "",
    inner.type === "array" && choicesOf(inner.items) === null ? "one a line" : "",
    inner.type === "array" && inner.maxItems !== undefined ? `at most ${inner.maxItems}` : "",
    inner.type === "object" ? "as JSON" : "",
    isRequired ? "" : "empty: the tool decides",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function Input(props: Props & { id: string; described: string }) {
  const { field, text, problem, set, id, described } = props;
  const inner = withoutNull(field.schema);
  const choices = choicesOf(field.schema);
  const shared = {
    ...{ id, "aria-describedby": described, "aria-invalid": problem !== undefined },
    "aria-required": field.isRequired,
  };
  if (choices !== null) {
    return (
      <select {...shared} value={text} onChange={({ currentTarget }) => set(currentTarget.value)}>
        <option value="">{field.isRequired ? "Choose" : "Not said"}</option>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {inner.type === "boolean" ? (choice === "true" ? "yes" : "no") : toPlainLine(choice)}
          </option>
        ))}
      </select>
    );
  }
  if (inner.type === "array" || inner.type === "object") {
    return (
      <textarea
        {...shared}
        rows={3}
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => set(currentTarget.value)}
      />
    );
  }
  const isNumber = inner.type === "integer" || inner.type === "number";
  return (
    <input
      {...shared}
      autocomplete="off"
      spellcheck={false}
      inputMode={isNumber ? "decimal" : "text"}
      value={text}
      onInput={({ currentTarget }) => set(currentTarget.value)}
    />
  );
}

function Checks({ text, set, choices }: Props & { choices: readonly string[] }) {
  const chosen = text.split("\n").filter((line) => line !== "");
  return (
    <>
      {choices.map((choice) => (
        <label class="check" key={choice}>
          <input
            type="checkbox"
            checked={chosen.includes(choice)}
            onChange={({ currentTarget: { checked } }) => {
              const others = chosen.filter((one) => one !== choice);
              set((checked ? [...others, choice] : others).join("\n"));
            }}
          />
          <Said text={choice} />
        </label>
      ))}
    </>
  );
}
