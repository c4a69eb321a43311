// Starts a Fanlight server of its own for a test file, and stops it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { AccessToken } from 'livekit-server-sdk';

const top = fileURLToPath(new URL('../../../', import.meta.url));
export const binary = process.env.FANLIGHT || `${top}build/fanlight`;
export const slow = process.env.SANITIZE ? 3 : 1; // sanitizers take their time

/** An address of this machine that is not loopback; Firefox gathers no other. */
export function ownAddress() {
    for (const list of Object.values(networkInterfaces()))
        for (const a of list) if (a.family === 'IPv4' && !a.internal) return a.address;
    return '127.0.0.1';
}

/** A port with some free ones behind it, as --port wants. */
async function freeBlock() {
    for (let tries = 0; tries < 50; tries++) {
        const base = 20000 + Math.floor(Math.random() * 1270) * 10; // from 32768 on ports are anybody's (ip_local_port_range)
        if (await isFree(base)) return base;
    }
    throw new Error('no free port');
}

async function isFree(port) {
    const probe = createServer();
    try {
        probe.listen(port, '::');
        await once(probe, 'listening');
        return true;
    } catch {
        return false;
    } finally {
        probe.close();
    }
}

export class Server {
    /**
     * @param {{args?: string[], port?: number, host?: string, wrap?: string[]}} options
     * wrap: a command that runs the server, as ['ip', 'netns', 'exec', NAME]; host: where it is reached then
     */
    static async start(options = {}) {
        const s = new Server();
        s.port = options.port ?? (await freeBlock());
        s.host = options.host ?? 'localhost';
        s.log = '';
        const command = [...(options.wrap ?? []), binary];
        s.child = spawn(command[0], [...command.slice(1), '--dev', '--port', String(s.port), '--set', `http.web_root=${top}web/dist`, ...(options.args ?? [])], {
            stdio: ['ignore', 'pipe', 'pipe'],
        });
        s.exited = once(s.child, 'exit').then(([code, signal]) => (s.status = { code, signal }));
        for (const stream of [s.child.stdout, s.child.stderr])
            stream.setEncoding('utf8').on('data', (text) => (s.log += text));
        await s.ready();
        return s;
    }

    get http() {
        return `http://${this.host}:${this.port}`;
    }

    get ws() {
        return `ws://${this.host}:${this.port}`;
    }

    async ready() {
        const end = Date.now() + 10000 * slow;
        while (Date.now() < end) {
            if (this.status) throw new Error(`server ended: ${JSON.stringify(this.status)}\n${this.log}`);
            try {
                if ((await fetch(`${this.http}/health`)).ok) return;
            } catch {
                /* not listening yet */
            }
            await new Promise((r) => setTimeout(r, 20));
        }
        throw new Error(`server does not answer\n${this.log}`);
    }

    /** SIGTERM, and the end of the process. Resolves to {code, signal}. */
    async stop() {
        if (!this.status) this.child.kill('SIGTERM');
        const timer = setTimeout(() => this.child.kill('SIGKILL'), 10000 * slow);
        const status = await this.exited;
        clearTimeout(timer);
        return status;
    }

    async createRoom(body = {}) {
        const r = await fetch(`${this.http}/api/rooms`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify(body),
        });
        if (r.status !== 201) throw new Error(`POST /api/rooms: ${r.status} ${await r.text()}`);
        return r.json();
    }
}

/** A token of the development key. */
export function token(identity, room, grants = {}, options = {}) {
    const t = new AccessToken('devkey', 'secret', { identity, ttl: 3600, ...options });
    t.addGrant({ roomJoin: true, room, ...grants });
    return t.toJwt();
}

/** How long tasks of this machine have waited for a processor since it started, in ms; 0 where nobody counts. */
function starved() {
    try {
        return Number(/^some .* total=(\d+)/m.exec(readFileSync('/proc/pressure/cpu', 'utf8'))[1]) / 1000;
    } catch {
        return 0;
    }
}

/**
 * For what has to be quick: the result tells the ms since the call, without those in which somebody waited for a
 * processor, so that other work on this machine does not count.
 */
export function stopwatch() {
    const [began, before] = [performance.now(), starved()];
    return () => Math.round(performance.now() - began - (starved() - before));
}

/** Polls until fn returns something truthy; the last value or error is told when it never does. */
export async function until(what, fn, ms = 15000) {
    const end = Date.now() + ms * slow;
    let last;
    while (Date.now() < end) {
        try {
            last = await fn();
            if (last) return last;
        } catch (e) {
            last = e;
        }
        await new Promise((r) => setTimeout(r, 100));
    }
    throw new Error(`never: ${what} (last: ${last instanceof Error ? last.stack : JSON.stringify(last)})`);
}
