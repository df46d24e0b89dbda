// The rules of each kind of source: what it needs, its level, what it may never read, and
// its description. This package does not load the verifier, so that small processes can
// use it.
export { checkFilled, checkHole } from "./check-hole.ts";
export { checkSource } from "./check-source.ts";
export {
  type AlsoReadOnly,
  classifySource,
  effectiveCapability,
  explainLevel,
} from "./classify-source.ts";
export { isInPrivateFolder } from "./declared-private-paths.ts";
export { deriveRequires } from "./derive-requires.ts";
export { describeRead, describeUse, titleOf } from "./describe-read.ts";
export { type FilledEach, fillEach } from "./fill-each.ts";
export { type LaterRead, planReads } from "./fill-reads.ts";
export { findMisfit, takesFoundValues } from "./hole-value.ts";
export { buildRequires, listItems, pickItems } from "./items.ts";
export { parseServer, renderDnsQuestion } from "./kinds/dns.ts";
export { renderArgv } from "./kinds/exec.ts";
export { renderRequestTarget } from "./kinds/http.ts";
export { isReadableOfProcess, UNREADABLE_OF_PROC } from "./process-files.ts";
export { renderJournalArgv } from "./kinds/journal.ts";
export { renderMysqlQuestion } from "./mysql-question.ts";
export { type PostgresQuestion, renderPostgresQuestion } from "./postgres-question.ts";
export { renderRedisCommand } from "./kinds/redis.ts";
export { renderSearch } from "./render-search.ts";
export { filledWith, renderTemplate } from "./render-template.ts";
export { asksHosts, listNeededGroups } from "./list-needs.ts";
export {
  type HostAndPort,
  isLoopback,
  parseEndpoint,
  renderEndpoint,
  unnamedEndpoints,
} from "./endpoint.ts";
export { describeSecrets } from "./secret-paths.ts";
export { pathPattern } from "./template.ts";
export { whyNotPublic, whyUnreachable } from "./unreachable-addresses.ts";
export { deriveWindows, describeWindow, widerWindows } from "./windows.ts";
