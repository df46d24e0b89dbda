import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { readDebianSource } from "./debian-source.mjs";

/** Describes what was unpacked as dpkg(1) does, for a person and for what looks for known holes. */
const DESCRIBE = `cd "$1/var/cache/apt/archives"; rm -r "$1/var/lib/dpkg"; mkdir "$1/var/lib/dpkg"
  for file in *.deb; do
    dpkg-deb --field "$file"; printf 'Status: install ok installed\\n\\n'
  done >"$1/var/lib/dpkg/status"`;

/** What is this machine's or this moment's, and what no service opens. Patterns of tar(1). */
const CUT = [
  ...["dev/*", "run/*", "tmp/*", "var/cache/*", "var/log/*", "var/lib/apt"],
  ...["etc/apt", "etc/fstab", "etc/hostname", "etc/resolv.conf"],
  ...["i18n", "info", "locale", "man", "perl", "perl5"].map((name) => `usr/share/${name}`),
  // With these PostgreSQL would compile queries, and those of a service are too small for it.
  ...[
    "usr/lib/*/libLLVM*",
    "usr/lib/postgresql/*/lib/bitcode",
    "usr/lib/postgresql/*/lib/llvmjit*",
  ],
];

/**
 * Unpacks Debian packages of this machine's release, and what they depend on, into an empty folder.
 * None of their scripts and programs runs, so they may be of another architecture, and there is
 * nothing but their files.
 *
 * @param {{ arch: string, packages: readonly string[], roots: string }} request `arch` as Debian
 *   names it; `roots` a folder in which what was fetched stays
 * @param {string} to
 * @returns {string[]} `name=version` of each package
 */
export function unpackDebian({ arch, packages, roots }, to) {
  const archive = obtainRoot(arch, packages, roots);
  const excluded = CUT.map((pattern) => `--exclude=./${pattern}`);
  const words = ["--extract", "--anchored", "--wildcards", ...excluded, "--numeric-owner"];
  execFileSync("tar", [...words, "--file", archive, "--directory", to]);
  // Nothing in a container has a use for a program that gives its user the rights of another.
  execFileSync("find", [to, "-type", "f", "-perm", "/6000", "-exec", "chmod", "ug-s", "{}", "+"]);
  // Whoever hands out a package's files hands out their licence.
  for (const path of globSync("usr/share/doc/*/*", { cwd: to })) {
    if (basename(path) !== "copyright") rmSync(join(to, path), { recursive: true, force: true });
  }
  const status = readFileSync(join(to, "var/lib/dpkg/status"), "utf8");
  return [...status.matchAll(/^Package: (.*)\n(?:.+\n)*?Version: (.*)$/gm)].map(
    ([, name, version]) => `${name}=${version}`,
  );
}

/** @returns the path of a tar archive */
function obtainRoot(arch, packages, roots) {
  const { suite, mirror } = readDebianSource();
  const key = JSON.stringify([suite, mirror, arch, packages]);
  const name = `image-${createHash("sha256").update(key).digest("hex").slice(0, 16)}.tar`;
  const archive = join(roots, name);
  if (existsSync(archive)) return archive;
  mkdirSync(roots, { recursive: true });
  const unfinished = join(roots, `${process.pid}-${name}`);
  const words = [
    ...["--quiet", "--variant=extract", `--architectures=${arch}`],
    ...["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", `--extract-hook=${DESCRIBE}`],
    ...[`--include=${packages.join(",")}`, '--aptopt=APT::Install-Recommends "false"'],
    ...[suite, unfinished, `deb ${mirror} ${suite} main`],
  ];
  // What it says of a success is of no use; of a failure, it is in the error.
  execFileSync("mmdebstrap", words, { stdio: ["ignore", "ignore", "pipe"] });
  renameSync(unfinished, archive);
  return archive;
}
