import { type Rule, runbook } from "@sonde/pack-sdk/author";

const next = ["docker_container_logs", "docker_container_inspect", "docker_events"];

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

function events(finding: string, severity: Rule["severity"], when: Rule["when"]): Rule<"events"> {
  const show = ["name", "image", "startCount", "endCount", "lastExitCode", "unhealthyCount"];
  const also = ["docker_container_logs", "docker_container_inspect", "docker_events"];
  return { finding, severity, of: "events", each: "containers", when, show, next: also };
}

export const dockerRunbook = runbook({
  description:
    "Containers that restart again and again, are not healthy, were killed for want of memory, or ended with an error.",
  probes: {
    containers: { probe: "containers.list", params: { all: true } },
    events: { probe: "events", params: { minutes: 60, limit: 200 } },
  },
  rules: [
    containers("A container is restarting: it ends soon after each start.", "warning", [
      { value: "state", oneOf: ["restarting"] },
    ]),
    events("A container ended several times within an hour and was started again.", "warning", [
      { value: "endCount", atLeast: 3 },
      { value: "startCount", atLeast: 3 },
      // A job that ends well is started when there is work.
      { value: "lastExitCode", atLeast: 1 },
    ]),
    events("Processes of a container were killed for want of memory.", "warning", [
      { value: "outOfMemoryCount", atLeast: 1 },
    ]),
    events("The health of a container comes and goes.", "warning", [
      { value: "unhealthyCount", atLeast: 2 },
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
    {
      finding: "The engine did more within an hour than the read allows.",
      ...{ severity: "unseen", of: "events", when: [{ value: "incomplete", is: true }] },
      show: ["eventCount"],
    },
  ],
});
