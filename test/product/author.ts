import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askProgram } from "./run-program.ts";
import { createDataFolder, type Product } from "./start-product.ts";

/** A community author at work, with their own folder and key, and `sonde-pack`. */
export type Author = {
  folder: string;
  keyFile: string;
  tokenFile: string;
  /** Changes a file of the pack. Fails when there is nothing to change. */
  edit(file: string, find: string, replacement: string): void;
  /** Builds and signs. @returns the archive */
  build(): Promise<string>;
  publish(archive: string): Promise<{ name: string; version: string; digest: string }>;
  remove(): void;
};

/** `sonde-pack init`, and a README, which an author must write before they publish. */
export async function initPack(name: string, folder: string): Promise<void> {
  await askProgram("sonde-pack", ["init", name, folder]);
  writeFileSync(join(folder, "README.md"), `# ${name}\n\nGreets from a host.\n`);
}

/** A new pack acme/hello and a publisher's key. */
export async function createAuthor(product: Product): Promise<Author> {
  const home = createDataFolder();
  const folder = join(home, "hello");
  const keyFile = join(home, "acme.key");
  const tokenFile = join(home, "acme.token");
  await initPack("acme/hello", folder);
  await askProgram("sonde-pack", ["create-key", keyFile]);
  return {
    folder,
    keyFile,
    tokenFile,
    edit(file, find, replacement) {
      const path = join(folder, file);
      const text = readFileSync(path, "utf8");
      if (!text.includes(find)) throw new Error(`${file} has no ${find}`);
      writeFileSync(
        path,
        text.replace(find, () => replacement),
      );
    },
    async build() {
      const built = await askProgram<{ file: string }>("sonde-pack", ["build"], { cwd: folder });
      await askProgram("sonde-pack", ["sign", built.file, "--key", keyFile]);
      return built.file;
    },
    publish: (archive) =>
      askProgram("sonde-pack", [
        ...["publish", archive],
        ...["--registry", product.registryUrl, "--token-file", tokenFile],
      ]),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
