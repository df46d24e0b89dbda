import { createHash, randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { OWNER_RESET_FILE } from "@sonde/schemas/people";
import type { Command } from "commander";
import { type Print, startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { readHubEndpoints } from "../endpoints.ts";
import type { HubOptions } from "./connect-hub.ts";

/** The hub looks every second. */
const DEADLINE_MS = 15_000;
const LOOK_EVERY_MS = 100;

/**
 * `sonde hub reset-owner`: a one-time link for a new owner, when nobody can sign in as one. Whoever may
 * write into the hub's data folder may do that; no key and no session can.
 */
export function addResetOwnerCommand(hub: Command, print: Print): void {
  startDataCommand(
    hub,
    "reset-owner",
    "a one-time link that makes a new owner, when nobody can sign in as one",
  ).action(async (options: HubOptions) => {
    const layout = layoutOf(resolveDataFolder(options.data, process.env));
    const { hubUrl } = readHubEndpoints(layout);
    const secret = randomBytes(32).toString("base64url");
    await leaveHash(join(layout.hub, OWNER_RESET_FILE), secret);
    const address = new URL(`/join?link=${secret}`, hubUrl);
    // Browsers have passkeys at names only.
    if (address.hostname === "127.0.0.1") address.hostname = "localhost";
    print(
      options.json
        ? JSON.stringify({ link: address.href })
        : [
            `Open this link within a day; it works once:`,
            address.href,
            "Under each address of the hub the same path works. Then look at the people there: sonde audit says who came in before.",
          ].join("\n"),
    );
  });
}

/** @throws SondeError RIGHT_MISSING, HUB_UNREACHABLE */
async function leaveHash(path: string, secret: string): Promise<void> {
  const secretSha256 = createHash("sha256").update(secret, "utf8").digest("hex");
  try {
    replaceFile(path, JSON.stringify({ secretSha256 }));
  } catch (cause) {
    throw new SondeError(
      "RIGHT_MISSING",
      `cannot write ${path}; expected root, or the user who started Sonde`,
      { cause },
    );
  }
  for (const end = Date.now() + DEADLINE_MS; existsSync(path); await wait(LOOK_EVERY_MS)) {
    if (Date.now() < end) continue;
    rmSync(path, { force: true });
    throw new SondeError("HUB_UNREACHABLE", `expected the hub to take ${path}; it does not run`);
  }
}
