/** One directive. `block` is null for one that ends in a semicolon. */
export type Directive = {
  name: string;
  args: string[];
  block: Directive[] | null;
  file: string;
  line: number;
};

/** `problem` says where the file ends to be one; what stands before that is given. */
export type ParsedConfig = { directives: Directive[]; problem: string | null };

const MOST_DEPTH = 20;

/** The words and signs of a file, as nginx takes it apart (ngx_conf_read_token). */
type Token = { text: string; line: number; isSign: boolean };

/** Takes the text of one file apart. Never throws. */
export function parseConfig(text: string, file: string): ParsedConfig {
  const { tokens, problem } = tokenize(text);
  const directives: Directive[] = [];
  const open: Directive[][] = [directives];
  let words: Token[] = [];
  for (const token of tokens) {
    if (!token.isSign) {
      words.push(token);
      continue;
    }
    const [first, ...rest] = words;
    words = [];
    if (token.text === "}") {
      if (first !== undefined) return broken(directives, first.line, "a directive without an end");
      open.pop();
      if (open.length === 0) return broken(directives, token.line, "a } too many");
      continue;
    }
    if (first === undefined) return broken(directives, token.line, `a stray ${token.text}`);
    const block: Directive[] | null = token.text === "{" ? [] : null;
    const args = rest.map((word) => word.text);
    open.at(-1)?.push({ name: first.text, args, block, file, line: first.line });
    if (block === null) continue;
    open.push(block);
    if (open.length > MOST_DEPTH) return broken(directives, token.line, "too many blocks");
  }
  if (problem === null && (open.length > 1 || words.length > 0)) {
    return broken(directives, text.split("\n").length, "the end within a block or directive");
  }
  return { directives, problem };
}

function broken(directives: Directive[], line: number, what: string): ParsedConfig {
  return { directives, problem: `line ${line}: ${what}` };
}

function tokenize(text: string): { tokens: Token[]; problem: string | null } {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const sign = text.charAt(at);
    if (sign === "\n") line += 1;
    if (/\s/.test(sign)) at += 1;
    else if (sign === "#") at = endOf(text, "\n", at);
    else if (sign === ";" || sign === "{" || sign === "}") {
      tokens.push({ text: sign, line, isSign: true });
      at += 1;
      // Code in another language, with braces of its own.
      if (sign === "{" && tokens.at(-2)?.text.endsWith("_by_lua_block") === true) {
        const end = endOfBlock(text, at);
        line += countLines(text.slice(at, end));
        at = end;
      }
    } else {
      const word = readWord(text, at);
      if (word === null) return { tokens, problem: `line ${line}: a quote without an end` };
      tokens.push({ text: word.text, line, isSign: false });
      line += countLines(text.slice(at, word.end));
      at = word.end;
    }
  }
  return { tokens, problem: null };
}

function readWord(text: string, start: number): { text: string; end: number } | null {
  const quote = text.charAt(start);
  const isQuoted = quote === '"' || quote === "'";
  let word = "";
  let at = isQuoted ? start + 1 : start;
  while (at < text.length) {
    const sign = text.charAt(at);
    if (isQuoted ? sign === quote : /[\s;{]/.test(sign)) break;
    if (sign === "\\") {
      word += unescape(text.charAt(at + 1));
      at += 2;
    } else if (sign === "$" && text.charAt(at + 1) === "{") {
      const end = endOf(text, "}", at) + 1;
      word += text.slice(at, end);
      at = end;
    } else {
      word += sign;
      at += 1;
    }
  }
  if (!isQuoted) return { text: word, end: at };
  return at < text.length ? { text: word, end: at + 1 } : null;
}

/** Any other escaped sign keeps its backslash, which regular expressions need. */
function unescape(sign: string): string {
  return ['"', "'", "\\"].includes(sign) ? sign : `\\${sign}`;
}

function endOf(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found === -1 ? text.length : found;
}

/** Where the brace is that closes a block of code; one within a text of the code is none. */
function endOfBlock(text: string, from: number): number {
  const signs = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}]/g;
  signs.lastIndex = from;
  let depth = 1;
  for (let found = signs.exec(text); found !== null; found = signs.exec(text)) {
    if (found[0] === "{") depth += 1;
    if (found[0] === "}") depth -= 1;
    if (depth === 0) return found.index;
  }
  return text.length;
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}
