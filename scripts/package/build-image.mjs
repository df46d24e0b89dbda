import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { unpackDebian } from "./debian-root.mjs";
import { IMAGES, USER_IDS } from "./images.mjs";
import { readTar, MTIME, settle } from "./staged-files.mjs";

/**
 * Makes the container image of a package's staged files: an archive as the OCI's image layout says.
 * Only root can, because the files in it have owners.
 *
 * @param {{ staged: string, name: string, version: string, arch: string, roots: string, folder: string,
 *   file: string }} request `arch` as Debian names it, `roots` see unpackDebian, `folder` an empty
 *   one for what lies there meanwhile, `file` what to write
 */
export function buildImage({ staged, name, version, arch, roots, folder, file }) {
  const storage = mkdtempSync(join(folder, "storage-"));
  const buildah = (...words) =>
    execFileSync(
      "buildah",
      [
        ...["--root", join(storage, "root"), "--runroot", join(storage, "run")],
        ...["--storage-driver", "vfs", ...words],
      ],
      { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
    ).trim();
  const container = buildah("from", "--arch", arch, "scratch");
  const root = buildah("mount", container);
  const packages = unpackDebian({ arch, packages: IMAGES[name].debian, roots }, root);
  settle(staged);
  // A copy of a file belongs to whoever the sources belong to.
  execFileSync("chown", ["--recursive", "root:root", staged]);
  const copied = ["--recursive", "--link", "--preserve=mode,timestamps", `${staged}/.`, root];
  execFileSync("cp", copied);
  // Until then each file has two names, which would show in the image.
  rmSync(staged, { recursive: true });
  placeUsers(root);
  placeState(name, root);
  buildah("config", ...configure(name, { version, arch, packages }), container);
  const layout = join(folder, "layout");
  buildah(
    ...[
      "commit",
      "--quiet",
      "--format",
      "oci",
      "--disable-compression=false",
      "--identity-label=false",
    ],
    ...["--timestamp", String(MTIME), container, `oci:${layout}:localhost/${name}:${version}`],
  );
  writeFileSync(file, readTar(layout, "."));
}

/** Debian's scripts would make these files of the same masters. */
function placeUsers(root) {
  const at = (path) => join(root, path);
  for (const file of ["passwd", "group"]) {
    cpSync(at(`usr/share/base-passwd/${file}.master`), at(`etc/${file}`));
    chmodSync(at(`etc/${file}`), 0o644);
  }
  for (const [user, id] of Object.entries(USER_IDS)) {
    appendFileSync(at("etc/passwd"), `${user}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin\n`);
    appendFileSync(at("etc/group"), `${user}:x:${id}:\n`);
  }
}

/** Makes the folders and gives the files that tmpfiles.d(5) of the package names. */
function placeState(name, root) {
  const idOf = (user) => USER_IDS[user] ?? 0;
  const lines = readFileSync(join(root, `usr/lib/tmpfiles.d/${name}.conf`), "utf8").split("\n");
  for (const line of lines.filter((text) => /^[a-z]/.test(text))) {
    const [type, path, mode, user, group] = line.split(/\s+/);
    if (path.startsWith("/run/")) continue;
    const place = join(root, path);
    if (type === "d") mkdirSync(place, { recursive: true });
    chmodSync(place, Number.parseInt(mode, 8));
    chownSync(place, idOf(user), idOf(group));
  }
  const { user } = IMAGES[name];
  if (user === "root") return;
  // Root makes it at its start.
  mkdirSync(join(root, "run", name), { mode: 0o711 });
  chownSync(join(root, "run", name), idOf(user), idOf(user));
  symlinkSync(`../lib/${name}/sonde`, join(root, "usr/bin/sonde"));
}

/** The words of buildah-config(1). */
function configure(name, { version, arch, packages }) {
  const { title, entrypoint, command, user, state, env, ports } = IMAGES[name];
  const labels = {
    "org.opencontainers.image.title": title,
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.licenses": "Apache-2.0",
    "dev.sonde.debian-packages": packages.join(" "),
  };
  return [
    ...["--arch", arch, "--os", "linux", "--user", user, "--volume", state],
    ...["--entrypoint", JSON.stringify(entrypoint), "--cmd", command.join(" ")],
    ...["PATH=/usr/sbin:/usr/bin", ...env].flatMap((variable) => ["--env", variable]),
    ...ports.flatMap((port) => ["--port", `${port}/tcp`]),
    ...Object.entries(labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]),
  ];
}
