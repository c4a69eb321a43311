// A network namespace for the server, joined to ours by two links, so that every peer has two paths to it.
import { execFileSync } from 'node:child_process';

const run = (...args) => execFileSync(args[0], args.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }).toString();

export class TwoPaths {
    /** Ours is 10.213.N.1, the server's 10.213.N.2, for N = 1 and 2. Needs root. */
    static open() {
        const n = new TwoPaths();
        n.name = `fanlight-${process.pid}`;
        n.close();
        run('ip', 'netns', 'add', n.name);
        n.exec('ip', 'link', 'set', 'lo', 'up');
        for (const i of [1, 2]) {
            run('ip', 'link', 'add', `fl${i}`, 'type', 'veth', 'peer', 'name', 'path' + i, 'netns', n.name);
            run('ip', 'addr', 'add', `10.213.${i}.1/24`, 'dev', `fl${i}`);
            run('ip', 'link', 'set', `fl${i}`, 'up');
            n.exec('ip', 'addr', 'add', `10.213.${i}.2/24`, 'dev', 'path' + i);
            n.exec('ip', 'link', 'set', 'path' + i, 'up');
        }
        n.exec('nft', 'add', 'table', 'inet', 'test');
        n.exec('nft', 'add', 'chain', 'inet', 'test', 'in', '{ type filter hook input priority 0 ; }');
        n.exec('nft', 'add', 'chain', 'inet', 'test', 'out', '{ type filter hook output priority 0 ; }');
        return n;
    }

    exec(...args) {
        return run('ip', 'netns', 'exec', this.name, ...args);
    }

    get wrap() {
        return ['ip', 'netns', 'exec', this.name];
    }

    /** No UDP gets through path i (1 or 2), or through none (0). */
    blockUdp(i) {
        const at = (dir) => (i ? [dir, 'path' + i] : []);
        this.exec('nft', 'add', 'rule', 'inet', 'test', 'in', ...at('iifname'), 'meta', 'l4proto', 'udp', 'drop');
        this.exec('nft', 'add', 'rule', 'inet', 'test', 'out', ...at('oifname'), 'meta', 'l4proto', 'udp', 'drop');
    }

    unblock() {
        this.exec('nft', 'flush', 'chain', 'inet', 'test', 'in');
        this.exec('nft', 'flush', 'chain', 'inet', 'test', 'out');
    }

    /** Our addresses, the last byte of which is 1, become other ones (9), and back. */
    moveClients(from = 1, to = 9) {
        for (const i of [1, 2]) {
            run('ip', 'addr', 'add', `10.213.${i}.${to}/24`, 'dev', `fl${i}`);
            run('ip', 'addr', 'del', `10.213.${i}.${from}/24`, 'dev', `fl${i}`);
            run('ip', 'addr', 'replace', `10.213.${i}.${to}/24`, 'dev', `fl${i}`);
        }
    }

    moveClientsBack() {
        this.moveClients(9, 1);
    }

    close() {
        for (const args of [
            ['ip', 'netns', 'del', this.name],
            ['ip', 'link', 'del', 'fl1'],
            ['ip', 'link', 'del', 'fl2'],
        ])
            try {
                run(...args);
            } catch {
                /* it was not there */
            }
    }
}
