import { runbook } from "@sonde/pack-sdk/author";

const GIB = 2 ** 30;
const file = ["path", "sizeBytes", "modifiedAt"];
const inService = { value: "rotated", is: false };
/** Others may be larger than the disk that they take, such as lastlog. */
const isText = { value: "path", contains: [".log", "syslog", "messages", ".err", ".out"] };

export const logsRunbook = runbook({
  description: "Log files that grow without end, and how much disk all of them take.",
  probes: { files: { probe: "files", params: { limit: 500 } } },
  rules: [
    {
      finding: "A log file has grown large, and nothing rotates it.",
      ...{ severity: "warning", of: "files", each: "files", show: file },
      when: [inService, isText, { value: "sizeBytes", atLeast: 2 * GIB }],
      next: ["logs_tail", "logs_files", "system_disk_usage"],
    },
    {
      finding: "A log file is large.",
      ...{ severity: "info", of: "files", each: "files", show: file },
      when: [inService, isText, { value: "sizeBytes", atLeast: GIB / 2, below: 2 * GIB }],
      next: ["logs_tail", "logs_files"],
    },
    {
      finding: "Log files take much disk.",
      ...{ severity: "info", of: "files", when: [{ value: "totalBytes", atLeast: 10 * GIB }] },
      show: ["totalBytes", "fileCount"],
      next: ["logs_files", "system_disk_usage"],
    },
    {
      finding: "Some folders of logs could not be listed.",
      ...{ severity: "unseen", of: "files", each: "unreadable", when: [] },
      show: ["path", "reason"],
    },
    {
      finding: "There are more log files than the read allows.",
      ...{ severity: "unseen", of: "files", when: [{ value: "incomplete", is: true }] },
      show: ["fileCount"],
    },
  ],
});
