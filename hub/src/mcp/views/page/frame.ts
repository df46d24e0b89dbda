import { writeCount, writeTime } from "@sonde/service/quantities";
import { type Answer, readAnswers, type Answers } from "./answers.ts";
import { type Fields, isFields, openBridge } from "./bridge.ts";
import { badge, drawBar, drawNote, type Level, make, noteLeftOut } from "./draw.ts";

// What all pictures have: the head, the states, and the servers one below the other.

type Drawable = Exclude<Answers, { nothing: string }>;

/** What a picture says of one server in a line. */
export type Summary = { level: Level; text: string; share?: number; more?: string };

export type View = {
  title: string;
  /** Draws what one server said; null when it has another shape than this picture draws. */
  draw(data: Fields): Node[] | null;
  summarize(data: Fields): Summary | null;
  /** Each server has its line, also when there is one only. */
  isList?: true;
};

/** Of the client's style: those that the style sheet uses. */
const STYLES = new Set([
  ...["--color-background-primary", "--color-background-secondary", "--color-text-primary"],
  ...["--color-text-secondary", "--color-border-primary", "--color-ring-primary"],
  ...["--font-sans", "--font-mono", "--border-radius-sm", "--border-radius-md"],
]);
const MAX_STYLE = 300;
/** Servers that failed are before all others. */
const FAILED = -1;
const RANK = { bad: 0, warn: 1, none: 2, good: 3 };
const NOT_DRAWN = "This answer could not be drawn. Its text is in the chat.";
const OTHER_SHAPE = "The data has another shape than this picture draws. Its text is in the chat.";

/** Shows the picture, which waits for its answer. */
export function show(view: View): void {
  const content = make("div", "content", waiting());
  const where = make("p", "where");
  const state = make("p", "unseen");
  state.setAttribute("role", "status");
  const heading = make("h1", "", view.title);
  const main = make("main", "", make("header", "", heading, where), content, state);
  main.setAttribute("aria-busy", "true");
  document.body.replaceChildren(main);

  function put(said: string, ...children: Node[]): void {
    content.replaceChildren(...children);
    state.textContent = said;
    main.setAttribute("aria-busy", "false");
  }

  function drawResult(params: Fields): void {
    const read = readAnswers(params);
    if ("nothing" in read) return put(read.nothing, drawNote(read.nothing));
    const drawn = drawAnswers(view, read);
    where.replaceChildren(...describeSource(view, read));
    return put(`${view.title}: the answer is here.`, ...drawn);
  }

  openBridge(`sonde-${view.title.toLowerCase()}`, document.body, {
    onResult(params) {
      try {
        drawResult(params);
      } catch {
        // JSON has no such value. A client that made one itself is told, and gets the next one drawn.
        put(NOT_DRAWN, drawNote(NOT_DRAWN));
      }
    },
    onCancelled: () => put("The call was cancelled.", drawNote("The call was cancelled.")),
    onContext: applyContext,
  });
}

function waiting(): HTMLElement {
  const lines = [1, 2, 3].map(() => make("div", "ghost"));
  const box = make("div", "waiting", drawNote("Waiting for the answer \u2026"), ...lines);
  return box;
}

/** Of which server it is and when it was read; of many, how many answered. */
function describeSource({ isList }: View, { answers, asked, answered }: Drawable): Node[] {
  const [only, ...others] = answers;
  if (only === undefined || (isList === true && others.length === 0)) return [];
  if (isList === true) return [make("span", "", `${writeCount(asked)} servers`)];
  if (others.length > 0) {
    const text = `${writeCount(answered)} of ${writeCount(asked)} servers answered`;
    return [make("span", "", text)];
  }
  return [make("b", "said", only.agent), ...drawTime(only)];
}

function drawTime({ collectedAt }: Answer): Node[] {
  if (collectedAt === null) return [];
  const time = make("time", "", writeTime(collectedAt));
  return [make("span", "", "read at "), time];
}

function drawAnswers(view: View, { answers, asked }: Drawable): Node[] {
  const [only, ...others] = answers;
  if (only !== undefined && others.length === 0 && view.isList !== true) return drawOne(view, only);
  const lines = answers
    .map((answer) => {
      const summary = summarize(view, answer);
      const rank = answer.failure === null ? RANK[summary.level] : FAILED;
      return { answer, summary, rank };
    })
    .sort((a, b) => a.rank - b.rank || (b.summary.share ?? 0) - (a.summary.share ?? 0))
    .map(({ answer, summary }) => drawServer(view, answer, summary, answers.length === 1));
  const list = make("div", "servers", ...lines);
  const more = noteLeftOut(asked - answers.length, "servers");
  return more === null ? [list] : [list, more];
}

function summarize(view: View, { failure, data }: Answer): Summary {
  if (failure !== null) return { level: "bad", text: failure.code };
  return view.summarize(data) ?? { level: "none", text: "another shape" };
}

/** A server that can be opened. */
function drawServer(
  view: View,
  answer: Answer,
  { level, text, share, more }: Summary,
  isOpen: boolean,
): HTMLElement {
  const line = make("summary", "", make("b", "said", answer.agent), badge(level, text));
  if (share !== undefined) line.append(drawBar(share, level));
  if (more !== undefined) line.append(make("small", "said", more));
  const details = make("details", "", line, ...drawOne(view, answer));
  if (view.isList !== true && answer.collectedAt !== null) {
    details.append(make("p", "where", ...drawTime(answer)));
  }
  details.open = isOpen;
  return details;
}

function drawOne(view: View, { failure, data, truncated, redactions }: Answer): Node[] {
  if (failure !== null) {
    const { code, message, hint } = failure;
    const said = make("p", "said", message);
    return [make("div", "failure", badge("bad", code), said, hint === "" ? null : drawNote(hint))];
  }
  const parts = view.draw(data) ?? [drawNote(OTHER_SHAPE)];
  if (truncated) {
    parts.push(drawNote("What it reads was longer than it may read: this is incomplete."));
  }
  if (redactions > 0) parts.push(drawNote(`${writeCount(redactions)} secrets were taken out.`));
  return parts;
}

/** Takes the client's colours and fonts, as far as they load nothing. */
function applyContext({ theme, styles }: Fields): void {
  const { style } = document.documentElement;
  if (theme === "light" || theme === "dark") style.colorScheme = theme;
  const variables = isFields(styles) ? styles["variables"] : undefined;
  if (!isFields(variables)) return;
  for (const [name, value] of Object.entries(variables)) {
    if (!STYLES.has(name) || typeof value !== "string" || value.length > MAX_STYLE) continue;
    if (!/url|image|@|[\\;{}]/i.test(value)) style.setProperty(name, value);
  }
}
