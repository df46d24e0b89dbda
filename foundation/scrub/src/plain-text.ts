import { SHORTEST_ENCODED, findEncoded } from "./encoded-secrets.ts";
import { findNamed } from "./named-secrets.ts";
import { type OwnRun, findOwn } from "./own-patterns.ts";
import { findHeadlessKeys, findKeys, findPuttyKeys } from "./private-keys.ts";
import {
  MARKER,
  type Secret,
  type Shown,
  type Window,
  joinOverlaps,
  replaceSecrets,
  traceBack,
} from "./replace-secrets.ts";
import { FORM_STEPS } from "./scrub-rules.ts";

/** In this order: each step sees the markers of the steps before. */
const STEPS: readonly ((text: string) => readonly Secret[])[] = [
  findKeys,
  findPuttyKeys,
  findHeadlessKeys,
  findNamed,
  ...FORM_STEPS,
];
/** Every rule's match is longer than this, in characters. */
const SHORTEST = 5;

/** What the rules need of a run. */
export type TextRun = {
  own?: OwnRun | undefined;
  now: () => number;
  /**
   * Called with the kind and the text of each secret of which a part is in the window. Returns the
   * number of its marker.
   */
  onShown: (kind: string, value: string) => number | undefined;
  /** Called with each secret, and where it stands in the text as it came. */
  onPlace?: ((secret: Secret) => void) | undefined;
  /** True for a text that was decoded. It is not decoded again. */
  isDecoded?: boolean;
};

/** Scrubs a text that is no JSON, and finds the window again. */
export function scrubPlainText(text: string, window: Window, run: TextRun): Shown {
  // The operator's patterns see the text as it is: a marker in it would hide what they match.
  const later = run.own === undefined ? [] : findOwn(text, run.own, run.now);
  const shown: Shown = { text, window, later, steps: [] };
  const known = applyEncoded(applyKnown(shown, run), run);
  if (known.later.length === 0) return known;
  // What a rule has replaced as well keeps that rule's marker, which says more.
  const unknown = joinOverlaps(known.later).filter(
    ({ start, end }) => !MARKER.test(known.text.slice(start, end)),
  );
  return replace({ ...known, later: [] }, unknown, run);
}

function applyKnown(shown: Shown, run: TextRun): Shown {
  if (shown.text.length < SHORTEST) return shown;
  return STEPS.reduce((last, find) => replace(last, find(last.text), run), shown);
}

/** Replaces runs in which any rule finds a secret once they are decoded. */
function applyEncoded(shown: Shown, run: TextRun): Shown {
  if (run.isDecoded === true || shown.text.length < SHORTEST_ENCODED) return shown;
  const findKind = (decoded: string) => {
    let kind: string | undefined;
    const onShown = (found: string) => {
      kind ??= found;
      return undefined;
    };
    const { own, now } = run;
    const window = { from: 0, to: decoded.length };
    scrubPlainText(decoded, window, { own, now, onShown, isDecoded: true });
    return kind;
  };
  return replace(shown, findEncoded(shown.text, findKind), run);
}

function replace(shown: Shown, secrets: readonly Secret[], { onShown, onPlace }: TextRun): Shown {
  if (onPlace !== undefined) traceBack(secrets, shown.steps).forEach(onPlace);
  return replaceSecrets(shown, secrets, ({ kind }, value) => onShown(kind, value));
}
