import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readOwnedFile } from "@sonde/files";
import { toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { OWNER_RESET_FILE, parseOwnerReset } from "@sonde/schemas/people";
import type { Hub } from "../../hub.ts";
import type { LinkStore } from "./link-store.ts";
import { keepLink } from "./links.ts";

const LOOK_EVERY_MS = 1_000;
const MAX_BYTES = 1_024;

/**
 * Looks for what `sonde hub reset-owner` writes into the hub's data folder: the hash of a new link for
 * an owner. Only the hub's user and root can write there, which is the proof that it asks for; the
 * link's secret never comes near the hub before a browser shows it.
 *
 * @returns a function that stops it
 */
export function watchReset(
  hub: Pick<Hub, "auditLog" | "config" | "now" | "report">,
  links: LinkStore,
): () => void {
  const path = join(hub.config.dataDir, OWNER_RESET_FILE);
  const look = async (): Promise<void> => {
    if (!existsSync(path)) return;
    const bytes = readOwnedFile(path, [0, process.getuid?.() ?? 0], MAX_BYTES);
    const { secretSha256 } = parseOwnerReset(parseJson(bytes, path, "CONFIG_INVALID"));
    await keepLink(hub, links, { role: "owner", createdBy: null, secretHash: secretSha256 });
    // Its end tells the command that the link is in force.
    rmSync(path);
  };
  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= look()
      .catch((thrown: unknown) => {
        hub.report(toSondeError(thrown));
        // Once said is enough.
        rmSync(path, { force: true });
      })
      .finally(() => (looking = null));
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
