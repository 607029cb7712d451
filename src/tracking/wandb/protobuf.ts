/** Wire types of protobuf's encoding. */
const VARINT = 0;
const BYTES = 2;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** A field of protobuf's wire format that holds an integer from 0 to 2^53 − 1. */
export function integerField(number: number, value: number): Buffer {
  return Buffer.from([...varint(number * 8 + VARINT), ...varint(value)]);
}

/** A field that holds a text, or a message of the given fields. */
export function field(number: number, content: string | readonly Buffer[]): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.concat(content);
  return Buffer.concat([Buffer.from([...varint(number * 8 + BYTES), ...varint(bytes.length)]), bytes]);
}
