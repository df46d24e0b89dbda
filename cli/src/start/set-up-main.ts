// The supervisor's child during the start. It performs one order after the other.
// argv: the data folder, and `--json` for a start with `--json`.
import { on } from "node:events";
import { resolve } from "node:path";
import { layoutOf } from "../data-layout.ts";
import { createWording } from "../link/programs.ts";
import { createTerminal, type Terminal } from "../terminal.ts";
import { openProgress } from "./progress.ts";
import { publishOfficialPacks } from "./publish-packs.ts";
import type { SetUpOrder } from "./set-up-process.ts";
import { settle } from "./settle.ts";

const layout = layoutOf(process.argv[2] ?? "");
/** Pack name -> version. */
let published = new Map<string, string>();

async function perform(order: SetUpOrder, terminal: Terminal): Promise<void> {
  const { step, product, json, yes, workspace } = order;
  const progress = openProgress(json, terminal);
  if (step === "publish") {
    published = await publishOfficialPacks(layout, product, { workspace, progress });
  } else {
    const { print } = terminal;
    await settle(layout, product, published, { yes, json, env: process.env, progress, print });
  }
}

// The supervisor lets the start finish before it stops, and its end ends this process.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
process.once("disconnect", () => process.exit());
const terminal = createTerminal(createWording(resolve(import.meta.dirname, "../../..")));
await terminal.run(async () => {
  for await (const [order] of on(process, "message") as AsyncIterable<[SetUpOrder]>) {
    await perform(order, terminal);
    process.send?.("performed");
  }
});
