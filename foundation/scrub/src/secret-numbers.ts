/** Each number is a guess that a writer of the data may test; see `SecretNumbers`. */
const MOST = 64;

/**
 * Numbers the secrets of one answer, in the order in which they are found. Equal secrets have equal
 * numbers, whatever rule finds them. A number says nothing else about a value, and means nothing in
 * another answer.
 *
 * Who writes a part of the data can test a guess: it has the secret's number if it is right. So the
 * numbers end for good with the first secret beyond `MOST` different ones.
 */
export class SecretNumbers {
  readonly #numbers = new Map<string, number>();
  #given = 0;

  /** Returns undefined when no more numbers are given. */
  numberOf(value: string): number | undefined {
    if (this.#given > MOST) return undefined;
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    this.#given += 1;
    if (this.#given > MOST) return undefined;
    this.#numbers.set(value, this.#given);
    return this.#given;
  }

  /**
   * From here on no secret has the number of one before. Called before the scrub of what a guest
   * wrote, since a guest could otherwise test its guesses.
   */
  forget(): void {
    this.#numbers.clear();
  }
}
