import { toPlainLine } from "@sonde/schemas/plain-text";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Refusal } from "./api.ts";
import { toRefusal } from "./api.ts";
import { signInAddress } from "./live.ts";
import { isSafeAddress } from "./router.tsx";

// The parts of which pages are made. What others named is always text, never markup or an address.

/** How good something is. Never told by colour alone. */
export type Level = "good" | "warn" | "bad" | "none";

/** Words that somebody else chose: on their own, with invisible characters as escapes (attack 38). */
export function Said(props: { text: string; code?: boolean }) {
  const text = toPlainLine(props.text);
  return props.code === true ? <code class="said">{text}</code> : <span class="said">{text}</span>;
}

export function Badge(props: { level: Level; children: ComponentChildren }) {
  return <span class={`badge ${props.level}`}>{props.children}</span>;
}

/** A link that somebody else chose. Only https and mail are links; all else is text. */
export function OutsideLink(props: { address: string; children?: ComponentChildren }) {
  const text = props.children ?? <Said text={props.address} />;
  if (!isSafeAddress(props.address)) return <span>{text}</span>;
  return (
    <a href={props.address} rel="noreferrer noopener" target="_blank">
      {text}
    </a>
  );
}

/** The title of the page. It takes the focus when the page opens, so a screen reader says it. */
export function PageTitle(props: { title: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${toPlainLine(props.title)} \u00b7 Sonde`;
    heading.current?.focus({ preventScroll: true });
  }, [props.title]);
  return (
    <header class="title">
      <h1 tabIndex={-1} ref={heading}>
        <Said text={props.title} />
      </h1>
      {props.children}
    </header>
  );
}

const HOUR = 3_600_000;
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 24 * HOUR],
  ["hour", HOUR],
  ["minute", 60_000],
  ["second", 1_000],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** A time as it is spoken of, with the exact one for who points at it. It moves on by itself. */
export function Time(props: { at: string }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  const exact = `${props.at.slice(0, 19).replace("T", " ")} UTC`;
  return (
    <time dateTime={props.at} title={exact}>
      {writeAgo(Date.parse(props.at) - now)}
    </time>
  );
}

function writeAgo(ms: number): string {
  if (Math.abs(ms) < 10_000) return "now";
  const [unit, size] = UNITS.find(([, each]) => Math.abs(ms) >= each) ?? ["second", 1_000];
  return relative.format(Math.round(ms / size), unit);
}

/** A time of day, to the second, of something in a log. */
export function Clock(props: { at: string }) {
  return (
    <time dateTime={props.at} title={props.at} class="clock">
      {`${props.at.slice(5, 10)} ${props.at.slice(11, 19)}`}
    </time>
  );
}

/** Why something is not there, and what to do next. */
export function Failure(props: { refusal: Refusal; again?: () => void }) {
  const { code, message, hint } = props.refusal;
  return (
    <div class="failure" role="alert">
      <p>
        <Badge level="bad">{code}</Badge> <Said text={message} />
      </p>
      {hint === "" ? null : <p class="note">{hint}</p>}
      {code === "SIGN_IN_AGAIN" ? <a href={signInAddress()}>Sign in again</a> : null}
      {props.again === undefined ? null : (
        <button type="button" class="plain" onClick={props.again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Nothing is there, and what that means. */
export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>
        <strong>{props.title}</strong>
      </p>
      {props.children}
    </div>
  );
}

/** The place of what is being read, as high as it will be. */
export function Waiting(props: { rows?: number }) {
  return (
    <div class="waiting" role="status">
      <span class="unseen">Reading</span>
      {Array.from({ length: props.rows ?? 6 }, (_, row) => (
        <div class="ghost" key={row} />
      ))}
    </div>
  );
}

/** Names with their values. */
export function Facts(props: { of: readonly [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Lines to type, with a button that copies them. */
export function Lines(props: { label: string; text: string }) {
  const [state, setState] = useState("");
  const copy = () => {
    navigator.clipboard.writeText(props.text).then(
      () => setState("Copied"),
      () => setState("Select the text to copy it"),
    );
  };
  return (
    <div class="lines">
      <pre tabIndex={0} aria-label={props.label}>
        {props.text}
      </pre>
      <button type="button" class="plain" onClick={copy}>
        Copy
      </button>
      <span role="status">{state}</span>
    </div>
  );
}

/** A window before the page. The browser keeps the focus in it, and closes it by Escape. */
export function Window(props: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const opened = dialog.current;
    const before = document.activeElement;
    opened?.showModal();
    return () => {
      opened?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={props.close}>
      <header>
        <h2 id={id}>{props.title}</h2>
        <button type="button" class="plain" onClick={props.close} aria-label="Close">
          {"\u00d7"}
        </button>
      </header>
      {props.children}
    </dialog>
  );
}

/** An act that is running or has failed. */
export type Act = { isRunning: boolean; refusal: Refusal | null };

/** Runs one act at a time and keeps its failure for the page. */
export function useAct(): Act & { run: (work: () => Promise<void>) => void } {
  const [act, setAct] = useState<Act>({ isRunning: false, refusal: null });
  const running = useRef(false);
  return {
    ...act,
    run(work) {
      if (running.current) return;
      running.current = true;
      setAct({ isRunning: true, refusal: null });
      work().then(
        () => {
          running.current = false;
          setAct({ isRunning: false, refusal: null });
        },
        (thrown: unknown) => {
          running.current = false;
          setAct({ isRunning: false, refusal: toRefusal(thrown) });
        },
      );
    },
  };
}

/** What was read, or why it could not be; neither while it is read for the first time. */
export type Read<T> = { value: T | null; refusal: Refusal | null; again: () => void };

/** Something that is read once, and again when one of `when` is another. */
export function useRead<T>(read: () => Promise<T>, when: readonly unknown[]): Read<T> {
  const [value, setValue] = useState<T | null>(null);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isWanted = true;
    read().then(
      (found) => {
        if (!isWanted) return;
        setValue(() => found);
        setRefusal(null);
      },
      (thrown: unknown) => {
        if (isWanted) setRefusal(toRefusal(thrown));
      },
    );
    return () => {
      isWanted = false;
    };
  }, [turn, ...when]);
  return { value, refusal, again: () => setTurn((before) => before + 1) };
}

/** What was read as `children` draw it, why it could not be read, and its place until then. */
export function Shown<T>(props: {
  of: Read<T>;
  rows?: number;
  children: (value: T) => ComponentChildren;
}) {
  const { value, refusal, again } = props.of;
  return (
    <>
      {refusal === null ? null : <Failure refusal={refusal} again={again} />}
      {value !== null ? (
        props.children(value)
      ) : refusal === null ? (
        <Waiting rows={props.rows ?? 6} />
      ) : null}
    </>
  );
}

/** Says how many there are: `1 host`, `5,000 hosts`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
