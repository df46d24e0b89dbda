import type { AgentStatement, AttestationBody } from "@sonde/schemas/wire";

export type AttestorPorts = {
  read: () => Promise<AgentStatement>;
  /** Tells a connected hub that the next statement will differ. */
  tellChanged: () => void;
};

/** Answers the hub's orders to attest, and notices when the last answer is no longer true. */
export class Attestor {
  readonly #ports: AttestorPorts;
  /** The last statement, and the changed one that the hub was told of. */
  #stated: string | null = null;
  #told: string | null = null;

  constructor(ports: AttestorPorts) {
    this.#ports = ports;
  }

  async attest(nonce: string): Promise<AttestationBody> {
    const statement = await this.#ports.read();
    this.#stated = JSON.stringify(statement);
    this.#told = null;
    return { nonce, statement };
  }

  /** Tells the hub once of each change since the last statement. */
  async look(): Promise<void> {
    if (this.#stated === null) return;
    const now = JSON.stringify(await this.#ports.read());
    if (now === this.#stated || now === this.#told) return;
    this.#told = now;
    this.#ports.tellChanged();
  }
}
