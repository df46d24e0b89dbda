import { once } from "node:events";
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import type { RegistryPlace } from "@sonde/schemas/trust";
import { codeOf, type Finding, well, wrong } from "./finding.ts";

const ANSWER_MS = 10_000;
/** Beyond this, messages between agent and hub are refused. */
const MAX_SKEW_MS = 30_000;

/** Whether the registry answers by its pinned certificate, and what its clock says about ours. */
export async function checkRegistry(place: RegistryPlace, now: () => Date): Promise<Finding[]> {
  const { registry, registryCa } = place;
  const url = new URL(`${registry.replace(/\/+$/, "")}/log/checkpoint`);
  const signal = AbortSignal.timeout(ANSWER_MS);
  const asked =
    url.protocol === "https:"
      ? requestTls(url, { signal, ...(registryCa !== undefined && { ca: [registryCa] }) })
      : requestPlain(url, { signal });
  try {
    const [response] = (await once(asked.end(), "response")) as [IncomingMessage];
    response.destroy();
    return [
      well("registry", `${url.host} answers`),
      compareClocks(Date.parse(response.headers.date ?? ""), now().getTime()),
    ];
  } catch (thrown) {
    return [
      wrong(
        "registry",
        `${url.host} does not answer as /etc/sonde-agent/trust.json demands (${codeOf(thrown)})`,
        `open TCP port ${url.port || "443"} from this host to ${url.hostname}; for a certificate: sonde trust export on the hub's machine, then sudo sonde-agent enrol --trust FILE`,
      ),
    ];
  } finally {
    asked.destroy();
  }
}

/** Both in Unix milliseconds; the registry's is in whole seconds. */
function compareClocks(theirs: number, ours: number): Finding {
  const aheadMs = ours - theirs;
  if (Number.isNaN(aheadMs)) return well("clock", "the registry tells no time to compare with");
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) <= MAX_SKEW_MS)
    return well("clock", `it is the registry's, within ${seconds} s`);
  const way = aheadMs > 0 ? "ahead" : "behind";
  return wrong(
    "clock",
    `this host's is ${seconds} s ${way} of the registry's; beyond 30 s the hub's messages are refused`,
    "sudo timedatectl set-ntp true",
  );
}
