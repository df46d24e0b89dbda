import { existsSync, readFileSync } from "node:fs";

const PLACES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];

/**
 * The release and the package source of this machine.
 *
 * @returns {{ suite: string, mirror: string }}
 */
export function readDebianSource() {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const text = PLACES.filter((path) => existsSync(path))
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
  const mirror = /^(?:URIs:|deb(?: \[[^\]]*\])?) (\S+)/m.exec(text)?.[1];
  if (suite === undefined || mirror === undefined) {
    throw new Error(`expected the package source of a Debian machine in ${PLACES.join(" or ")}`);
  }
  return { suite, mirror };
}
