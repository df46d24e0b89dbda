import { Type } from "typebox";

// Settings that sinks and witnesses of the audit log share.

export const FilePath = Type.String({ pattern: "^/", maxLength: 1_000 });
const ORIGIN = "(https://[^/?#@\\s]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?)";
/** HTTPS, or plain HTTP on loopback. Secrets are in files, so there is no user in an address. */
export const ReceiverAddress = Type.String({
  pattern: `^${ORIGIN}(/[^#\\s]*)?$`,
  maxLength: 1_000,
});
/** Such an address to which a path is added. */
export const ReceiverPrefix = Type.String({
  pattern: `^${ORIGIN}(/[^?#\\s]*)?$`,
  maxLength: 1_000,
});
/** PEM of the authorities that count for the receiver; those of the system count otherwise. */
export const caPath = Type.Optional(FilePath);
