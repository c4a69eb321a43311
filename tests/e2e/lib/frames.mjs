// A WebSocket of which every byte is the test's (RFC 6455, section 5).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { until } from './server.mjs';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** A request to upgrade, with these fields instead of the right ones. */
export function upgrade(path, headers = {}) {
    const all = {
        Host: 'x',
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': KEY,
        ...headers,
    };
    const lines = Object.entries(all).map(([k, v]) => `${k}: ${v}\r\n`);
    return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A client's frame. */
export function frame(first, payload = Buffer.alloc(0), { masked = true } = {}) {
    const key = masked ? randomBytes(4) : Buffer.alloc(0);
    const n = payload.length;
    const size = n < 126 ? Buffer.from([n]) : Buffer.from([126, n >> 8, n & 255]);
    size[0] |= masked ? 0x80 : 0;
    const body = Buffer.from(payload);
    if (masked) for (let i = 0; i < n; i++) body[i] ^= key[i % 4];
    return Buffer.concat([Buffer.from([first]), size, key, body]);
}

/** The code of the first close frame in what a server sent behind the head of its answer; undefined: none is whole. */
function closeCode(bytes) {
    let at = 0;
    while (at + 2 <= bytes.length) {
        let [head, size] = [2, bytes[at + 1] & 127];
        if (size === 126) [head, size] = [4, at + 4 <= bytes.length ? bytes.readUInt16BE(at + 2) : 0];
        else if (size === 127) [head, size] = [10, at + 10 <= bytes.length ? Number(bytes.readBigUInt64BE(at + 2)) : 0];
        if (at + head + size > bytes.length) return undefined;
        if ((bytes[at] & 15) === 8) return size >= 2 ? bytes.readUInt16BE(at + head) : 1005;
        at += head + size;
    }
    return undefined;
}

/** Upgrades, sends these bytes, and waits for the close frame, whose code is returned, and for the end. */
export async function closedWith(server, path, bytes) {
    const s = connect(server.port, '127.0.0.1');
    const parts = [];
    s.on('error', () => {});
    s.on('data', (d) => parts.push(d));
    await once(s, 'connect');
    s.write(upgrade(path));
    const got = () => Buffer.concat(parts);
    await until('the upgrade', () => got().includes('\r\n\r\n'));
    assert.ok(got().includes(ACCEPT), got().toString('latin1'));
    const end = once(s, 'end');
    s.write(bytes);
    const body = () => got().subarray(got().indexOf('\r\n\r\n') + 4);
    const code = await until('a close frame', () => closeCode(body()));
    await end;
    s.destroy();
    return code;
}
