export { readBearer } from "./bearer.ts";
export { makeDataFolder, writePrivateFile } from "./private-file.ts";
export { readConfiguredJson, readConfiguredText } from "./configured-file.ts";
export type { Guard } from "./guard.ts";
export {
  createHttpServer,
  type HttpServer,
  type HttpServerOptions,
  type ServerTls,
} from "./http-server.ts";
export { openKeptCertificate } from "./kept-certificate.ts";
export { keepTrying } from "./keep-trying.ts";
export { listenOnPort, listenOnSocket, readKeptPorts, requireSafeListener } from "./listen.ts";
export { createLogger, type Logger, type Report } from "./logger.ts";
export { createPublicListener } from "./public-listener.ts";
export { createRateLimit, groupAddress, type RateLimit, type RateLimits } from "./rate-limit.ts";
export { createRefusalCounts, type RefusalCounts } from "./refusal-counts.ts";
export { followTlsFiles, readTlsFiles, TlsFiles } from "./tls-files.ts";
export { requireProxyAddresses } from "./trusted-proxies.ts";
export { runService, type Running, type ServicePorts } from "./run-service.ts";
