import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, rmdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Of a disk that counts as full. */
const MOST_LEFT_BYTES = 1024 * 1024;

/** A mounted disk of its own, whose content is in a file. */
export type Disk = {
  folder: string;
  fill(): Promise<void>;
  free(): void;
  /**
   * Takes what the disk has at this moment, without what is still in the memory of the kernel, as a
   * power cut leaves it. Nobody may use the disk.
   */
  loseMemory(): Promise<void>;
};

/** @param image where the content is, on another disk */
export function mountDisk(folder: string, image: string, bytes: number): Disk {
  mkdirSync(folder, { recursive: true });
  writeFileSync(image, "");
  truncateSync(image, bytes);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", image]);
  execFileSync("mount", ["-o", "loop", image, folder]);
  rmdirSync(join(folder, "lost+found"));
  const filler = join(folder, "filler");
  const room = (): number => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  let current = image;
  let cuts = 0;
  return {
    folder,
    async fill() {
      // Others write meanwhile, so the last of it may be gone before it is taken.
      await run("fallocate", ["-l", String(room()), filler]).catch(() => undefined);
      const left = room();
      if (left > MOST_LEFT_BYTES) throw new Error(`expected a full disk, ${left} bytes are free`);
    },
    free: () => rmSync(filler, { force: true }),
    async loseMemory() {
      const before = current;
      current = `${image}.${(cuts += 1)}`;
      await run("cp", ["--sparse=always", before, current]);
      await run("umount", ["--lazy", folder]);
      await run("mount", ["-o", "loop", current, folder]);
      rmSync(before);
    },
  };
}
