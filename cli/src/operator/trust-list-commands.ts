import { SondeError } from "@sonde/schemas/errors";
import type { TrustPolicy } from "@sonde/schemas/trust";
import type { Command } from "commander";
import { startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { describeTrust, listSigners, type TrustedSigner } from "../describe-trust.ts";
import { changeTrustPolicy, readKeyId, requireTrustPolicy } from "../trust-policy-file.ts";

type Options = { data?: string; json?: boolean };
type RemoveOptions = Options & { key?: string; identity?: string };

/** `sonde trust list` and `sonde trust remove`. */
export function addTrustListCommands(trust: Command, print: (text: string) => void): void {
  const add = (usage: string, description: string) => startDataCommand(trust, usage, description);

  add("list", "whose signatures this host accepts, and from which registry").action(
    (options: Options) => {
      const { trustPolicy } = layoutOf(resolveDataFolder(options.data, process.env));
      const policy = requireTrustPolicy(trustPolicy);
      const signers = listSigners(policy);
      print(
        options.json
          ? JSON.stringify({ ...pickRest(policy), signers, policy: trustPolicy })
          : describeTrust(policy),
      );
    },
  );

  add("remove <publisher>", "accept a publisher's signatures no more: all, or one key or identity")
    .option("--key <key-id>", "only this key, by its id of `sonde trust list`")
    .option("--identity <name>", "only this identity")
    .action((publisher: string, options: RemoveOptions) => {
      const { trustPolicy } = layoutOf(resolveDataFolder(options.data, process.env));
      let signers: TrustedSigner[] = [];
      let removed = 0;
      changeTrustPolicy(trustPolicy, (known) => {
        const left = removeSigners(known, publisher, options);
        signers = listSigners(left);
        removed = listSigners(known).length - signers.length;
        return left;
      });
      print(
        options.json
          ? JSON.stringify({ publisher, removed, signers })
          : `${publisher}: ${removed} removed (${trustPolicy}). Its packs that already run stay until they are removed or revoked.`,
      );
    });
}

function pickRest({ registry, logKey, allowUnsignedPacks, trustedRoot }: TrustPolicy) {
  return { registry, logKey, allowUnsignedPacks, hasTrustedRoot: trustedRoot !== undefined };
}

/** @throws SondeError NOT_FOUND when nothing of it is trusted */
function removeSigners(
  policy: TrustPolicy,
  publisher: string,
  { key, identity }: RemoveOptions,
): TrustPolicy {
  const known = Object.hasOwn(policy.publishers, publisher)
    ? policy.publishers[publisher]
    : undefined;
  if (known === undefined) throw unknownSigner(publisher, policy);
  const isAll = key === undefined && identity === undefined;
  const keys = known.keys.filter(({ publicKey }) => !isAll && readKeyId(publicKey) !== key);
  const identities = known.identities.filter((listed) => !isAll && listed.identity !== identity);
  if (keys.length + identities.length === known.keys.length + known.identities.length) {
    throw unknownSigner(publisher, policy);
  }
  const { [publisher]: _removed, ...others } = policy.publishers;
  const isEmpty = keys.length + identities.length === 0;
  const publishers = isEmpty ? others : { ...others, [publisher]: { ...known, keys, identities } };
  return { ...policy, publishers };
}

function unknownSigner(publisher: string, { publishers }: TrustPolicy): SondeError {
  const names = Object.keys(publishers).join(", ") || "nobody";
  return new SondeError(
    "NOT_FOUND",
    `expected a signer that is trusted for ${JSON.stringify(publisher)}; this host trusts ${names}`,
  );
}
