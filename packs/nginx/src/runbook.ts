import { runbook } from "@sonde/pack-sdk/author";

const message = [
  ...["level", "kind", "message", "count", "lastAt", "lastMinutesAgo", "routes", "upstreams"],
];
const route = ["route", "count", "serverErrors", "clientErrors", "p95Ms", "maxMs"];
const recent = { value: "lastMinutesAgo", below: 60 };
const failing = ["requests", "serverErrors", "serverErrorPercent", "from", "to"];
const problem = ["what", "place"];

/** Limits that turn everybody away, not one request. */
const LIMITS = ["connections-limit", "file-limit", "disk-full", "no-live-upstream"];
const UPSTREAM = [
  ...["upstream-timeout", "upstream-closed", "upstream-refused", "upstream-unreachable"],
  ...["upstream-unknown", "upstream-answer"],
];

export const nginxRunbook = runbook({
  description:
    "Requests that fail or are slow, limits that are reached, upstreams that do not answer, and what is doubtful in the configuration.",
  probes: {
    access: { probe: "access.summary" },
    errors: { probe: "errors" },
    config: { probe: "config" },
    status: { probe: "status" },
  },
  rules: [
    {
      finding: "nginx has reached a limit that turns requests away.",
      ...{ severity: "critical", of: "errors", each: "messages", show: message },
      when: [{ value: "kind", oneOf: LIMITS }, recent],
      next: ["nginx_errors", "nginx_config", "nginx_status"],
    },
    {
      finding: "nginx reports an emergency.",
      ...{ severity: "critical", of: "errors", each: "messages", show: message },
      when: [{ value: "level", oneOf: ["emerg", "alert"] }, recent],
      next: ["nginx_errors", "nginx_config"],
    },
    {
      finding: "Many of the newest requests fail with a server error.",
      ...{ severity: "critical", of: "access", show: failing },
      when: [
        { value: "serverErrors", atLeast: 5 },
        { value: "serverErrorPercent", atLeast: 10 },
      ],
      next: ["nginx_access_summary", "nginx_errors"],
    },
    {
      finding: "Some of the newest requests fail with a server error.",
      ...{ severity: "warning", of: "access", show: failing },
      when: [
        { value: "serverErrors", atLeast: 5 },
        { value: "serverErrorPercent", atLeast: 1, below: 10 },
      ],
      next: ["nginx_access_summary", "nginx_errors"],
    },
    {
      finding: "A route fails most of the time.",
      ...{ severity: "warning", of: "access", each: "failing", show: route },
      when: [
        { value: "serverErrors", atLeast: 5 },
        { value: "serverErrors", per: "count", atLeast: 0.5 },
      ],
      next: ["nginx_errors", "nginx_access_summary"],
    },
    {
      finding: "A route is slow.",
      ...{ severity: "warning", of: "access", each: "slowest", show: route },
      when: [
        { value: "count", atLeast: 10 },
        { value: "p95Ms", atLeast: 3000 },
      ],
      next: ["nginx_access_summary", "nginx_errors"],
    },
    {
      finding: "An upstream does not answer as it should.",
      ...{ severity: "warning", of: "errors", each: "messages", show: message },
      when: [{ value: "kind", oneOf: UPSTREAM }, recent],
      next: ["nginx_errors", "nginx_config"],
    },
    {
      finding: "A part of the file system that nginx serves from can be left by a request.",
      ...{ severity: "warning", of: "config", each: "problems", show: problem },
      when: [{ value: "problem", oneOf: ["path-escape"] }],
      next: ["nginx_config"],
    },
    {
      finding: "Everybody may ask for what nginx counts.",
      ...{ severity: "info", of: "config", each: "problems", show: problem },
      when: [{ value: "problem", oneOf: ["open-status"] }],
      next: ["nginx_config"],
    },
    {
      finding: "Two servers have one name at one port, and the second is never asked.",
      ...{ severity: "warning", of: "config", each: "problems", show: problem },
      when: [{ value: "problem", oneOf: ["same-name"] }],
      next: ["nginx_config"],
    },
    {
      finding: "Old protocols of TLS are allowed.",
      ...{ severity: "info", of: "config", each: "problems", show: problem },
      when: [{ value: "problem", oneOf: ["weak-protocols"] }],
      next: ["nginx_config"],
    },
    {
      finding: "Folders are listed to everybody.",
      ...{ severity: "info", of: "config", each: "problems", show: problem },
      when: [{ value: "problem", oneOf: ["lists-folders"] }],
      next: ["nginx_config"],
    },
    {
      finding: "Connections were dropped since nginx started.",
      ...{ severity: "info", of: "status", show: ["droppedConnections", "acceptedConnections"] },
      when: [{ value: "droppedConnections", atLeast: 1 }],
      next: ["nginx_errors", "nginx_status"],
    },
    {
      finding: "Part of the configuration could not be read.",
      ...{ severity: "unseen", of: "config", each: "notRead", when: [], show: ["what", "reason"] },
    },
    {
      finding: "Lines of the access log are of another form than its formats.",
      ...{ severity: "unseen", of: "access", show: ["unreadLines", "requests", "formats"] },
      when: [{ value: "unreadLines", atLeast: 1 }],
    },
  ],
});
