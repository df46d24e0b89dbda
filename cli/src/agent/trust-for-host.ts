import { readFileSync, statSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustPolicy, type TrustPolicy } from "@sonde/schemas/trust";
import type { Print } from "../data-command.ts";
import { describeTrust } from "../describe-trust.ts";
import { MAX_POLICY_BYTES, readTrustPolicy } from "../trust-policy-file.ts";
import { confirm } from "./agent-commands.ts";

export type TrustOptions = {
  /** A file of `sonde trust export`, if one is given. */
  trust?: string;
  yes?: true;
  json?: true;
};

/**
 * Decides whose packs this host accepts. Only its administrator can: nothing that a hub says goes
 * into the policy, and nothing of a given file before a yes (docs/adr/0028-public-names.md).
 *
 * @param path of the host's trust.json
 * @throws SondeError CONFIG_INVALID without a policy or for an unusable one, FORBIDDEN after a no
 */
export async function settleTrust(
  path: string,
  { trust, yes, json }: TrustOptions,
  print: Print,
): Promise<void> {
  const known = readTrustPolicy(path);
  if (trust === undefined) {
    if (known !== null) return;
    throw new SondeError(
      "CONFIG_INVALID",
      `expected --trust FILE, since this host trusts nobody's packs yet (no ${path}); sonde trust export FILE writes it on the hub's machine`,
    );
  }
  const offered = readOffered(trust);
  const shown = describeTrust(offered);
  if (known !== null && isDeepStrictEqual(known, offered)) return;
  // A person is never asked about what was not shown.
  if (!yes || !json) print(`This host would trust, by ${trust}:\n${shown}`);
  const question =
    known === null
      ? "Trust them?"
      : `Trust them in place of what it trusts now?\n${describeTrust(known)}\n`;
  if (!yes && !(await confirm(question))) {
    throw new SondeError(
      "FORBIDDEN",
      "not trusted, nothing was changed; answer yes on a terminal, or give --yes without one",
    );
  }
  replaceFile(path, `${JSON.stringify(offered, null, 2)}\n`);
}

/** @throws SondeError CONFIG_INVALID */
function readOffered(file: string): TrustPolicy {
  const policy = parseTrustPolicy(parseJson(readWhole(file), file, "CONFIG_INVALID"));
  if (policy.allowUnsignedPacks || policy.localPacks !== undefined) {
    throw new SondeError("CONFIG_INVALID", `${file}: expected a policy that demands signatures`);
  }
  if (!/^https:|^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:|\/|$)/.test(policy.registry)) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${file}: expected a registry by https, got ${policy.registry}`,
    );
  }
  return policy;
}

function readWhole(file: string): Buffer {
  try {
    const { mode, size } = statSync(file);
    if ((mode & 0o002) !== 0 || size > MAX_POLICY_BYTES) {
      throw new SondeError(
        "CONFIG_INVALID",
        `${file}: expected a file of at most ${MAX_POLICY_BYTES} bytes that not everybody can write`,
      );
    }
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError("CONFIG_INVALID", `expected a trust policy at ${file}, cannot read it`, {
      cause,
    });
  }
}
