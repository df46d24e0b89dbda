import type { Policy, PolicyRef } from "@sonde/schemas/policy";
import type { ComponentChildren } from "preact";
import { Facts, Said } from "../parts.tsx";

/** Rules of a policy for hosts, questions or packs. */
export type Rules = { allow?: "*" | string[]; deny?: string[] };

/** What a policy narrows, in words. */
export function PolicyWords({ of }: { of: Policy }) {
  const { agents, tools, packs, capability, rate, addresses, expiresAt } = of;
  const facts: [string, ComponentChildren][] = [
    ["Hosts", <Said text={tellRules(agents, "every host")} />],
    ["Questions", <Said text={tellRules(tools, "every question")} />],
    ["Packs", <Said text={tellRules(packs, "every pack")} />],
    ["At most", capability ?? "as high as the role goes"],
    [
      "Calls",
      rate === undefined ? "no limit" : `${rate.perMinute} a minute, ${rate.burst} at once`,
    ],
    ["Comes from", <Said text={addresses?.join(", ") ?? "anywhere"} />],
    ["Ends", expiresAt === undefined ? "never" : <Said text={tellEnd(expiresAt)} />],
  ];
  return <Facts of={facts} />;
}

function tellRules({ allow, deny }: Rules = {}, all: string): string {
  const allowed =
    allow === undefined || allow === "*" ? all : allow.length === 0 ? "none" : allow.join(", ");
  return deny === undefined || deny.length === 0
    ? allowed
    : `${allowed}, but never ${deny.join(", ")}`;
}

function tellEnd(at: string): string {
  return `${at.slice(0, 16).replace("T", " ")} UTC`;
}

/** Which policy somebody holds, in a word. */
export function tellHeld(held: PolicyRef | null | undefined): string {
  if (held === null || held === undefined) return "no policy";
  return "name" in held ? `policy ${held.name}` : "a policy of its own";
}
