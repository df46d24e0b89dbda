import {
  type HttpServer,
  type Report,
  createPublicListener,
  followTlsFiles,
  listenOnPort,
  readTlsFiles,
} from "@sonde/service";
import type { RegistryConfig } from "../config.ts";
import { openOwnCertificate } from "./own-certificate.ts";

/** The registry's listener for other machines, which does not listen yet. */
export type PublicDoor = {
  /** PEM of the authority that they must trust; null for an operator's own certificate. */
  authority: string | null;
  /**
   * @param kept the port of the last start; 0 when there is none
   * @returns the port
   */
  listen: (kept: number) => Promise<number>;
};

/** @param folder of the registry's own authority, used without an operator's certificate */
export async function openPublicDoor(
  app: HttpServer,
  place: NonNullable<RegistryConfig["http"]["public"]>,
  folder: string,
  now: Date,
  report: Report,
): Promise<PublicDoor> {
  const { host, port, names, tls } = place;
  const { authority, ...shown } =
    tls === undefined
      ? await openOwnCertificate(folder, names, now)
      : { ...readTlsFiles(tls), authority: null };
  const server = createPublicListener(app, shown);
  if (tls !== undefined) {
    const stopFollowing = followTlsFiles(server, tls, report);
    app.addHook("onClose", () => stopFollowing());
  }
  return { authority, listen: (kept) => listenOnPort(server, { host, port, kept }) };
}
