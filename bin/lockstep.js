#!/usr/bin/env node
import { existsSync } from 'node:fs';

const ENVIRONMENT = 4;
const main = new URL('../dist/cli/main.js', import.meta.url);
const [major, minor] = process.versions.node.split('.').map(Number);

function refuse(sentence) {
  process.stderr.write(`error: ${sentence}\n`);
  process.exitCode = ENVIRONMENT;
}

if (major < 20 || (major === 20 && minor < 17)) {
  refuse(`Lockstep needs Node 20.17 or later, and this is ${process.versions.node}: install a newer Node.`);
} else if (!existsSync(main)) {
  refuse('Lockstep is not built: run `npm run build` in its folder.');
} else {
  import(main.href).then((cli) => cli.main(process.argv));
}
