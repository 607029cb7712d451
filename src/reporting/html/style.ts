import { PAGE_THEME } from '../plot.ts';

/** The page's whole style sheet. */
export const STYLE = `${PAGE_THEME}
  :root { color-scheme: light dark; --soft: #f6f8fa; }
  @media (prefers-color-scheme: dark) { :root { --soft: #161b22; } }
  html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--background); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
  main, header, nav, footer { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
  header { padding-top: 28px; }
  footer { padding-bottom: 40px; color: var(--muted); font-size: 14px; }
  h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; }
  h2 { font-size: 22px; margin: 48px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--grid); }
  h3 { font-size: 17px; margin: 24px 0 8px; }
  p { max-width: 75ch; margin: 8px 0; }
  a { color: var(--accent); }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  .skip { position: absolute; left: -9999px; }
  .skip:focus { left: 12px; top: 8px; padding: 8px 12px; background: var(--background); z-index: 1; }
  .tags { list-style: none; display: flex; flex-wrap: wrap; gap: 8px; padding: 0; margin: 12px 0; font-size: 14px; }
  .tags li { background: var(--soft); border: 1px solid var(--grid); border-radius: 999px; padding: 1px 10px; }
  .verdict { font-size: 18px; border-left: 4px solid var(--accent); padding: 4px 0 4px 14px; margin: 16px 0; }
  .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 220px), 1fr)); gap: 12px; margin: 16px 0; }
  .facts div { background: var(--soft); border: 1px solid var(--grid); border-radius: 8px; padding: 10px 14px; }
  dt { color: var(--muted); font-size: 14px; }
  dd { margin: 0; font-weight: 600; }
  nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 10px 0; margin: 20px 0 0; border-top: 1px solid var(--grid); border-bottom: 1px solid var(--grid); }
  nav a { display: inline-block; padding: 4px 0; }
  .scroll { overflow-x: auto; margin: 12px 0 20px; border: 1px solid var(--grid); border-radius: 8px; }
  table { border-collapse: collapse; width: 100%; font-size: 14px; overflow-wrap: normal; }
  caption { text-align: left; color: var(--muted); padding: 8px 12px; }
  th, td { padding: 6px 12px; text-align: left; border-top: 1px solid var(--grid); vertical-align: top; white-space: nowrap; }
  td:not(.number) { white-space: normal; min-width: 16ch; overflow-wrap: anywhere; }
  thead th { background: var(--soft); }
  tbody th { font-weight: 600; }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
  th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-decoration: underline dotted; }
  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 16px; align-items: start; }
  figure { margin: 0; border: 1px solid var(--grid); border-radius: 8px; overflow-x: auto; }
  figure svg { display: block; width: 100%; height: auto; }
  figure.narrow svg { max-width: 560px; margin: 0 auto; }
  figure.wide { grid-column: 1 / -1; }
  figure.wide svg { min-width: 640px; max-width: 960px; margin: 0 auto; }
  figure text { white-space: pre; }
  code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 14px; }
  pre { background: var(--soft); border: 1px solid var(--grid); border-radius: 8px; padding: 12px 14px; white-space: pre-wrap; }
  li { margin: 4px 0; }
  @media print { nav, .skip { display: none; } figure, .scroll { break-inside: avoid; } }
`;

/** Lets a reader sort tables by a column; the page is whole without it. */
export const SCRIPT = `
for (const table of document.querySelectorAll('table[data-sortable]')) {
  table.querySelectorAll('thead th').forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      for (const other of table.querySelectorAll('thead th')) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const key = (row) => row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [Number(key(a)), Number(key(b))];
        return Number.isNaN(x) || Number.isNaN(y) ? key(a).localeCompare(key(b)) : x - y;
      });
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
  });
}
`;
