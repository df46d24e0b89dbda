import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { DatabaseError } from "./database-error.ts";

/** Where a server listens; `host` is a folder for a unix socket. */
export type Address = { host: string; port: number };

/** What the address of a database says: one server, or several of which one takes writes. */
export type Servers = {
  addresses: readonly [Address, ...Address[]];
  database: string;
  username: string;
  password?: string;
  /** `ca` in PEM, in place of the authorities that Node knows. */
  ssl?: { rejectUnauthorized: true; ca?: string };
};

const PORT = 5432;
const FORM = /^(?<begin>postgres(?:ql)?:\/\/(?:[^/?]*@)?)(?<hosts>[^@/?]*)(?<rest>.*)$/s;
const LOCAL = ["localhost", "127.0.0.1", "::1"];

/**
 * Reads the addresses of the servers and how their identity is verified. A remote server must
 * prove its name, and `sslmode=require` does not verify it. `?host=/folder` for a unix socket,
 * `sslrootcert=FILE` for the authorities that count, and commas between several hosts are libpq's
 * forms. All other parts of the URL are ignored.
 *
 * @throws DatabaseError with what was expected
 */
export function readServers(url: string): Servers {
  const { begin = "", hosts = "", rest = "" } = FORM.exec(url)?.groups ?? {};
  const parsed = hosts.split(",").map((host) => parse(`${begin}${host}${rest}`));
  const [first, ...others] = parsed;
  if (first === undefined) throw unreadable();
  const servers = {
    database: decodeURIComponent(first.pathname.slice(1)) || "postgres",
    username: decodeURIComponent(first.username),
    ...(first.password !== "" && { password: decodeURIComponent(first.password) }),
  };
  const [socketDir, ...otherDirs] = (first.searchParams.get("host") ?? "").split(",");
  if (socketDir?.startsWith("/") === true) {
    const at = (host: string): Address => ({ host, port: PORT });
    return { ...servers, addresses: [at(socketDir), ...otherDirs.map(at)] };
  }
  const addresses = [addressOf(first), ...others.map(addressOf)] as const;
  const remote = addresses.find(({ host }) => !LOCAL.includes(host));
  if (remote === undefined) return { ...servers, addresses: [...addresses] };
  if (first.searchParams.get("sslmode") !== "verify-full") {
    throw new DatabaseError(
      `expected sslmode=verify-full for a database on ${remote.host}, got ${first.searchParams.get("sslmode") ?? "none"}`,
    );
  }
  const ca = readAuthorities(first.searchParams.get("sslrootcert"));
  return { ...servers, addresses: [...addresses], ssl: { rejectUnauthorized: true, ...ca } };
}

function readAuthorities(file: string | null): { ca?: string } {
  if (file === null) return {};
  try {
    const ca = readFileSync(file, "utf8");
    void new X509Certificate(ca);
    return { ca };
  } catch (cause) {
    throw new DatabaseError(`expected certificates in PEM in sslrootcert=${file}, found none`, {
      cause,
    });
  }
}

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw unreadable();
  }
}

function addressOf({ hostname, port }: URL): Address {
  // An address of IPv6 has brackets in a URL only.
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? PORT : Number(port) };
}

function unreadable(): DatabaseError {
  return new DatabaseError("expected DATABASE_URL to be postgres://..., got something else");
}
