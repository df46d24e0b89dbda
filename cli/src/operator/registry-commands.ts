import { rmSync, writeFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type PublishToken, parseResolvedVersion } from "@sonde/schemas/registry";
import type { Command } from "commander";
import { type RegistryAudit, auditRegistry } from "./audit-registry.ts";
import { addCarryCommands } from "./carry-commands.ts";
import {
  addIdentity,
  addPublisher,
  listPublishers,
  listTokens,
  quarantine,
  removeKey,
  revokeToken,
  trustPublisher,
} from "../registry-operator-client.ts";
import { readIdentity, type SignerOptions } from "./read-identity.ts";
import { parseRegistry, requestRegistry } from "../pack/registry-request.ts";
import { readPackSpec } from "./read-pack-spec.ts";
import { readPublicKey } from "./read-public-key.ts";
import {
  type Options,
  type Print,
  readSource,
  showProgress,
  socketOf,
  startCommand,
  startOrder,
} from "./start-command.ts";

type AddOptions = Options & SignerOptions & { tokenFile?: string; reserved?: true };
type TrustOptions = Options & { issuer: string; identity: string; pack?: string };
type QuarantineOptions = Options & { reason: string; release?: true };

/** `sonde registry ...`: decisions of the operator of the registry on this machine. */
export function addRegistryCommands(program: Command, print: Print): void {
  const registry = program
    .command("registry")
    .description(
      "decide who may publish in the registry on this machine; audit, export and import registries",
    );
  const publisher = registry.command("publisher").description("the registry's publishers");
  addAdd(publisher, print);
  addTrust(publisher, print);
  addQuarantine(registry, print);
  addResolve(registry, print);
  addAudit(registry, print);
  addCarryCommands(registry, print);
  startOrder(publisher, "list", "all publishers, with their keys").action(
    async (options: Options) => {
      const publishers = await listPublishers(socketOf(options));
      const lines = publishers.map(
        ({ name, keyIds, liveTokens }) =>
          `${name}  ${liveTokens} live tokens\n${keyIds.map((id) => `  key ${id}`).join("\n")}`,
      );
      print(options.json ? JSON.stringify({ publishers }) : lines.join("\n"));
    },
  );
  startOrder(publisher, "tokens <name>", "a publisher's tokens, never the secrets").action(
    async (name: string, options: Options) => {
      const tokens = await listTokens(socketOf(options), name);
      print(options.json ? JSON.stringify({ tokens }) : tokens.map(describeToken).join("\n"));
    },
  );
  startOrder(publisher, "revoke-token <name> <id>", "revoke a token").action(
    async (name: string, id: string, options: Options) => {
      const token = await revokeToken(socketOf(options), name, id);
      print(options.json ? JSON.stringify(token) : describeToken(token));
    },
  );
  startOrder(
    publisher,
    "revoke-key <name> <key-id>",
    "remove a key: its signatures are refused from now on",
  ).action(async (name: string, keyId: string, options: Options) => {
    await removeKey(socketOf(options), name, keyId);
    print(
      options.json
        ? JSON.stringify({ name, keyId })
        : `Signatures of ${name} by ${keyId} are refused from now on.\n` +
            "Agents use their own trust.json: remove the key there too.",
    );
  });
}

/** Adds a publisher by a CI job's identity, so that even the first publish needs no secret. */
function addTrust(publisher: Command, print: Print): void {
  startOrder(publisher, "trust <name>", "let a CI job publish with its identity token")
    .requiredOption("--issuer <url>", "an issuer of the registry's configuration")
    .requiredOption(
      "--identity <json>",
      "the claims that the token must have, exactly; see docs/PROTOCOL.md",
    )
    .option("--pack <publisher/pack>", "only for this pack, which need not exist yet")
    .action(async (name: string, options: TrustOptions) => {
      const { issuer, pack } = options;
      const identity = parseJson(options.identity, "--identity", "BAD_REQUEST");
      const wish = { issuer, identity, ...(pack !== undefined && { pack }) };
      const added = await trustPublisher(socketOf(options), name, wish);
      print(
        options.json
          ? JSON.stringify(added)
          : `${added.id}: jobs of ${issuer} with exactly this identity may publish ${pack ?? `packs of ${name}`}.`,
      );
    });
}

function addQuarantine(registry: Command, print: Print): void {
  startOrder(registry, "quarantine <pack> <version>", "stop serving a version")
    .requiredOption("--reason <text>", "the public reason")
    .option("--release", "serve it again")
    .action(async (pack: string, version: string, options: QuarantineOptions) => {
      const body = { quarantined: options.release !== true, reason: options.reason };
      const life = await quarantine(socketOf(options), pack, version, body);
      const text = `${pack} ${version} is ${body.quarantined ? "quarantined" : "served again"}.`;
      print(options.json ? JSON.stringify(life) : text);
    });
}

/** Open to anybody and for display only: hub and agents choose versions by the log. */
function addResolve(registry: Command, print: Print): void {
  startCommand(registry, "resolve <url> <pack@range>", "show the version that a range resolves to")
    .option("--agent <version>", "for this agent version; by default for any")
    .action(async (url: string, spec: string, options: Options & { agent?: string }) => {
      const { pack, version: range } = readPackSpec(spec);
      const { agent } = options;
      const query = new URLSearchParams({ range, ...(agent !== undefined && { agent }) });
      const path = `/packs/${pack}/resolve?${query.toString()}`;
      const resolved = parseResolvedVersion(await requestRegistry(parseRegistry(url), path));
      const { version, digest, engines } = resolved;
      const text = `${spec} is ${pack} ${version}, for agents ${engines.agent}.\n  ${digest}`;
      print(options.json ? JSON.stringify(resolved) : text);
    });
}

/** Open to anybody: needs no right, only the log's key. */
function addAudit(registry: Command, print: Print): void {
  startCommand(registry, "audit <url>", "compare every archive of a registry with its log")
    .option("--log-key <key>", "the key of its log; by default the one this host pins")
    .action(async (url: string, options: Options & { logKey?: string }) => {
      const audit = await auditRegistry(readSource(url, options), (at, of) =>
        showProgress(`${at} of ${of} archives`),
      );
      showProgress(null);
      print(options.json ? JSON.stringify(audit) : describeAudit(url, audit));
      const [first] = audit.problems;
      if (first === undefined) return;
      throw new SondeError(
        "REGISTRY_LOG_INCONSISTENT",
        `expected every archive to equal the log, got ${audit.problems.length} that differ, such as ${first.pack}`,
      );
    });
}

function describeAudit(url: string, audit: RegistryAudit): string {
  const { head, at, archives, withheld, problems } = audit;
  return [
    `The log of ${url} has ${head.size} entries, signed ${at}.`,
    `  ${head.hash}`,
    `${archives - problems.length} of ${archives} archives equal the log.`,
    ...withheld.map((pack) => `  ${pack} is quarantined and not served`),
    ...problems.map(({ pack, code, message }) => `  ${pack}: ${code}: ${message}`),
  ].join("\n");
}

function addAdd(publisher: Command, print: Print): void {
  startOrder(
    publisher,
    "add <name>",
    "let a key or an identity publish under a name, with a new token",
  )
    .option("--key <file>", "the publisher's public key in PEM")
    .option("--issuer <url>", "for keyless signatures: the issuer of the signer's identity")
    .option("--identity <name>", "with --issuer: the exact identity in the certificate")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--reserved", "allow a name that is reserved for Sonde or the system")
    .option(
      "--token-file <file>",
      "write the token to a new file (mode 0600) instead of printing it",
    )
    .action(async (name: string, options: AddOptions) => {
      const { tokenFile } = options;
      const { token, ...shown } = await keepToken(tokenFile, () =>
        add(socketOf(options), name, options),
      );
      const kept = tokenFile === undefined ? { token } : { tokenFile };
      const who = "keyId" in shown ? shown.keyId : `${shown.identity} of ${shown.issuer}`;
      print(
        options.json
          ? JSON.stringify({ ...shown, ...kept })
          : `${name} may publish archives signed by ${who}.\n` +
              (tokenFile === undefined
                ? `Its token, shown only once: ${token}`
                : `Its token is in ${tokenFile}.`) +
              `\nThe token expires at ${shown.expiresAt}.`,
      );
    });
}

/**
 * Creates the file before the token is requested: a token that cannot be stored must not be
 * created.
 */
async function keepToken<T extends { token: string }>(
  file: string | undefined,
  make: () => Promise<T>,
): Promise<T> {
  if (file === undefined) return await make();
  try {
    writeFileSync(file, "", { flag: "wx", mode: 0o600 });
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected to create ${file} for the token, cannot`, {
      cause,
    });
  }
  try {
    const made = await make();
    writeFileSync(file, `${made.token}\n`);
    return made;
  } catch (thrown) {
    rmSync(file);
    throw thrown;
  }
}

async function add(socket: string, name: string, options: AddOptions) {
  const identity = readIdentity(options);
  if (identity !== null) {
    return addIdentity(socket, { publisher: name, ...identity }, options.reserved);
  }
  return addPublisher(socket, name, readPublicKey(options.key ?? "").publicKey, options.reserved);
}

function describeToken(token: PublishToken): string {
  const { id, role, pack, actions, label, createdBy, expiresAt, revokedAt } = token;
  const end = revokedAt === null ? `until ${expiresAt}` : `revoked ${revokedAt}`;
  return (
    `${id}  ${role}  ${label}\n  ${actions.join(", ")} for ${pack ?? "every pack"}, ${end}, ` +
    `made by ${createdBy}`
  );
}
