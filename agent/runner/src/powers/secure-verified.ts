import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import { isNamed, readTrusted, tlsFailure } from "./host-trust.ts";

/**
 * Puts TLS over a connection, and returns it once the certificate is verified: by what the host
 * trusts, and for this host. Nothing was sent before.
 *
 * @throws SondeError READ_FAILED, with OpenSSL's word for what is wrong
 */
export function secureVerified(socket: Socket, host: string): Promise<TLSSocket> {
  const secured = connect({
    socket,
    ...(isIP(host) === 0 && { servername: host }),
    ca: readTrusted(),
    // Said, so that no variable of the environment says otherwise.
    rejectUnauthorized: true,
    ALPNProtocols: ["http/1.1"],
    // In place of Node's own check, for which a common name may count.
    checkServerIdentity: (_name, { raw }) =>
      isNamed(new X509Certificate(raw), host) ? undefined : new Error("for another name"),
  });
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      secured.destroy();
      reject(new SondeError("READ_FAILED", `${host}: no TLS that this host trusts: ${why}`));
    };
    secured.once("secureConnect", () => resolve(secured));
    // For good: a connection may break before anybody else listens.
    secured.on("error", (error) => fail(tlsFailure(error)));
    secured.once("close", () => fail("the server closed the connection"));
  });
}
