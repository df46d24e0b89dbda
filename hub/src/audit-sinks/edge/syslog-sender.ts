import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { failureOf, readReceiverTrust, SinkFailure } from "../../receivers/index.ts";
import type { SyslogSettings } from "../../sink-settings.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { frameSyslog, renderSyslog } from "../core/syslog-message.ts";

const DEFAULT_PORT = 6514;
const DEFAULT_MAX_BYTES = 8 * 1024;
const TIMEOUT_MS = 10_000;
/**
 * A new connection proves itself so long after its first batch. With TLS 1.3 a receiver refuses a
 * client's certificate only after the client has begun to send.
 */
const PROOF_MS = 1_000;
const CLOSE_MS = 1_000;

/**
 * Syslog acknowledges nothing: a batch counts when the system has taken all of its bytes and the
 * connection still stands. If it breaks later, what the system had may be lost.
 *
 * @param host the name of this hub, for HOSTNAME
 * @param onLost is called when the connection breaks after a batch that counted
 * @throws SondeError CONFIG_INVALID
 */
export function createSyslogSender(
  settings: SyslogSettings,
  host: string,
  onLost: () => void,
): SinkSender {
  const trust = readReceiverTrust(settings);
  const maxBytes = settings.maxMessageBytes ?? DEFAULT_MAX_BYTES;
  let socket: TLSSocket | null = null;
  let isProven = false;
  let isClosed = false;
  /** Ends what waits for this connection. */
  let broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);

  function open(): Promise<TLSSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
    const opened = connect({
      ...trust,
      host: settings.host,
      port: settings.port ?? DEFAULT_PORT,
      ...(isIP(settings.host) === 0 && { servername: settings.host }),
      // The receiver's certificate must be of a trusted authority and for that name, always.
      rejectUnauthorized: true,
    });
    socket = opened;
    let why: unknown = new SinkFailure("SINK_UNREACHABLE", "the receiver closed the connection");
    // What a receiver says is nothing that syslog knows.
    opened.resume();
    opened.once("secureConnect", () => resolve(opened));
    opened.on("error", (error) => (why = error));
    opened.once("end", () => opened.destroy());
    opened.once("close", () => {
      reject(why);
      broken.reject(why);
      if (isProven && !isClosed) onLost();
    });
    return promise;
  }

  async function write(bytes: string, signal: AbortSignal): Promise<void> {
    const to = socket ?? (await open());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    to.write(bytes, "latin1", (error) => (error ? reject(error) : resolve()));
    await promise;
    if (isProven) return;
    await sleep(PROOF_MS, undefined, { signal });
    isProven = true;
  }

  return {
    async send({ entries }, signal) {
      const late = AbortSignal.timeout(TIMEOUT_MS);
      const ended = AbortSignal.any([signal, late]);
      const onEnd = (): void => broken.reject(new Error("ended"));
      ended.addEventListener("abort", onEnd, { once: true });
      try {
        const frames = entries.map((entry) => frameSyslog(renderSyslog(entry, host, maxBytes)));
        await Promise.race([write(frames.join(""), ended), broken.promise]);
        return { rejected: 0 };
      } catch (thrown) {
        throw failureOf(thrown, late.aborted ? TIMEOUT_MS : null);
      } finally {
        ended.removeEventListener("abort", onEnd);
      }
    },
    close() {
      isClosed = true;
      if (!isProven) return void socket?.destroy();
      // With close_notify (RFC 5425, clause 4.4), for which a receiver that hangs has not for ever.
      socket?.end();
      setTimeout(() => socket?.destroy(), CLOSE_MS).unref();
    },
  };
}
