import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

// The fields of which forms are made.

/** A field of a form with its label. */
export function Field(props: {
  label: string;
  note?: string;
  children: (id: string) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children(id)}
      {props.note === undefined ? null : <p class="note">{props.note}</p>}
    </div>
  );
}

type Labelled = { label: string; note?: string; value: string; set: (value: string) => void };

/** What an input may have besides. */
type Attributes = {
  type?: "text" | "number" | "password" | "datetime-local";
  autocomplete?: "off" | "new-password" | "one-time-code";
  inputMode?: "numeric";
  list?: string;
  pattern?: string;
  required?: boolean;
  spellcheck?: boolean;
  minLength?: number;
  maxLength?: number;
  min?: number;
  max?: number;
  step?: number;
};

/** A field of one line. */
export function TextField(props: Labelled & Attributes) {
  const { label, note, value, set, ...more } = props;
  // The attributes that an element has depend on its type, and this one may have several.
  const attributes: object = more;
  return (
    <Field label={label} {...(note !== undefined && { note })}>
      {(id) => (
        <input
          autocomplete="off"
          {...attributes}
          id={id}
          value={value}
          onInput={({ currentTarget }) => set(currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** A field that chooses one of `options`, each a value and its words. */
export function SelectField(
  props: Labelled & { options: readonly (readonly [string, string])[]; required?: boolean },
) {
  const { label, note, value, set, options, required = false } = props;
  return (
    <Field label={label} {...(note !== undefined && { note })}>
      {(id) => (
        <select
          id={id}
          required={required}
          value={value}
          onChange={({ currentTarget }) => set(currentTarget.value)}
        >
          {options.map(([one, words]) => (
            <option key={one} value={one}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** The words that somebody typed into one line, such as tags. */
export function readWords(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
