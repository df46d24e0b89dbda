import { SondeError } from "@sonde/schemas/errors";
import { RollOut, RollOutState } from "@sonde/schemas/hub";
import { selects } from "@sonde/schemas/tags";
import { OBTAIN_ERRORS } from "../../catalog/index.ts";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent, type Principal } from "../../identity/index.ts";
import { judgeRollOut, type RolledOut } from "../core/roll-out.ts";
import type { AssignPackTo } from "./assign-pack.ts";

/**
 * Adds the route that rolls a version out, a few agents at a time. Each request is one step, decided
 * by what agents should have and report. Nothing else is kept, so any hub goes on where another
 * ended.
 */
export function addRollOutRoute(hub: Hub, assign: AssignPackTo): void {
  const { app, directory, links } = hub;
  const describe = (agent: KnownAgent): RolledOut => ({
    ...{ name: agent.name, online: links.isOnline(agent), packs: agent.packs },
    desired: agent.desired.packs,
  });

  app.post(
    "/api/v1/roll-outs",
    {
      config: { right: "agents.manage", errors: ["AGENT_UNKNOWN", ...OBTAIN_ERRORS] },
      schema: {
        summary: "One step of a roll-out: gives a version to the next few agents",
        body: RollOut,
        response: { 200: RollOutState },
      },
    },
    async ({ body, principal }) => {
      const { pack, atOnce = Number.MAX_SAFE_INTEGER } = body;
      const chosen = (): KnownAgent[] => chooseAgents(directory.agents(), principal, body.on);
      const judge = (version: string) => judgeRollOut(chosen().map(describe), pack, version);
      let { version } = body;
      const before = judge(version);
      if (before.stopped.length > 0 || before.waiting.length > 0) {
        return { pack, version, ...before };
      }
      for (const name of before.left.slice(0, atOnce)) {
        // A range means one version for all, also when a newer one is published meanwhile.
        ({ version } = await assign(directory.agent(name), pack, version, principal));
      }
      return { pack, version, ...judge(version) };
    },
  );
}

/** @throws SondeError AGENT_UNKNOWN when a selector fits no agent that the principal may see */
function chooseAgents(
  agents: readonly KnownAgent[],
  principal: Principal,
  on: RollOut["on"],
): KnownAgent[] {
  const seen = agents.filter((agent) => maySeeAgent(principal, agent));
  if (on === "*") return seen;
  const unfit = on.find((selector) => !seen.some((agent) => selects(selector, agent)));
  if (unfit !== undefined) {
    throw new SondeError("AGENT_UNKNOWN", `on: expected an agent's name or tag, got ${unfit}`);
  }
  return seen.filter((agent) => on.some((selector) => selects(selector, agent)));
}
