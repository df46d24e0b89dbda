import { SondeError } from "@sonde/schemas/errors";
import { buildParser } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";

const Service = Type.Object(
  {
    url: Type.String({ maxLength: 300 }),
    majorApiVersion: Type.Integer({ minimum: 1, maximum: 2 }),
    validFor: Type.Optional(
      Type.Object(
        { start: Type.String(), end: Type.Optional(Type.String()) },
        { additionalProperties: false },
      ),
    ),
    operator: Type.Optional(Type.String({ maxLength: 300 })),
  },
  { additionalProperties: false },
);
const Services = Type.Array(Service, { minItems: 1, maxItems: 16 });
// A bundle carries one of each. More would only be slower.
const AnyOne = Type.Object(
  { selector: Type.Literal("ANY"), count: Type.Optional(Type.Integer()) },
  { additionalProperties: false },
);

/**
 * The services of a keyless signature: the `SigningConfig` of sigstore/protobuf-specs in JSON. All
 * three kinds are needed, because verification demands the result of each.
 */
export const SigningServices = Type.Object(
  {
    mediaType: Type.Literal("application/vnd.dev.sigstore.signingconfig.v0.2+json"),
    caUrls: Services,
    oidcUrls: Type.Optional(Type.Array(Service)),
    rekorTlogUrls: Services,
    rekorTlogConfig: AnyOne,
    tsaUrls: Services,
    tsaConfig: AnyOne,
  },
  { additionalProperties: false },
);
export type SigningServices = Static<typeof SigningServices>;

const parseShape = buildParser(SigningServices, "signing config", "CONFIG_INVALID");

/** Addresses of a certificate authority, a transparency log and a timestamp authority. */
export type ServiceAddresses = {
  fulcio: string;
  rekor: string;
  /** Version of the log's interface. */
  rekorVersion: 1 | 2;
  timestamp: string;
};

/** Sigstore's public services. Their logs are public for good. */
export const PUBLIC_SERVICES: ServiceAddresses = {
  fulcio: "https://fulcio.sigstore.dev",
  rekor: "https://rekor.sigstore.dev",
  rekorVersion: 1,
  timestamp: "https://timestamp.sigstore.dev/api/v1/timestamp",
};

export function buildSigningServices(addresses: ServiceAddresses): SigningServices {
  return parseSigningServices({
    mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    caUrls: [{ url: addresses.fulcio, majorApiVersion: 1 }],
    rekorTlogUrls: [{ url: addresses.rekor, majorApiVersion: addresses.rekorVersion }],
    rekorTlogConfig: { selector: "ANY" },
    tsaUrls: [{ url: addresses.timestamp, majorApiVersion: 1 }],
    tsaConfig: { selector: "ANY" },
  });
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * @throws SondeError CONFIG_INVALID unless every address is https, or http on loopback, because a
 *   token is sent there
 */
export function parseSigningServices(value: unknown): SigningServices {
  const services = parseShape(value);
  for (const { url } of [...services.caUrls, ...services.rekorTlogUrls, ...services.tsaUrls]) {
    const address = URL.parse(url);
    const isSafe =
      address?.protocol === "https:" ||
      (address?.protocol === "http:" && LOOPBACK.has(address.hostname));
    if (address === null || !isSafe || address.username !== "" || address.search !== "") {
      throw new SondeError(
        "CONFIG_INVALID",
        `signing config: expected https://HOST, or http:// on loopback, got ${url}`,
      );
    }
  }
  return services;
}
