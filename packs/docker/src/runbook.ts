import { type Rule, runbook } from "@sonde/pack-sdk/author";

const next = ["docker_container_inspect", "docker_containers_list"];

function containers(
  finding: string,
  severity: Rule["severity"],
  when: Rule["when"],
): Rule<"containers"> {
  const show = ["name", "image", "state", "status"];
  return { finding, severity, of: "containers", each: "containers", when, show, next };
}

/** Codes by which programs usually say that something failed; 127 and 126: there was no program. */
const FAILED = [1, 2, 3, 125, 126, 127, 128, 134, 135, 136, 139, 255].map((code) => `(${code})`);
const exited = { value: "state", oneOf: ["exited"] };

export const dockerRunbook = runbook({
  description: "Containers that restart again and again, are not healthy, or ended with an error.",
  probes: { containers: { probe: "containers.list", params: { all: true } } },
  rules: [
    containers("A container is restarting: it ends soon after each start.", "warning", [
      { value: "state", oneOf: ["restarting"] },
    ]),
    containers("A container says that it is not healthy.", "warning", [
      { value: "status", contains: ["(unhealthy)"] },
    ]),
    containers("A container could not be removed by the engine.", "warning", [
      { value: "state", oneOf: ["dead"] },
    ]),
    containers("A container was killed, by a person or for want of memory.", "info", [
      ...[exited, { value: "status", contains: ["(137)"] }],
    ]),
    containers("A container ended with an error.", "info", [
      ...[exited, { value: "status", contains: FAILED }],
    ]),
    containers("A container is paused.", "info", [{ value: "state", oneOf: ["paused"] }]),
  ],
});
