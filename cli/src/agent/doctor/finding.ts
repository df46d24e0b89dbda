/** What one look found. */
export type Finding = {
  /** What was looked at, in a word. */
  check: string;
  isWell: boolean;
  /** What is, in a sentence. */
  says: string;
  /** The command that mends it; null when nothing is to be done. */
  mend: string | null;
};

export function well(check: string, says: string): Finding {
  return { check, isWell: true, says, mend: null };
}

export function wrong(check: string, says: string, mend: string): Finding {
  return { check, isWell: false, says, mend };
}

/** @returns the code of what a look threw, such as ECONNREFUSED; else its text */
export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}
