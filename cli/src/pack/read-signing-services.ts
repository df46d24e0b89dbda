import { readFile } from "node:fs/promises";
import {
  buildSigningServices,
  parseSigningServices,
  PUBLIC_SERVICES,
  type SigningServices,
} from "@sonde/pack-sdk/sign";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

export type ServiceOptions = {
  signingConfig?: string;
  fulcio?: string;
  rekor?: string;
  rekorVersion?: string;
  timestamp?: string;
};

/**
 * The services that sign: from a signing config, from three addresses, or Sigstore's public ones.
 * Sources are never mixed: a signature for a private log must not reach a public one because an
 * option was forgotten.
 *
 * @throws SondeError BAD_REQUEST, CONFIG_INVALID
 */
export async function readSigningServices(options: ServiceOptions): Promise<SigningServices> {
  const { signingConfig, fulcio, rekor, rekorVersion, timestamp } = options;
  const named = [fulcio, rekor, timestamp].filter((url) => url !== undefined).length;
  if (signingConfig !== undefined) {
    if (named > 0 || rekorVersion !== undefined) {
      throw new SondeError("BAD_REQUEST", "expected --signing-config alone, got addresses too");
    }
    const text = await readFile(signingConfig, "utf8");
    return parseSigningServices(parseJson(text, signingConfig, "CONFIG_INVALID"));
  }
  if (named === 0 && rekorVersion === undefined) return buildSigningServices(PUBLIC_SERVICES);
  if (fulcio === undefined || rekor === undefined || timestamp === undefined) {
    throw new SondeError("BAD_REQUEST", "expected --fulcio, --rekor and --timestamp together");
  }
  if (rekorVersion !== undefined && rekorVersion !== "1" && rekorVersion !== "2") {
    throw new SondeError("BAD_REQUEST", `expected --rekor-version 1 or 2, got ${rekorVersion}`);
  }
  return buildSigningServices({
    fulcio,
    rekor,
    rekorVersion: rekorVersion === "1" ? 1 : 2,
    timestamp,
  });
}
