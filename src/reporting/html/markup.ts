/** The page of a run, below its folder and in the evidence package. */
export const REPORT_PAGE = 'reports/report.html';

/** Text as HTML shows it, also within a quoted attribute; without characters that HTML does not have. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[\p{Cs}\uFFFE\uFFFF]|(?![\t\n\r])\p{Cc}/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A table in a box that scrolls sideways and can be reached by keyboard. */
export interface TableInput {
  readonly caption: string;
  readonly head: readonly string[];
  /** The first cell of a row is its heading. */
  readonly rows: readonly (readonly string[])[];
  /** Columns of text, by number, which stand left; the first one always does. */
  readonly texts?: readonly number[];
  /** Whether the page's script may sort it. */
  readonly sortable?: boolean;
}

/** The table, all its texts escaped; nothing without rows. */
export function tableHtml({ caption, head, rows, texts = [], sortable = false }: TableInput): string {
  if (rows.length === 0) return '';
  const isText = (column: number) => column === 0 || texts.includes(column);
  const style = (column: number) => (isText(column) ? '' : ' class="number"');
  const heading = head.map((cell, i) => `<th scope="col"${style(i)}>${escapeHtml(cell)}</th>`).join('');
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) =>
        i === 0 ? `<th scope="row">${escapeHtml(cell)}</th>` : `<td${style(i)}>${escapeHtml(cell)}</td>`,
      )
      .join('');
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table${sortable ? ' data-sortable' : ''}>
<caption>${escapeHtml(caption)}</caption>
<thead><tr>${heading}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${line(row)}</tr>`).join('\n')}
</tbody></table></div>
`;
}

/** Terms and what they are, all escaped. */
export function factsHtml(facts: readonly (readonly [string, string])[]): string {
  const items = facts.map(
    ([term, text]) => `<div><dt>${escapeHtml(term)}</dt><dd>${escapeHtml(text)}</dd></div>`,
  );
  return `<dl class="facts">${items.join('')}</dl>\n`;
}

/** A chart as the page shows it: without a style of its own, wide ones in a box that scrolls. */
export function chartHtml(svg: string): string {
  const title = /<title>([^<]*)<\/title>/.exec(svg)?.[1] ?? 'Chart';
  const width = Number(/ width="(\d+)"/.exec(svg)?.[1]);
  const plain = svg.replace(/<style>[\s\S]*?<\/style>/, '').trim();
  const isWide = width > WIDE_FROM;
  return `<figure class="${isWide ? 'wide' : 'narrow'}"${isWide ? ` tabindex="0" role="group" aria-label="${title}"` : ''}>${plain}</figure>\n`;
}

/** Pixels from which a chart takes a line of its own. */
const WIDE_FROM = 500;
