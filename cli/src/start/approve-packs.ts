import type { PackExplanation } from "@sonde/schemas/agent";
import { ask, isYes, personOf } from "../agent/agent-commands.ts";
import { everyItem } from "../agent/choose-items.ts";
import { askForGrant, describePack } from "../agent/describe-pack.ts";
import { findAbsentPart } from "../agent/find-absent-part.ts";
import { writeGrant } from "../agent/grant-files.ts";
import type { AgentClient } from "../agent-client.ts";
import type { DataLayout } from "../data-layout.ts";
import type { Progress } from "./progress.ts";
import { summarizePack } from "./summarize-pack.ts";

type Options = { yes: boolean; json: boolean; env: NodeJS.ProcessEnv; progress: Progress };

/**
 * Shows what each pending pack asks for, and grants it when a person, or `--yes`, agrees. Of a pack
 * whose engine or runner this host lacks nobody is asked, and `--yes` is no answer: it may come later,
 * and nobody would have granted it.
 */
export async function approvePacks(
  layout: DataLayout,
  agent: AgentClient,
  options: Options,
): Promise<void> {
  const { progress } = options;
  for (const report of await agent.packs()) {
    if (report.state !== "pending" && report.state !== "held") continue;
    const shown = await agent.explain(report.name);
    const later = `sonde agent approve ${report.name} --data ${layout.root}`;
    const absent = findAbsentPart(shown);
    if (absent !== null) {
      progress.say(
        `${report.name} stays ${report.state}, because this host has no ${absent}. To approve it all the same: ${later}`,
      );
      continue;
    }
    progress.say(summarizePack(shown));
    if (!options.yes && (options.json || !(await askToGrant(shown, progress)))) {
      progress.say(`${report.name} stays ${report.state}. To approve it: ${later}`);
      continue;
    }
    writeGrant(
      layout.grants,
      shown,
      { items: everyItem(shown), endpoints: shown.endpoints },
      personOf(options.env),
      new Date(),
    );
    const after = (await agent.reload()).find(({ name }) => name === report.name);
    progress.say(
      `${report.name} is ${after?.state ?? "gone"}.${after?.reason ? ` ${after.reason.message}` : ""}`,
    );
  }
}

async function askToGrant(shown: PackExplanation, progress: Progress): Promise<boolean> {
  for (;;) {
    const answer = await ask(`${askForGrant(shown)} d shows every single read. [y/N/d] `);
    if (!/^d(etails)?$/i.test(answer)) return isYes(answer);
    progress.say(describePack(shown));
  }
}
