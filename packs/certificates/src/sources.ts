import { hole, source } from "@sonde/pack-sdk/author";

export const handshake = source.tls({ endpoint: hole.endpoint("endpoint") });

/** Where Debian, Fedora and the usual servers keep certificates. */
export const etcSsl = source.certificates({ path: "/etc/ssl" });
export const etcPki = source.certificates({ path: "/etc/pki/tls/certs" });
export const letsEncrypt = source.certificates({ path: "/etc/letsencrypt/live" });
export const etcNginx = source.certificates({ path: "/etc/nginx" });
export const etcApache = source.certificates({ path: "/etc/apache2" });
export const etcHaproxy = source.certificates({ path: "/etc/haproxy" });
