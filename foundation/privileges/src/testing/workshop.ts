import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { readGroupNames } from "../group-names.ts";

/** The product's own launcher flags (02-architecture, "The agent"). */
const DROP_ALL = ["--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"];
const NOBODY = 65_534;

export type Workshop = {
  folder: string;
  /** The user of what `unprivileged` starts. */
  uid: number;
  /** Groups that it has because whoever runs the tests has them. */
  groups: string[];
  /** Bundles a program whose imports are relative to the repository's root; gives its path. */
  bundle(name: string, source: string): Promise<string>;
  /** The argv that starts Node with these arguments and no right at all. */
  unprivileged(args: string[]): string[];
  close(): void;
};

const root = join(import.meta.dirname, "../../../..");

/**
 * A folder that every user can enter, where tests lay out the bundled product as an
 * installation does: as root the processes under test run as another user, and a
 * clone may lie where that user cannot look.
 */
export async function createWorkshop(): Promise<Workshop> {
  const folder = mkdtempSync(join(tmpdir(), "workshop-"));
  chmodSync(folder, 0o755);
  copyIsolatedVm(folder);
  const isRoot = process.getuid?.() === 0;
  const node = isOpenToAll(process.execPath) ? process.execPath : join(folder, "node");
  if (node !== process.execPath) copyFileSync(process.execPath, node);
  const user = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
  const drop = isRoot ? [...user, ...DROP_ALL, "--bounding-set=-all", "--reset-env"] : DROP_ALL;
  return {
    folder,
    uid: isRoot ? NOBODY : (process.getuid?.() ?? -1),
    groups: isRoot ? [] : readGroupNames(process.getgroups?.() ?? []),
    bundle: async (name, source) => {
      const outfile = join(folder, `${name}.mjs`);
      await build({
        stdin: { contents: source, resolveDir: root, loader: "ts" },
        bundle: true,
        platform: "node",
        format: "esm",
        conditions: ["sonde:source"],
        external: ["isolated-vm"],
        banner: {
          js: 'import{createRequire as _r}from"node:module";const require=_r(import.meta.url);',
        },
        outfile,
      });
      return outfile;
    },
    unprivileged: (args) => ["setpriv", ...drop, node, ...args],
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Only what is loaded on this platform, as an installation copies it. */
function copyIsolatedVm(folder: string): void {
  const fromSdk = createRequire(join(root, "pack-sdk/package.json"));
  const isolatedVm = dirname(fromSdk.resolve("isolated-vm/package.json"));
  const gypBuild = dirname(createRequire(join(isolatedVm, "x.js")).resolve("node-gyp-build"));
  const modules = join(folder, "node_modules");
  const platform = `prebuilds/linux-${process.arch}`;
  mkdirSync(join(modules, "isolated-vm/prebuilds"), { recursive: true });
  for (const name of ["package.json", "isolated-vm.js", platform]) {
    cpSync(join(isolatedVm, name), join(modules, "isolated-vm", name), { recursive: true });
  }
  cpSync(gypBuild, join(modules, "node-gyp-build"), { recursive: true });
}

function isOpenToAll(path: string): boolean {
  if ((statSync(path).mode & 0o001) === 0) return false;
  return path === "/" || isOpenToAll(dirname(path));
}
