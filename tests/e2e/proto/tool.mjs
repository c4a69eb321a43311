// A program of tests/tools at the end of a pipe: one request a line, one answer a line.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { existsSync } from 'node:fs';
import path from 'node:path';

const build = process.env.FANLIGHT_BUILD ?? path.resolve(import.meta.dirname, '../../../build');

export class Tool {
  constructor(name) {
    const program = path.join(build, 'tests/tools', name);
    if (!existsSync(program)) throw new Error(`${program} is not built: make test-programs`);
    this.child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = [];
    this.status = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(signal ?? code)));
    this.status.then((status) => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error(`${name} ended: ${status}`));
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift().resolve(line));
  }

  /** The answer to one line, its first word apart. */
  async ask(line) {
    const answer = await new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(line + '\n');
    });
    const space = answer.indexOf(' ');
    return space < 0 ? [answer, ''] : [answer.slice(0, space), answer.slice(space + 1)];
  }

  /** Ends the program; 0 if all was well with it. */
  async close() {
    this.child.stdin.end();
    return this.status;
  }
}
