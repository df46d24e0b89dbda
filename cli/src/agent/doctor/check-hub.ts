import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import { codeOf, type Finding, well, wrong } from "./finding.ts";

const CONNECT_MS = 5000;

/** Where an agent's hub is, and what it was given at the enrolment. */
export type KnownHub = {
  host: string;
  port: number;
  /** The hub's CA and the agent's certificate, in PEM. */
  ca: string;
  certificate: string;
};

/**
 * Looks at name, port, and the certificates of both sides, in this order: what comes later cannot
 * be seen through what came before.
 */
export async function checkHub(hub: KnownHub, now: Date): Promise<Finding[]> {
  const own = checkOwnCertificate(hub.certificate, now);
  const name = await checkName(hub.host);
  if (!name.isWell) return [own, name];
  const port = await checkPort(hub);
  if (!port.isWell) return [own, name, port];
  return [own, name, port, await checkHubCertificate(hub)];
}

function checkOwnCertificate(pem: string, now: Date): Finding {
  const { validFromDate, validToDate, subject } = new X509Certificate(pem);
  if (now < validFromDate) {
    return wrong(
      "clock",
      `it is ${now.toISOString()} here, before this agent's certificate began (${validFromDate.toISOString()})`,
      "sudo timedatectl set-ntp true",
    );
  }
  if (now <= validToDate) {
    return well("certificate", `the agent's is valid until ${validToDate.toISOString()}`);
  }
  const name = subject.replace(/^CN=/, "");
  return wrong(
    "certificate",
    `the agent's ended at ${validToDate.toISOString()}, or this host's clock is ahead`,
    `timedatectl; then, if the time is right: sonde agents invite NAME on the hub's machine, for agent ${name}`,
  );
}

async function checkName(host: string): Promise<Finding> {
  try {
    const { address } = await lookup(host);
    return well("name", `${host} is ${address}`);
  } catch (thrown) {
    return wrong(
      "name",
      `${host} has no address on this host (${codeOf(thrown)})`,
      `getent hosts ${host}; resolvectl status; or add it to /etc/hosts`,
    );
  }
}

async function checkPort({ host, port }: KnownHub): Promise<Finding> {
  const socket = connectPlain({ host, port });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MS) });
    return well("port", `${host} answers on port ${port}`);
  } catch (thrown) {
    const why = codeOf(thrown) === "ABORT_ERR" ? "no answer in 5 s" : codeOf(thrown);
    return wrong(
      "port",
      `${host} cannot be reached on port ${port} (${why})`,
      `open TCP port ${port} from this host to ${host}; on the hub's machine: sonde status`,
    );
  } finally {
    socket.destroy();
  }
}

/** No certificate of ours is sent: the hub's is verified before the hub asks who we are. */
async function checkHubCertificate({ host, port, ca }: KnownHub): Promise<Finding> {
  const isAddress = /^[\d.]+$|:/.test(host);
  const names = isAddress ? {} : { servername: host };
  const socket = connectTls({ host, port, ca: [ca], minVersion: "TLSv1.3", ...names });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(CONNECT_MS) });
    return well("hub", `what answers at ${host} is the hub that this agent enrolled with`);
  } catch (thrown) {
    const code = codeOf(thrown);
    if (code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED") {
      return wrong(
        "clock",
        `the hub's certificate is not valid at ${new Date().toISOString()} (${code})`,
        "sudo timedatectl set-ntp true",
      );
    }
    return wrong(
      "hub",
      `what answers at ${host} is not the hub that this agent enrolled with (${code})`,
      `openssl s_client -connect ${host}:${port}; on the hub's machine: npm start -- --public-name ${host}`,
    );
  } finally {
    socket.destroy();
  }
}
