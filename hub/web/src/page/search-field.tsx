import { useEffect, useRef, useState } from "preact/hooks";

/** The hub is asked once somebody stops typing. */
const TYPING_MS = 300;

/** The field of a search. What is typed is looked for after a moment, and at once by Enter. */
export function SearchField(props: {
  label: string;
  placeholder: string;
  text: string;
  search: (text: string) => void;
}) {
  const { label, placeholder, text, search } = props;
  const [typed, setTyped] = useState(text);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  // A link may have led to another text. A blank that was just typed stays.
  useEffect(() => {
    if (typed.trim() !== text) setTyped(text);
  }, [text]);
  const settle = (value: string) => {
    clearTimeout(timer.current);
    search(value.trim());
  };
  return (
    <>
      <label class="unseen" for="search">
        {label}
      </label>
      <input
        id="search"
        type="search"
        placeholder={placeholder}
        value={typed}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget: { value } }) => {
          setTyped(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => settle(value), TYPING_MS);
        }}
        onChange={({ currentTarget: { value } }) => settle(value)}
      />
    </>
  );
}
