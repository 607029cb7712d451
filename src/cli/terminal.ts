/** Foreground colours by their ANSI codes. */
const COLOURS = { red: 31, yellow: 33 } as const;

/** The text in a colour where the stream is a terminal and NO_COLOR is not set, else as it is. */
export function coloured(colour: keyof typeof COLOURS, text: string, stream: NodeJS.WriteStream): string {
  return stream.isTTY && !process.env.NO_COLOR ? `\u001b[${COLOURS[colour]}m${text}\u001b[39m` : text;
}

/** Writes a result: a line, or several, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes the one JSON object of a command to stdout; NaN and infinities become null. */
export function printJson(value: object): void {
  print(JSON.stringify(value, null, 2));
}

/** Writes a remark on stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes `error: …` on stderr. */
export function printError(message: string): void {
  note(`${coloured('red', 'error:', process.stderr)} ${message}`);
}

/** Columns padded to the widest cell, two spaces apart; `right` counts from the end those that are aligned right. */
export function table(rows: readonly (readonly string[])[], right = 0): string {
  const width = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: width }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const cell = (text: string, i: number) =>
    i >= width - right ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
