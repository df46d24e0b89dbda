/** The first words of a message about a secret, as in `could not read secret: permission denied`. */
const MESSAGE_START =
  "(?:pam_[a-z_]{2,20}\\(|(?:invalid|expired|missing|unauthorized|unsupported)_[a-z_]{3,30}\\b|[pP]ermission denied|[aA]uthentication (?:token|failure|information)|access denied|not (?:found|set|configured|allowed)|no such |is (?:too|required|invalid|missing|not|empty)\\b|must (?:be|contain|not)\\b|cannot be\\b|failed to |unable to |lookup failed|authentication (?:error|fail)|password (?:updated|changed|expired|unchanged)|could not |BAD PASSWORD:)";
/** What became of a secret, before the rest of the sentence: `stored in the keyring`. */
const OUTCOME =
  "(?:(?:changed|updated|expires|shared|stored|encrypted|hashed|cached|issued|rotated|mounted|loaded|saved|read|taken|set|generated|created|removed|revoked|provided|accepted|rejected|checked|copied|valid|invalid) (?:in|at|by|for|from|on|with|via|as|until)|see the|not (?:used|stored|required|needed|given|valid|changed)|too (?:short|long|weak|common|simple|similar)|minimum length|can't be|This field)\\b";
/** What stands in brackets, and a number with the unit behind it: `(not set)`, `1704 bytes`. */
const NOTE =
  "[(<\\[](?:[A-Za-z0-9]{1,20},? ){1,8}[A-Za-z0-9]{1,20}[)>\\]]|[0-9]{1,9} (?:bytes?|bits?|seconds?|minutes?|hours?|days?|weeks?|months?|items?|entries|keys|tokens|secrets|attempts?|characters|times)\\b";
const MESSAGE = `(?:${MESSAGE_START}|${OUTCOME})`;
/** No machine draws two words: `invalid token: unexpected end`. */
const SENTENCE = /(?:[a-z]{2,16}|[A-Z][a-z]{1,15}|[A-Z]{2,6}),? [a-z]{2,16}(?=[ ,.:;]|[\r\n]|$)/y;
/** A long sentence has many of them. Nobody's passphrase does. */
const LONG_SENTENCE =
  /(?=(?:[a-z]{1,16},? ){7})(?:(?:[a-z]{1,16},? ){0,3}?(?:of|for|is|the|an?|in|not|by|at|to|with|from|that|was|has|are|on|when|you|it|your) ){3}/y;
/** Where programs keep values, as in `process.env.API_TOKEN` and `var.db_password`. */
const ROOTS =
  "(?:process\\.env|import\\.meta\\.env|os\\.environ|var|local|module|data|each|self|this|config|settings|secrets|vars|steps|inputs|env|ENV|args|opts|options|props|params|req|request|ctx|random_password|random_string|(?:aws|google|azurerm)_[a-z0-9_]{1,60})";
const WORD = "[A-Za-z_][A-Za-z0-9_]{0,60}";
const PATH = `${WORD}(?:(?:\\?\\.|\\.|::|->)${WORD}){0,8}`;
/**
 * Code in a value's place: a call whose arguments are a string, a name or none, an element by a
 * name, and a member of a well-known root. `Sommer(2024)` is none of these.
 */
const CODE = `(?:(?:await|new) )?[$&]?(?:${ROOTS}(?:\\.|->)${WORD}(?:(?:\\.|->)${WORD}){0,6}(?=[\\s;,)\\]}\\[]|$)|${PATH}(?:\\((?=["'\`)$]|${PATH}[,)(=])|\\[(?:["'$]|:[a-z]|[0-9]{1,2}\\])|\\[[a-z]{2,10}\\])|${WORD}\\.${WORD}\\((?:[0-9]{1,4}\\)|[{[]))`;
/** What a shell puts in: `$TOKEN`, `$1`, `$(cat file)`, and `\${TOKEN:?}`. A default is a value. */
const SHELL =
  "\\$(?:[A-Z_][A-Z0-9_]{0,60}|[0-9@*#?]|\\{\\w[\\w.]{0,80}(?::?\\?[^{}\\r\\n]{0,80}|:?-)?\\}|\\([^()\\r\\n]{1,200}\\))(?![^\\s\"'`;,)\\]}/\\\\])";
const REFERENCE = new RegExp(`["'\\\\]{0,2}${SHELL}`, "y");
const MESSAGE_ONLY = new RegExp(`^${MESSAGE}`);
const EXPRESSION = new RegExp(`(?:${MESSAGE}|${NOTE}|${CODE})`, "y");

/** True when a shell puts the value in. */
export function isReference(text: string, at: number): boolean {
  REFERENCE.lastIndex = at;
  return REFERENCE.test(text);
}

/** True when an expression of code, a shell's reference or a message stands in a value's place. */
export function isExpression(text: string, at: number): boolean {
  EXPRESSION.lastIndex = at;
  return EXPRESSION.test(text) || isReference(text, at);
}

/** True when a message stands in a value's place, as in `{"password":["is too short"]}`. */
export function isMessage(value: string): boolean {
  return MESSAGE_ONLY.test(value);
}

/** True when a sentence stands in a value's place, which may also be that of a passphrase. */
export function isSentence(text: string, at: number, mayBePhrase: boolean): boolean {
  const pattern = mayBePhrase ? LONG_SENTENCE : SENTENCE;
  pattern.lastIndex = at;
  return pattern.test(text);
}
