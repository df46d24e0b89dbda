import type { Engine, Source } from "@sonde/schemas/manifest";
import { rulesOf } from "./kinds.ts";

/** The commands by which a program is asked. */
const COMMANDS: ReadonlyMap<string, Engine> = new Map<string, Engine>([
  ...named("apache", "apache2ctl", "apachectl", "httpd"),
  ...named("apt", "apt", "apt-cache", "apt-get", "apt-mark", "dpkg", "dpkg-query"),
  ...named("chrony", "chronyc"),
  ...named("docker", "docker"),
  ...named("haproxy", "haproxy"),
  ...named("kubernetes", "crictl", "kubectl"),
  ...named("mysql", "mariadb", "mariadb-admin", "mysql", "mysqladmin"),
  ...named("nginx", "nginx"),
  ...named("podman", "podman"),
  ...named("postgresql", "pg_isready", "pg_lsclusters", "psql"),
  ...named("redis", "redis-cli"),
  ...named("rpm", "dnf", "rpm", "yum"),
  ...named("systemd", "bootctl", "coredumpctl", "hostnamectl", "journalctl", "localectl"),
  ...named("systemd", "loginctl", "networkctl", "resolvectl", "systemctl", "systemd-analyze"),
  ...named("systemd", "timedatectl"),
]);

/** The files and sockets of a program; of a folder, all beneath it. */
const PLACES: readonly (readonly [string, Engine])[] = [
  ...named("apache", "/etc/apache2", "/etc/httpd", "/var/log/apache2", "/var/log/httpd"),
  ...named("apt", "/etc/apt", "/var/lib/apt", "/var/lib/dpkg", "/var/log/apt", "/var/log/dpkg.log"),
  ...named("chrony", "/etc/chrony", "/run/chrony", "/var/log/chrony"),
  ...named("docker", "/etc/docker", "/run/docker.sock", "/var/lib/docker", "/var/run/docker.sock"),
  ...named("haproxy", "/etc/haproxy", "/run/haproxy", "/var/lib/haproxy"),
  ...named("kubernetes", "/etc/kubernetes", "/var/lib/kubelet"),
  ...named("mysql", "/etc/mysql", "/run/mysqld", "/var/lib/mysql", "/var/log/mysql"),
  ...named("nginx", "/etc/nginx", "/var/log/nginx"),
  ...named("podman", "/etc/containers", "/run/podman", "/var/lib/containers"),
  ...named("postgresql", "/etc/postgresql", "/var/lib/postgresql", "/var/log/postgresql"),
  ...named("redis", "/etc/redis", "/var/lib/redis", "/var/log/redis"),
  ...named("rpm", "/etc/yum.repos.d", "/var/lib/rpm", "/var/log/dnf.log"),
  ...named("systemd", "/etc/systemd", "/run/systemd", "/usr/lib/systemd"),
];

/**
 * Returns the program that a source asks, or whose files it reads; null when the list has none. The
 * certificates of a program's folder say nothing of the program.
 */
export function engineOf(source: Source): Engine | null {
  if (source.kind === "sql") return source.engine === "postgres" ? "postgresql" : source.engine;
  if (source.kind === "redis") return source.kind;
  if (source.kind === "certificates") return null;
  const { commands, files, sockets } = rulesOf(source).needs(source);
  if (commands !== undefined) return COMMANDS.get(firstWord(commands)) ?? null;
  const place = files ?? firstWord(sockets ?? "");
  const known = PLACES.find(([path]) => place === path || place.startsWith(`${path}/`));
  return known?.[1] ?? null;
}

/** A program by its own name. */
export function describeEngine(engine: Engine): string {
  return NAMES[engine];
}

const NAMES: Readonly<Record<Engine, string>> = {
  apache: "Apache",
  apt: "apt",
  chrony: "chrony",
  docker: "Docker",
  haproxy: "HAProxy",
  kubernetes: "Kubernetes",
  mysql: "MySQL, MariaDB",
  nginx: "nginx",
  podman: "Podman",
  postgresql: "PostgreSQL",
  redis: "Redis",
  rpm: "rpm",
  systemd: "systemd",
};

function named(engine: Engine, ...names: string[]): (readonly [string, Engine])[] {
  return names.map((name) => [name, engine] as const);
}

/** A need is `COMMAND ARGUMENTS` or `SOCKET REQUEST`. */
function firstWord(need: string): string {
  return need.split(" ", 1)[0] ?? need;
}
