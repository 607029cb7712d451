import type { TreeEnsemble } from '../engine.ts';
import { Buffers, concat } from './buffers.ts';
import { NODE, NONE, UNIT } from './layout.ts';
import { Program, shareRows } from './program.ts';
import type { Resident } from './resident.ts';

/** The nodes of trees `first` to `end` in the form that training leaves them in. */
function packNodes(trees: TreeEnsemble, first: number, end: number): Uint32Array {
  const start = trees.treeStart[first]!;
  const nodes = trees.treeStart[end]! - start;
  const words = new Uint32Array(nodes * NODE.size);
  for (let n = 0; n < nodes; n++) {
    const node = start + n;
    const at = n * NODE.size;
    const feature = trees.feature[node]!;
    const set = trees.catIndex[node]!;
    words[at + NODE.feature] = feature < 0 ? NONE : feature;
    words[at + NODE.split] =
      trees.splitBin[node]! | (trees.missingLeft[node]! << 8) | (set >= 0 ? 1 << 9 : 0);
    words[at + NODE.left] = trees.left[node]!;
    words[at + NODE.leaf] = trees.leaf[node]!;
    if (set >= 0) words.set(trees.catSets.subarray(set * 8, set * 8 + 8), at + NODE.codes);
  }
  return words;
}

/** A unit for each of the trees `first` to `end`. */
function packUnits(trees: TreeEnsemble, first: number, end: number, rows: number): Uint32Array {
  const units = Array.from({ length: end - first }, (_, t) => {
    const words = new Uint32Array(UNIT.size);
    words[UNIT.class] = (first + t) % trees.classes;
    words[UNIT.classes] = trees.classes;
    words[UNIT.positions] = rows;
    words[UNIT.nodes] = trees.treeStart[first + t]! - trees.treeStart[first]!;
    return words;
  });
  return concat(Uint32Array, units);
}

/** The ends of stretches of whole rounds whose nodes fit together; a round is taken whatever it needs. */
function stretchesOf({ treeStart, classes }: TreeEnsemble, mostNodes: number): number[] {
  const trees = treeStart.length - 1;
  const ends: number[] = [];
  let first = 0;
  for (let end = classes; end <= trees; end += classes) {
    const next = Math.min(end + classes, trees);
    if (end === trees || treeStart[next]! - treeStart[first]! > mostNodes) {
      ends.push(end);
      first = end;
    }
  }
  return ends;
}

/** Margins of rows by number, (rows, classes), row-major. */
export async function predictMargins(
  resident: Resident,
  trees: TreeEnsemble,
  rows: Uint32Array,
): Promise<Int32Array> {
  const { classes } = trees;
  const rowsAtATime = Math.max(1, Math.floor(resident.scratchBytes / (4 * classes)));
  const margins = new Int32Array(rows.length * classes);
  for (let first = 0; first < rows.length; first += rowsAtATime) {
    const part = rows.slice(first, first + rowsAtATime);
    margins.set(await predictPart(resident, trees, part), first * classes);
  }
  return margins;
}

async function predictPart(resident: Resident, trees: TreeEnsemble, rows: Uint32Array): Promise<Int32Array> {
  const { device, bins } = resident;
  const { classes, baseMargins } = trees;
  const buffers = new Buffers(device);
  const read = device.createBuffer({
    size: rows.length * classes * 4,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  try {
    const margins = Int32Array.from({ length: rows.length * classes }, (_, i) => baseMargins[i % classes]!);
    buffers.upload('margins', margins, GPUBufferUsage.COPY_SRC);
    buffers.upload('tables', rows);
    let first = 0;
    for (const end of stretchesOf(trees, resident.scratchBytes / (NODE.size * 4))) {
      buffers.upload('units', packUnits(trees, first, end, rows.length));
      buffers.upload('nodes', packNodes(trees, first, end));
      const program = new Program(resident);
      const bound = ['units', 'nodes', 'tables'].map((name) => buffers.get(name));
      for (let unit = 0; unit < end - first; unit += classes) {
        const pass = program.pass({ first: unit });
        program.run(
          'addLeaves',
          pass,
          [...bound, bins, buffers.get('margins')],
          shareRows(rows.length, classes),
          classes,
        );
      }
      program.seal();
      const encoder = device.createCommandEncoder();
      program.encode(encoder, 0);
      device.queue.submit([encoder.finish()]);
      program.dispose();
      first = end;
    }
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffers.get('margins'), 0, read, 0, read.size);
    device.queue.submit([encoder.finish()]);
    await resident.settled(read.mapAsync(GPUMapMode.READ));
    return new Int32Array(read.getMappedRange().slice(0));
  } finally {
    read.destroy();
    buffers.dispose();
  }
}
