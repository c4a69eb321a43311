// STUN messages by hand (RFC 8489), right or wrong as a test wants them.
import { createHmac, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const MAGIC = 0x2112a442;

function attribute(type, value) {
    const b = Buffer.alloc(4 + ((value.length + 3) & ~3));
    b.writeUInt16BE(type, 0);
    b.writeUInt16BE(value.length, 2);
    Buffer.from(value).copy(b, 4);
    return b;
}

/** A binding request. key: for MESSAGE-INTEGRITY, none without; fingerprint: whether there is one. */
export function request({ user, key, type = 0x0001, fingerprint = true, extra = [], id = randomBytes(12) }) {
    const parts = [];
    if (user !== undefined) parts.push(attribute(0x0006, Buffer.from(user)));
    parts.push(attribute(0x0024, Buffer.from([0x6e, 0x7f, 0xff, 0xff]))); // PRIORITY
    parts.push(attribute(0x802a, randomBytes(8))); // ICE-CONTROLLING
    for (const [t, v] of extra) parts.push(attribute(t, v));
    const message = (more) => {
        const body = Buffer.concat(parts);
        const head = Buffer.alloc(20);
        head.writeUInt16BE(type, 0);
        head.writeUInt16BE(body.length + more, 2);
        head.writeUInt32BE(MAGIC, 4);
        id.copy(head, 8);
        return Buffer.concat([head, body]);
    };
    if (key !== undefined) parts.push(attribute(0x0008, createHmac('sha1', key).update(message(24)).digest()));
    if (fingerprint) {
        const b = Buffer.alloc(4);
        b.writeUInt32BE((crc32(message(8)) ^ 0x5354554e) >>> 0, 0);
        parts.push(attribute(0x8028, b));
    }
    return message(0);
}

/** {type, id, error}: what a reply says. */
export function reply(b) {
    const out = { type: b.readUInt16BE(0), id: b.subarray(8, 20), length: b.length };
    for (let at = 20; at + 4 <= b.length; at += 4 + ((b.readUInt16BE(at + 2) + 3) & ~3))
        if (b.readUInt16BE(at) === 0x0009) out.error = b[at + 6] * 100 + b[at + 7];
    return out;
}
