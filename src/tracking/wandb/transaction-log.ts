import { crc32 } from 'node:zlib';

const BLOCK_BYTES = 32768;
const HEADER_BYTES = 7;
/** `:W&B`, the number 0xBEE1 and version 0. */
const FILE_HEADER = Buffer.from([0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0]);

/** Kinds of fragments, as LevelDB numbers them. */
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

/**
 * The bytes of a W&B transaction log: LevelDB's log format (doc/log_format.md) with a file header and a plain CRC-32.
 * Records are cut at blocks of 32 KiB, which count from the start of the file.
 */
export function transactionLog(records: Iterable<Uint8Array>): Buffer {
  const parts: Uint8Array[] = [FILE_HEADER];
  let offset = FILE_HEADER.length;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    offset += bytes.length;
  };
  for (const record of records) {
    let rest = record;
    let isFirst = true;
    while (isFirst || rest.length > 0) {
      const left = BLOCK_BYTES - (offset % BLOCK_BYTES);
      if (left < HEADER_BYTES) add(Buffer.alloc(left));
      const room = (left < HEADER_BYTES ? BLOCK_BYTES : left) - HEADER_BYTES;
      const data = rest.subarray(0, room);
      rest = rest.subarray(room);
      const isLast = rest.length === 0;
      const type = isFirst ? (isLast ? FULL : FIRST) : isLast ? LAST : MIDDLE;
      const fragment = Buffer.concat([Buffer.alloc(HEADER_BYTES), data]);
      fragment.writeUInt16LE(data.length, 4);
      fragment[6] = type;
      // Over the type and the data at once: Node forgets the sum so far where data are empty.
      fragment.writeUInt32LE(crc32(fragment.subarray(6)), 0);
      add(fragment);
      isFirst = false;
    }
  }
  return Buffer.concat(parts);
}
