export { compileRanges } from "./address-ranges.ts";
export { readBearer } from "./bearer.ts";
export { readConfiguredJson, readConfiguredText } from "./configured-file.ts";
export type { Guard } from "./guard.ts";
export { createHttpServer, type HttpServerOptions, type ServerTls } from "./http-server.ts";
export { keepTrying } from "./keep-trying.ts";
export { openKeptCertificate } from "./kept-certificate.ts";
export {
  listenOnPort,
  listenOnSocket,
  LOOPBACK_HOSTS,
  readKeptPorts,
  requireSafeListener,
} from "./listen.ts";
export { createLogger, type Logger, type Report } from "./logger.ts";
export { installOpenApi } from "./openapi.ts";
export { makeDataFolder, writePrivateFile } from "./private-file.ts";
export { createPublicListener } from "./public-listener.ts";
export { createRateLimit, groupAddress, type RateLimit, type RateLimits } from "./rate-limit.ts";
export { createRefusalCounts, type RefusalCounts } from "./refusal-counts.ts";
export { type Running, runService, type ServicePorts } from "./run-service.ts";
export type { HttpServer } from "./server.ts";
export { followTlsFiles, readTlsFiles, TlsFiles } from "./tls-files.ts";
export { requireProxyAddresses } from "./trusted-proxies.ts";
