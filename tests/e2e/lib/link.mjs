// A bad network between a browser and the server: the proxy of tests/net/.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { binary } from './server.mjs';

/** A UDP port that nobody has. */
export async function freeUdpPort() {
    const s = createSocket('udp6');
    s.bind(0);
    await once(s, 'listening');
    const { port } = s.address();
    s.close();
    await once(s, 'close');
    return port;
}

export class Link {
    /** In front of a UDP port of the server; both ways as words say (tests/net/README.md). */
    static async start(port, { up = '', down = '' } = {}) {
        const l = new Link();
        const args = ['--listen', '127.0.0.1:0', '--to', `127.0.0.1:${port}`, '--stdin', '--seed', '1'];
        if (up) args.push('--up', up);
        if (down) args.push('--down', down);
        l.child = spawn(`${dirname(binary)}/tests/net/fanlight-link`, args, { stdio: ['pipe', 'pipe', 'inherit'] });
        l.exited = once(l.child, 'exit');
        l.lines = createInterface({ input: l.child.stdout })[Symbol.asyncIterator]();
        l.port = Number((await l.line()).split(':').at(-1));
        return l;
    }

    async line() {
        const { value, done } = await this.lines.next();
        if (done) throw new Error('the link is gone');
        return value;
    }

    /** "down rate=500k", "stats": its answer. */
    async say(command) {
        this.child.stdin.write(`${command}\n`);
        return this.line();
    }

    async stop() {
        this.child.stdin.end();
        await this.exited;
    }

    /** To be run in a page before anything else: media goes to this port instead of the server's, and nowhere else. */
    get detour() {
        return `{
            const way = (text) =>
                text.replace(/^(a=)?candidate:.*$\\r?\\n?/gm, (line) => {
                    const c = line.trimEnd().split(' ');
                    if (c[2].toLowerCase() !== 'udp' || c[4].includes(':')) return '';
                    c[4] = '127.0.0.1';
                    c[5] = '${this.port}';
                    return c.join(' ') + line.slice(line.trimEnd().length);
                });
            const Native = RTCPeerConnection.prototype;
            const { setRemoteDescription, addIceCandidate } = Native;
            Native.setRemoteDescription = function (d, ...more) {
                return setRemoteDescription.call(this, { type: d.type, sdp: way(d.sdp) }, ...more);
            };
            Native.addIceCandidate = function (c, ...more) {
                const candidate = c?.candidate && way(c.candidate);
                if (c?.candidate && !candidate) return Promise.resolve();
                return addIceCandidate.call(this, candidate ? { ...c.toJSON?.() ?? c, candidate } : c, ...more);
            };
        }`;
    }
}
