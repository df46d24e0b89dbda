import type { Source } from "@sonde/schemas/manifest";
import { rulesOf } from "./kinds.ts";

/**
 * Paths whose usual content is secret, with what it is. `*` is any part of a name, a last `**`
 * everything beneath. Runners do read them where the host's user may: a person decides. So this
 * is advice to authors and no boundary.
 */
export const SECRET_PATHS: readonly (readonly [path: string, what: string])[] = [
  ["/etc/shadow", "password hashes"],
  ["/etc/shadow-", "password hashes"],
  ["/etc/gshadow", "password hashes"],
  ["/etc/gshadow-", "password hashes"],
  ["/etc/security/opasswd", "password hashes"],
  ["/etc/ssh/ssh_host_*_key", "private keys"],
  ["/etc/ssl/private/**", "private keys"],
  ["/etc/pki/tls/private/**", "private keys"],
  ["/etc/letsencrypt/**", "private keys"],
  ["/etc/wireguard/**", "private keys"],
  ["/etc/krb5.keytab", "keys"],
  ["/etc/sudoers", "who may become root"],
  ["/etc/sudoers.d/**", "who may become root"],
  ["/etc/NetworkManager/system-connections/**", "passwords of networks"],
  ["/etc/kubernetes/**", "credentials of a cluster"],
  ["/var/lib/kubelet/**", "credentials of a cluster"],
  ["/run/secrets/**", "secrets of services"],
  ["/var/run/secrets/**", "secrets of services"],
  ["/run/credentials/**", "secrets of services"],
  ["/root/**", "a person's files"],
  ["/home/*/**", "a person's files"],
];

/**
 * Says which usually secret files a source can read, and what is in them; null when none. Judges
 * the declared patterns, so a hole may reach more.
 */
export function describeSecrets(source: Source): string | null {
  const { files } = rulesOf(source).needs(source);
  if (files === undefined) return null;
  const found = SECRET_PATHS.find(([path]) => canBeSame(segmentsOf(files), segmentsOf(path)));
  return found === undefined ? null : `${files} can be ${found[0]}: ${found[1]}`;
}

const segmentsOf = (path: string): string[] => path.split("/").slice(1);

/** True when one path can fit both patterns. */
function canBeSame([a, ...restA]: string[], [b, ...restB]: string[]): boolean {
  // Beneath means at least one name more.
  if (a === "**") return b !== undefined;
  if (b === "**") return a !== undefined;
  if (a === undefined || b === undefined) return a === b;
  return canBeSameName(a, b) && canBeSame(restA, restB);
}

/** True when one name can fit both patterns; the work is the product of their lengths. */
function canBeSameName(a: string, b: string): boolean {
  // fits[j]: the part of `a` so far and the first `j` characters of `b` can be the same.
  let fits = Array.from({ length: b.length + 1 }, (_, j) => /^\**$/.test(b.slice(0, j)));
  for (const char of a) {
    const next = [char === "*" && fits[0] === true];
    for (let j = 1; j <= b.length; j += 1) {
      const other = b[j - 1];
      next.push(
        char === "*" || other === "*"
          ? fits[j] === true || next[j - 1] === true
          : char === other && fits[j - 1] === true,
      );
    }
    fits = next;
  }
  return fits.at(-1) === true;
}
