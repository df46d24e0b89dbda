import { type ErrorCode, SondeError } from "@sonde/schemas/errors";

export type SinkFailureCode = Extract<ErrorCode, `SINK_${string}`>;

/** Why something did not arrive. The message has nothing that the receiver or a secret file said. */
export class SinkFailure extends SondeError {
  /** How long the receiver asked to wait; 0 when it did not. */
  readonly askedMs: number;

  constructor(code: SinkFailureCode, message: string, askedMs = 0) {
    super(code, message);
    this.askedMs = askedMs;
  }
}
