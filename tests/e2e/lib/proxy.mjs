// A TCP relay in front of the server's HTTP port: what a broken network does to signalling, and not to media.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Proxy {
    static async start(port) {
        const p = new Proxy();
        p.open = true; // whether new connections are let through
        p.pairs = new Set();
        p.listener = createServer((client) => {
            if (!p.open) {
                client.destroy();
                return;
            }
            const server = connect(port, '127.0.0.1');
            const pair = [client, server];
            p.pairs.add(pair);
            for (const [from, to] of [pair, [server, client]]) {
                from.on('data', (data) => {
                    if (!p.mute) to.write(data);
                });
                from.on('end', () => to.end());
                from.on('error', () => {});
                from.on('close', () => {
                    to.destroy();
                    p.pairs.delete(pair);
                });
            }
        });
        p.listener.listen(0, '::');
        await once(p.listener, 'listening');
        p.http = `http://localhost:${p.listener.address().port}`;
        return p;
    }

    /** Ends all connections, and lets nobody in until restore. */
    cut() {
        this.open = false;
        for (const pair of this.pairs) for (const s of pair) s.resetAndDestroy();
    }

    /** Connections stay, and nothing gets through them any more. */
    silence() {
        this.mute = true;
    }

    restore() {
        for (const pair of this.mute ? this.pairs : []) for (const s of pair) s.destroy();
        this.open = true;
        this.mute = false;
    }

    async stop() {
        this.cut();
        this.listener.close();
        await once(this.listener, 'close');
    }
}
