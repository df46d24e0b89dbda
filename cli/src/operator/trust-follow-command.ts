import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { readCapped } from "@sonde/schemas/parse";
import { formatNoteKey, parseNoteKey } from "@sonde/trust/log";
import type { Command } from "commander";
import { hasSystemd } from "../agent/has-systemd.ts";
import { type Print, startDataCommand } from "../data-command.ts";
import { INSTALLED, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { parseRegistry } from "../pack/registry-request.ts";
import { requireRegistryListener } from "../require-listener.ts";
import { setTrustPolicy } from "../trust-policy-file.ts";

type Options = { data?: string; json?: true; logKey?: string };

/** Where the package of the registry listens. */
const OWN_REGISTRY = "http://127.0.0.1:4311";
const MAX_KEY_BYTES = 1000;
const TIMEOUT_MS = 20_000;

/**
 * `sonde trust follow`: the first decision of a hub's administrator. The key of a log elsewhere must
 * be given, since whoever answers there could name any.
 */
export function addTrustFollowCommand(trust: Command, print: Print): void {
  startDataCommand(
    trust,
    "follow [url]",
    "follow a registry, by default that of this machine, and keep whom this host trusts",
  )
    .option("--log-key <key>", "the key of its log; needed for a registry of another machine")
    .action(async (url: string | undefined, options: Options) => {
      const layout = layoutOf(resolveDataFolder(options.data, process.env));
      const { trustPolicy } = layout;
      const registry = parseRegistry(url ?? OWN_REGISTRY);
      const logKey = readKey(options.logKey ?? (await askOwnRegistry(registry)));
      mkdirSync(dirname(trustPolicy), { recursive: true });
      const isFirst = !existsSync(trustPolicy);
      setTrustPolicy(trustPolicy, (known) => ({
        ...(known ?? { publishers: {}, allowUnsignedPacks: false }),
        ...{ registry, logKey },
      }));
      const next = isFirst && layout.root === INSTALLED ? describeStart() : null;
      print(
        options.json
          ? JSON.stringify({ registry, logKey, policy: trustPolicy })
          : [
              `This host follows ${registry} (${trustPolicy}).`,
              `  the key of its log is ${logKey}`,
              ...(next === null ? [] : [`Next: sonde trust add PUBLISHER --key FILE, and ${next}`]),
            ].join("\n"),
      );
    });
}

/** @throws SondeError BAD_REQUEST */
function readKey(text: string): string {
  try {
    return formatNoteKey(parseNoteKey(text));
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", "expected the key of a log, NAME+KEYID+BASE64", { cause });
  }
}

/**
 * Asks the registry of this machine for its log's key, which is trusted because only root or the
 * registry's own user listens there.
 */
async function askOwnRegistry(registry: string): Promise<string> {
  if (!registry.startsWith("http://")) {
    throw new SondeError(
      "BAD_REQUEST",
      `expected --log-key for ${registry}, since it is another machine; its operator knows the key`,
    );
  }
  requireRegistryListener(registry);
  try {
    const answer = await fetch(`${registry}/log/key`, {
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const bytes = await readCapped(answer.body, MAX_KEY_BYTES, () => {
      return new SondeError("REGISTRY_UNAVAILABLE", "expected a key, got a long answer");
    });
    return bytes.toString("utf8").trim();
  } catch (cause) {
    throw new SondeError("REGISTRY_UNAVAILABLE", `expected the key of the log of ${registry}`, {
      cause,
    });
  }
}

/** What starts the hub of this machine's package. */
function describeStart(): string {
  return hasSystemd() ? "systemctl start sonde-hub" : "sonde hub run";
}
