/** The code of the error that a check throws, or `accepted`. */
export function verdict(check: () => unknown): string {
  try {
    check();
    return "accepted";
  } catch (error) {
    return (error as { code: string }).code;
  }
}
