import { writePercent } from "@sonde/service/quantities";
import { numberOf } from "./answers.ts";
import { type Fields, isFields } from "./bridge.ts";
import { type Child, drawColumn, drawNote, type Level, make } from "./draw.ts";
import { show, type Summary } from "./frame.ts";

const RESOURCES: [string, string][] = [
  ["cpu", "CPU"],
  ["memory", "Memory"],
  ["io", "I/O"],
  ["irq", "Interrupts"],
];
/** From the oldest to now, as time runs. */
const WINDOWS: [string, string][] = [
  ["avg300Percent", "5 min"],
  ["avg60Percent", "1 min"],
  ["avg10Percent", "10 s"],
];
/** Where columns may end, in per cent of the time. */
const SCALES = [10, 25, 50, 100];

type Stall = Fields | null;
const stallOf = (resource: Fields, kind: "some" | "full"): Stall => {
  const stall = resource[kind];
  return isFields(stall) ? stall : null;
};
const share = (stall: Stall, name: string): number | null =>
  stall === null ? null : numberOf(stall, name);

const levelOf = (percent: number | null): Level =>
  percent === null ? "none" : percent >= 40 ? "bad" : percent >= 10 ? "warn" : "good";

function resourcesOf(data: Fields): [string, Fields | null][] {
  return RESOURCES.filter(([name]) => name in data).map(([name, title]) => {
    const value = data[name];
    return [title, isFields(value) ? value : null];
  });
}

/** How much of its time it waited, now against five minutes ago. */
function writeTrend(some: Stall): string {
  const [now, before] = [share(some, "avg10Percent"), share(some, "avg300Percent")];
  if (now === null || before === null) return "";
  if (Math.abs(now - before) < Math.max(1, before * 0.2)) return "steady";
  return now > before ? "rising" : "falling";
}

function drawCard([title, resource]: [string, Fields | null], scale: number): HTMLElement {
  const heading = make("h2", "", title);
  if (resource === null) {
    return make("section", "card", heading, drawNote("This kernel does not report it."));
  }
  const some = stallOf(resource, "some");
  const full = stallOf(resource, "full");
  const now = share(some, "avg10Percent");
  const head = (text: Child, scope: string) => {
    const cell = make("th", "", text);
    cell.setAttribute("scope", scope);
    return cell;
  };
  const row = (text: string, color: string, stall: Stall) =>
    make(
      "tr",
      "",
      head(make("span", `swatch ${color}`, text), "row"),
      ...WINDOWS.map(([name]) => make("td", "number", writePercent(share(stall, name)))),
    );
  const chart = make(
    "tr",
    "chart",
    make("td", ""),
    ...WINDOWS.map(([name]) =>
      make(
        "td",
        "",
        drawColumn((share(some, name) ?? 0) / scale, (share(full, name) ?? 0) / scale),
      ),
    ),
  );
  chart.setAttribute("aria-hidden", "true");
  const table = make(
    "table",
    "",
    make("caption", "unseen", `Share of time that was waited for ${title}`),
    make(
      "thead",
      "",
      make("tr", "", make("td", ""), ...WINDOWS.map(([, text]) => head(text, "col"))),
    ),
    make("tbody", "", chart, row("Some", "some", some), row("All", "full", full)),
  );
  const value = make("b", `value ${levelOf(now)}`, writePercent(now));
  return make(
    "section",
    "card",
    heading,
    make("p", "big", value, make("small", "", writeTrend(some))),
    table,
  );
}

/** Of what some task waited for, in any window. */
function highest(data: Fields): number {
  const shares = resourcesOf(data).flatMap(([, resource]) =>
    WINDOWS.map(([name]) =>
      resource === null ? 0 : (share(stallOf(resource, "some"), name) ?? 0),
    ),
  );
  return Math.max(0, ...shares);
}

function draw(data: Fields): Node[] | null {
  const resources = resourcesOf(data);
  if (resources.length === 0) return null;
  const most = highest(data);
  const scale = SCALES.find((one) => one >= most) ?? 100;
  return [
    make("div", "cards", ...resources.map((resource) => drawCard(resource, scale))),
    make(
      "p",
      "where",
      `Share of the time in which some task, or all that were not idle, waited. Columns end at ${scale}\u00a0%.`,
    ),
  ];
}

/** What is waited for the most now. */
function summarize(data: Fields): Summary | null {
  const resources = resourcesOf(data);
  if (resources.length === 0) return null;
  const [worst] = resources
    .map(([title, resource]) => ({
      title,
      now: resource === null ? null : share(stallOf(resource, "some"), "avg10Percent"),
    }))
    .sort((a, b) => (b.now ?? -1) - (a.now ?? -1));
  if (worst === undefined || worst.now === null) return { level: "none", text: "not reported" };
  const text = `${worst.title} ${writePercent(worst.now)}`;
  return { level: levelOf(worst.now), text, share: worst.now / 100 };
}

show({ title: "Pressure", draw, summarize });
