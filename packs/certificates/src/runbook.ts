import { type Rule, runbook } from "@sonde/pack-sdk/author";

const show = ["path", "subject", "names", "notAfter", "daysLeft", "otherPaths"];
/** Only certificates of servers have names. One that signs itself may be both. */
const own = { value: "names", atLeast: 1 };

function certificates(
  finding: string,
  severity: Rule["severity"],
  when: Rule["when"],
): Rule<"files"> {
  const next = ["certificates_files", "certificates_endpoint"];
  return { finding, severity, of: "files", each: "certificates", when, show, next };
}

export const certificatesRunbook = runbook({
  description:
    "Certificates in files of the host that have expired or soon will, and broken chains.",
  probes: { files: { probe: "files", params: { limit: 500 } } },
  rules: [
    certificates("A certificate has expired.", "critical", [
      ...[own, { value: "daysLeft", atLeast: -90, below: 0 }],
    ]),
    certificates("A certificate ends within a week.", "critical", [
      ...[own, { value: "daysLeft", atLeast: 0, below: 7 }],
    ]),
    certificates("A certificate ends within three weeks.", "warning", [
      ...[own, { value: "daysLeft", atLeast: 7, below: 21 }],
    ]),
    certificates("A certificate of an issuer or a client has expired or soon will.", "warning", [
      { value: "names", below: 1 },
      { value: "daysLeft", atLeast: -90, below: 21 },
    ]),
    certificates("A certificate expired long ago; perhaps nothing uses its file.", "info", [
      { value: "daysLeft", below: -90 },
    ]),
    {
      finding: "A file has certificates of which one is not signed by the next.",
      ...{ severity: "warning", of: "files", each: "brokenChains", when: [] },
      show: ["path", "subject"],
      next: ["certificates_files", "certificates_endpoint"],
    },
    {
      finding:
        "A file with a certificate also has a private key, and is open to more than its server.",
      ...{ severity: "warning", of: "files", each: "besidePrivateKeys", when: [] },
      show: ["path"],
      next: ["certificates_files"],
    },
    {
      finding: "Some files or folders of certificates could not be read.",
      ...{ severity: "unseen", of: "files", each: "unreadable", when: [] },
      show: ["path", "reason"],
    },
    {
      finding: "There are more certificates than the read allows.",
      ...{ severity: "unseen", of: "files", when: [{ value: "incomplete", is: true }] },
      show: ["certificateCount"],
    },
  ],
});
