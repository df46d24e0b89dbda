import { UNKNOWN, writeTime } from "@sonde/service/quantities";
import { numberOf, textOf, textsOf } from "./answers.ts";
import { type Fields, isFields } from "./bridge.ts";
import { badge, type Child, drawNote, drawTable, make } from "./draw.ts";
import { show, type Summary } from "./frame.ts";

// The servers that there are. list_agents says a pack in words, agent_overview in members.

type Pack = { pack: string; state: string; why: string | null };

/** How many packs of a server are drawn. */
const MAX_PACKS = 100;

function packsOf(data: Fields): Pack[] {
  const packs = Array.isArray(data["packs"]) ? data["packs"].slice(0, MAX_PACKS) : [];
  return packs.flatMap((pack: unknown): Pack[] => {
    if (typeof pack === "string") {
      const [name = "", version = "", ...state] = pack.split(" ");
      return [{ pack: `${name} ${version}`, state: state.join(" "), why: null }];
    }
    if (!isFields(pack)) return [];
    const state = textOf(pack, "state") ?? "";
    return [{ pack: textOf(pack, "pack") ?? "", state, why: textOf(pack, "why") }];
  });
}

/** A name with its value; nothing for a value that this answer does not tell. */
function pair(name: string, value: string | null | undefined): Node[] {
  if (value === undefined) return [];
  return [make("dt", "", name), make("dd", "said", value ?? UNKNOWN)];
}

function timeOf(data: Fields, name: string): string | null | undefined {
  if (!(name in data)) return undefined;
  const time = textOf(data, name);
  return time === null ? null : writeTime(time);
}

function textIn(data: Fields, name: string): string | null | undefined {
  return name in data ? textOf(data, name) : undefined;
}

function driftOf(data: Fields): string | undefined {
  const { drift } = data;
  if (!isFields(drift)) return undefined;
  const expected = numberOf(drift, "expected") ?? 0;
  const review = numberOf(drift, "toReview") ?? 0;
  return `${expected} expected, ${review} to review`;
}

function drawPacks(packs: readonly Pack[]): Node {
  if (packs.length === 0) return drawNote("No pack that this key may ask.");
  const rows = packs.map(({ pack, state, why }): Child[] => [
    make("code", "said", pack),
    make(
      "span",
      "",
      badge(state.startsWith("active") ? "good" : "warn", state),
      why === null ? null : make("small", "said", ` ${why}`),
    ),
  ]);
  return drawTable("Packs", [{ head: "Pack", name: "wide" }, { head: "State" }], rows);
}

function draw(data: Fields): Node[] | null {
  if (typeof data["online"] !== "boolean") return null;
  const held = textsOf(data, "held");
  const missing = textsOf(data, "missing");
  const skew = numberOf(data, "clockSkewMs");
  return [
    ...held.map((why) => make("p", "failure said", badge("warn", "held"), ` ${why}`)),
    make(
      "dl",
      "facts",
      ...pair("Kernel", textIn(data, "kernel")),
      ...pair("Agent", textIn(data, "release")),
      ...pair("State of the host", textIn(data, "attestation")),
      ...pair("Drift", driftOf(data)),
      ...pair("Clock differs by", skew === null ? undefined : `${skew} ms`),
      ...pair("Certificate ends", timeOf(data, "certificateExpiresAt")),
      ...pair("Last seen", timeOf(data, "lastSeenAt")),
      ...pair("Assigned, not there", missing.length === 0 ? undefined : missing.join(", ")),
    ),
    drawPacks(packsOf(data)),
  ];
}

function summarize(data: Fields): Summary | null {
  const { online } = data;
  if (typeof online !== "boolean") return null;
  const more = [textOf(data, "os"), ...textsOf(data, "tags")].filter((text) => text !== null);
  const told = { more: more.join(" \u00b7 ") };
  if (textsOf(data, "held").length > 0) return { level: "warn", text: "held", ...told };
  return online
    ? { level: "good", text: "connected", ...told }
    : { level: "bad", text: "not connected", ...told };
}

show({ title: "Servers", draw, summarize, isList: true });
