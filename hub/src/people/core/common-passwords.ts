/**
 * Beginnings and words of the most common passwords of 12 characters or more in published lists.
 * Shorter ones cannot be chosen anyway.
 */
const COMMON = new Set([
  "123456789012",
  "1234567890123",
  "12345678901234",
  "123456789abc",
  "1q2w3e4r5t6y",
  "1qaz2wsx3edc",
  "administrator",
  "adminadmin12",
  "changeme1234",
  "correcthorsebatterystaple",
  "iloveyou1234",
  "letmeinletmein",
  "passw0rd1234",
  "password1234",
  "password12345",
  "password123456",
  "passwordpassword",
  "p@ssw0rd1234",
  "qazwsxedcrfv",
  "qwerty123456",
  "qwertyuiop12",
  "qwertyuiop123",
  "qwertyuiopasdfghjkl",
  "qwertyuiop[]",
  "unknown12345",
  "welcome12345",
  "zaq12wsxcde3",
]);

/**
 * Why a password is refused beside its length, in words for its person; null when it is not.
 *
 * @param name of the person
 */
export function findWeakness(password: string, name: string): string | null {
  const folded = password.toLowerCase();
  if (COMMON.has(folded)) return "expected another password: this one is among the most common";
  if (new Set(folded).size < 5) return "expected a password of more different characters";
  if (name.length >= 4 && folded.replaceAll(name, "").length < 8) {
    return "expected a password that is not your name";
  }
  return null;
}
