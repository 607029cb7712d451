/** An element of an SVG file. */
export interface SvgElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: SvgElement[];
  text: string;
}

const TOKEN =
  /<\/(?<end>[A-Za-z]+)>|<(?<name>[A-Za-z]+)(?<attributes>(?:\s+[\w:-]+="[^"<]*")*)\s*(?<empty>\/?)>|(?<text>[^<]+)/y;
const BARE_AMPERSAND = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);)/;
const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/** The root of an XML text. Throws where the text is not well-formed; knows what SVG files of charts are made of, and no more. */
export function parseSvg(xml: string): SvgElement {
  if (FORBIDDEN.test(xml)) throw new Error('There is a character that XML does not have.');
  if (BARE_AMPERSAND.test(xml)) throw new Error('An ampersand is bare.');
  const top: SvgElement = { name: '', attributes: new Map(), children: [], text: '' };
  const open = [top];
  const token = new RegExp(TOKEN);
  const text = xml.trim();
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const groups = token.exec(text)?.groups;
    if (groups === undefined) throw new Error(`Not well-formed: ${text.slice(at, at + 80)}`);
    const parent = open.at(-1)!;
    if (groups.text !== undefined) parent.text += groups.text;
    else if (groups.end !== undefined) {
      if (open.pop()!.name !== groups.end) throw new Error(`${groups.end} ends what it did not begin.`);
    } else {
      const pairs = [...groups.attributes!.matchAll(/([\w:-]+)="([^"]*)"/g)].map(
        ([, key, value]) => [key!, value!] as const,
      );
      const element = { name: groups.name!, attributes: new Map(pairs), children: [], text: '' };
      if (element.attributes.size < pairs.length) throw new Error(`${groups.name} repeats an attribute.`);
      parent.children.push(element);
      if (!groups.empty) open.push(element);
    }
  }
  const [root] = top.children;
  if (open.length > 1 || root === undefined || top.children.length > 1 || top.text !== '') {
    throw new Error('There is not one root.');
  }
  return root;
}

/** An element and all below it, in order. */
export function descendants(element: SvgElement): SvgElement[] {
  return [element, ...element.children.flatMap(descendants)];
}

/** What marks of one look draw: the children of each group whose attributes are those given. */
export function marks(root: SvgElement, attributes: Readonly<Record<string, string>>): SvgElement[] {
  return descendants(root)
    .filter(
      (element) =>
        element.name === 'g' &&
        Object.entries(attributes).every(([key, value]) => element.attributes.get(key) === value),
    )
    .flatMap(({ children }) => children);
}

export const textsOf = (root: SvgElement): string[] =>
  descendants(root)
    .filter(({ name }) => name === 'text')
    .map(({ text }) => text);

export const numberOf = (element: SvgElement, attribute: string): number =>
  Number(element.attributes.get(attribute));
