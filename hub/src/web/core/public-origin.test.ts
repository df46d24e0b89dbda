import { expect, test } from "vitest";
import { publicOrigin } from "./public-origin.ts";

const ports = { http: 7300, public: 8443 };
const base = { host: "127.0.0.1", port: 0, behindProxy: false, publicHosts: [] };
const tls = { certificatePath: "a", privateKeyPath: "b" };

test.each([
  ["nothing but loopback", {}, "http://localhost:7300"],
  ["a certificate without a name", { tls }, "https://localhost:7300"],
  ["a name on loopback", { publicHosts: ["hub.example"] }, "http://localhost:7300"],
  ["a name with a certificate", { publicHosts: ["hub.example"], tls }, "https://hub.example:7300"],
  [
    "a listener for others",
    { publicHosts: ["hub.example", "b.example"], public: { host: "0.0.0.0", port: 0 } },
    "https://hub.example:8443",
  ],
  [
    "an address of IPv6",
    { publicHosts: ["[2001:db8::1]"], public: { host: "::", port: 0 } },
    "https://[2001:db8::1]:8443",
  ],
  ["a proxy", { publicHosts: ["hub.example"], behindProxy: true }, "https://hub.example"],
  [
    "an address that is said",
    { publicHosts: ["a.example"], publicUrl: "https://hub.example:9443/" },
    "https://hub.example:9443",
  ],
])("with %s", (_what, http, origin) => {
  expect(publicOrigin({ ...base, ...http }, ports)).toBe(origin);
});
