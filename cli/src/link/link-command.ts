import { lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { requireOwnPath } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { PROGRAMS, realOf } from "./programs.ts";

type Options = { remove?: true; json?: boolean };

/** Where links go unless a folder is named: a folder that is on the PATH by custom. */
export function defaultLinkFolder(): string {
  return process.getuid?.() === 0 ? "/usr/local/bin" : join(homedir(), ".local", "bin");
}

/** `sonde link`: puts `sonde` and `sonde-pack` on the PATH. */
export function addLinkCommand(
  program: Command,
  print: (text: string) => void,
  workspace: string,
): void {
  program
    .command("link [folder]")
    .description("put sonde and sonde-pack on the PATH, as links in a folder")
    .option("--remove", "remove the links again")
    .option("--json", "print JSON")
    .action((folder: string | undefined, options: Options) => {
      const into = resolve(folder ?? defaultLinkFolder());
      const links = options.remove ? removeLinks(workspace, into) : makeLinks(workspace, into);
      print(options.json ? JSON.stringify({ links }) : describe(links, into, options));
    });
}

/**
 * Makes the links, all or none. A link of this workspace that is there already stays.
 *
 * @returns the paths of the links
 * @throws SondeError BAD_REQUEST when another file has a name, or the folder cannot be written;
 *   RIGHT_MISSING for root where others could put another program in place of a link
 */
export function makeLinks(workspace: string, folder: string): string[] {
  requireOwnPath(folder);
  const wanted = PROGRAMS.map((name) => ({
    link: join(folder, name),
    target: join(workspace, "bin", name),
  }));
  const taken = wanted.find(
    ({ link, target }) => realOf(link) !== null && realOf(link) !== realOf(target),
  );
  if (taken !== undefined) {
    throw new SondeError(
      "BAD_REQUEST",
      `expected ${taken.link} to be free, it is another program; name another folder`,
    );
  }
  try {
    mkdirSync(folder, { recursive: true });
    for (const { link, target } of wanted) {
      if (realOf(link) !== null) continue;
      // A link whose target is gone has no real path, but its name is taken.
      rmSync(link, { force: true });
      symlinkSync(target, link);
    }
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected to make links in ${folder}, cannot`, { cause });
  }
  return wanted.map(({ link }) => link);
}

/** @returns the paths of the removed links of this workspace */
export function removeLinks(workspace: string, folder: string): string[] {
  // Only links: the folder may be one to the programs themselves.
  const own = PROGRAMS.filter(
    (name) =>
      realOf(join(folder, name)) === realOf(join(workspace, "bin", name)) &&
      lstatSync(join(folder, name), { throwIfNoEntry: false })?.isSymbolicLink() === true,
  ).map((name) => join(folder, name));
  for (const link of own) rmSync(link);
  return own;
}

function describe(links: string[], folder: string, { remove }: Options): string {
  if (links.length === 0) return `No link of this workspace is in ${folder}.`;
  if (remove) return `Removed ${links.join(" and ")}.`;
  const isOnPath = (process.env["PATH"] ?? "").split(delimiter).includes(folder);
  return [
    `Linked ${links.join(" and ")}.`,
    ...(isOnPath ? [] : [`${folder} is not on your PATH; add it there.`]),
  ].join("\n");
}
