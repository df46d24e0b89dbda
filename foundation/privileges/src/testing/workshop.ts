import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Plugin, build } from "esbuild";
import { readGroupNames } from "../group-names.ts";

/** The setpriv flags with which the product starts its processes. */
const DROP_ALL = ["--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"];
const NOBODY = 65_534;

export type Workshop = {
  folder: string;
  /** User id of the programs that `unprivileged` starts. */
  uid: number;
  /** Groups that these programs have because the test process has them. */
  groups: string[];
  /**
   * Bundles a program whose imports are relative to the repository's root. Returns the
   * bundle's path.
   */
  bundle(name: string, source: string, plugins?: Plugin[]): Promise<string>;
  /** Returns the argv that starts Node with these arguments, these variables and without any right. */
  unprivileged(args: string[], environment?: Readonly<Record<string, string>>): string[];
  close(): void;
};

const root = join(import.meta.dirname, "../../../..");

/**
 * Creates a folder that every user can enter. Tests install the bundled product there. As
 * root they start its processes as another user, who may have no access to the clone.
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
    bundle: async (name, source, plugins = []) => {
      const outfile = join(folder, `${name}.mjs`);
      await build({
        stdin: { contents: source, resolveDir: root, loader: "ts" },
        bundle: true,
        platform: "node",
        format: "esm",
        conditions: ["sonde:source"],
        external: ["isolated-vm"],
        plugins,
        banner: {
          js: 'import{createRequire as _r}from"node:module";const require=_r(import.meta.url);',
        },
        outfile,
      });
      return outfile;
    },
    unprivileged: (args, environment = {}) => {
      const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      return ["setpriv", ...drop, "env", ...variables, node, ...args];
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Copies only the files that this platform loads, as an installation does. */
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
