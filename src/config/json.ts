/** A JSON value that knows its line and column, both counted from 1 (columns in UTF-16 units). */
export type JsonNode = { readonly line: number; readonly column: number } & (
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, JsonNode> }
  | { readonly kind: 'array'; readonly items: readonly JsonNode[] }
  | { readonly kind: 'scalar'; readonly value: string | number | boolean | null }
);

/** The message continues a sentence that begins with the place. */
export class JsonSyntaxError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(message: string, line: number, column: number) {
    super(message);
    this.line = line;
    this.column = column;
  }
}

const MAX_DEPTH = 100;
const TOKEN = /[{}[\],:]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)\b/y;

/**
 * Parses JSON (RFC 8259) with places, which JSON.parse does not give.
 * @throws JsonSyntaxError at the first token that does not fit, a repeated member name, or nesting beyond 100
 */
export function parseJson(text: string): JsonNode {
  const parser = new JsonParser(text);
  const root = parser.value(0);
  parser.end();
  return root;
}

class JsonParser {
  readonly #text: string;
  #offset = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonNode {
    const place = this.#place();
    if (depth > MAX_DEPTH) return this.#fail('is nested too deeply; simplify the list');
    const token = this.#take('a value');
    if (token === '{') return { ...place, kind: 'object', members: this.#members(depth) };
    if (token === '[') return { ...place, kind: 'array', items: this.#items(depth) };
    if (/[}\],:]/.test(token[0]!))
      return this.#fail(`has ${token} where a value is expected; correct the JSON`, place);
    return { ...place, kind: 'scalar', value: JSON.parse(token) as string | number | boolean | null };
  }

  end(): void {
    this.#place();
    if (this.#offset < this.#text.length) this.#fail('follows the end of the JSON value; remove it');
  }

  #items(depth: number): JsonNode[] {
    const items: JsonNode[] = [];
    if (this.#skip(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.#continues(']'));
    return items;
  }

  #members(depth: number): Map<string, JsonNode> {
    const members = new Map<string, JsonNode>();
    if (this.#skip('}')) return members;
    do {
      const place = this.#place();
      const token = this.#take('a member name');
      if (token[0] !== '"')
        return this.#fail(`has ${token} where a quoted name is expected; correct the JSON`, place);
      const name = JSON.parse(token) as string;
      if (members.has(name)) return this.#fail(`repeats the member ${token}; remove one`, place);
      if (!this.#skip(':')) return this.#fail(`lacks a ":" after ${token}; correct the JSON`);
      members.set(name, this.value(depth + 1));
    } while (this.#continues('}'));
    return members;
  }

  #continues(close: ']' | '}'): boolean {
    if (this.#skip(close)) return false;
    if (this.#skip(',')) return true;
    return this.#fail(`lacks a "," or "${close}"; correct the JSON`);
  }

  #skip(token: string): boolean {
    this.#place();
    if (this.#text[this.#offset] !== token) return false;
    this.#offset++;
    return true;
  }

  #take(wanted: string): string {
    this.#place();
    if (this.#text[this.#offset] === '"') return this.#takeString();
    TOKEN.lastIndex = this.#offset;
    const [token] = TOKEN.exec(this.#text) ?? [];
    if (token === undefined) {
      const what = this.#offset < this.#text.length ? 'is not JSON' : 'ends too early';
      return this.#fail(`${what}: ${wanted} is expected here`);
    }
    this.#offset += token.length;
    return token;
  }

  /** A string with its quotes; strings may be long, so this is a loop where a regular expression would recurse. */
  #takeString(): string {
    let end = this.#offset + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1;
    const token = this.#text.slice(this.#offset, end + 1);
    try {
      JSON.parse(token);
    } catch {
      return this.#fail('begins a string that is not closed or holds a wrong character; correct the JSON');
    }
    this.#offset = end + 1;
    return token;
  }

  /** Skips white space and gives the place reached. */
  #place(): { line: number; column: number } {
    for (; ' \t\r\n'.includes(this.#text[this.#offset] ?? 'end'); this.#offset++) {
      if (this.#text[this.#offset] === '\n') {
        this.#line++;
        this.#lineStart = this.#offset + 1;
      }
    }
    return { line: this.#line, column: this.#offset - this.#lineStart + 1 };
  }

  #fail(message: string, place = this.#place()): never {
    throw new JsonSyntaxError(message, place.line, place.column);
  }
}
