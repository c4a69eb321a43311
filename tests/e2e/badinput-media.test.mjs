// timeout: 180
// A peer that is let in and then sends nonsense, as publisher and as viewer, during a call of others: not a packet of
// theirs is lost or changed, and the server grows no larger by it.
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Bystanders } from './lib/bystanders.mjs';
import { Peer, vp8Payload } from './lib/peer.mjs';

const RIDS = ['q', 'h', 'f'];
const MID = 4;
const RID = 10;
const REPAIRED = 11;
const DEPENDENCY = 12;
const GROWN = 8 << 20; // bytes that the server may grow by from one round to the next: nothing is kept of any of this

let call, eve, video;

before(async () => {
    call = await Bystanders.start();
    eve = await Peer.join(call.server, {
        room: 'call',
        identity: 'eve',
        publish: ['vp8'],
        shape(m) {
            for (const [id, name] of [
                [MID, 'urn:ietf:params:rtp-hdrext:sdes:mid'],
                [RID, 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id'],
                [REPAIRED, 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id'],
                [DEPENDENCY, 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension'],
            ])
                m.parseSdpLine(`a=extmap:${id} ${name}`);
            for (const rid of RIDS) m.parseSdpLine(`a=rid:${rid} send`);
            m.parseSdpLine(`a=simulcast:send ${RIDS.join(';')}`);
        },
    });
    [video] = eve.sent;
    await eve.receives(call.ada.sent[1].sid, 10);
});

after(async () => {
    await eve.leave();
    await call.stop();
});

// ---- what is sent ----

const one = (of) => of[randomInt(of.length)];
const u32 = () => randomInt(2 ** 32);

/** RFC 8285, two-byte form, as it takes any length. */
function extensions(list) {
    const body = Buffer.concat(list.map(([id, value]) => Buffer.concat([Buffer.from([id, value.length]), Buffer.from(value)])));
    const words = Math.ceil(body.length / 4);
    const b = Buffer.alloc(4 + 4 * words);
    b.writeUInt16BE(0x1000, 0);
    b.writeUInt16BE(words, 2);
    body.copy(b, 4);
    return b;
}

const numbers = new Map(); // by SSRC: its own library sends none that is older

function rtp({ pt = video.pt, timestamp = u32(), ssrc = video.ssrc, exts, payload = vp8Payload(1, true), first = 0x80 }) {
    const b = Buffer.alloc(12);
    b[0] = first | (exts ? 0x10 : 0);
    b[1] = pt;
    const seq = ((numbers.get(ssrc) ?? randomInt(1000)) + (randomInt(20) ? 1 : randomInt(300))) & 0xffff;
    numbers.set(ssrc, seq);
    b.writeUInt16BE(seq, 2);
    b.writeUInt32BE(timestamp, 4);
    b.writeUInt32BE(ssrc, 8);
    return Buffer.concat([b, exts ?? Buffer.alloc(0), payload]);
}

function rtcp(type, count, body, words = body.length / 4) {
    const b = Buffer.alloc(4);
    b[0] = 0x80 | count;
    b[1] = type;
    b.writeUInt16BE(words, 2);
    return Buffer.concat([b, body]);
}

/** Feedback about a stream: the two SSRCs, and what follows. */
function feedback(type, format, media, rest = Buffer.alloc(0)) {
    const b = Buffer.alloc(8);
    b.writeUInt32BE(1, 0);
    b.writeUInt32BE(media, 4);
    return rtcp(type, format, Buffer.concat([b, rest]));
}

let sent = 0;

/** Sends n packets of a kind on a track, leaving time to others. */
async function flood(track, n, make) {
    for (let i = 0; i < n; i++) {
        track.sendMessageBinary(make(i));
        sent++;
        if (i % 20 === 19) await setImmediate();
    }
}

// ---- and what must come of it ----

function memory() {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${call.server.child.pid}/status`, 'utf8'))[1]);
}

/** Runs fn twice: others get every packet of the call, in order and as it was; the second time nothing grows. */
async function undisturbed(t, fn) {
    const { ada, bob } = call;
    const sizes = [];
    for (let round = 0; round < 2; round++) {
        const from = ada.sent.map((m) => bob.incomingTrack(m.sid).rtp.length);
        await call.harmless(fn);
        await Promise.all(ada.sent.map((m) => bob.receives(m.sid, 20)));
        for (const [i, m] of ada.sent.entries()) {
            const got = bob.incomingTrack(m.sid).rtp.slice(from[i]);
            for (let k = 1; k < got.length; k++) {
                assert.equal(got[k].seq, (got[k - 1].seq + 1) & 0xffff, `${m.codec}: one behind the other`);
                if (m.kind !== 'video') continue;
                const [a, b] = [got[k - 1], got[k]].map((p) => p.payload.readUInt16BE(2) & 0x7fff);
                assert.equal(b, (a + 1) & 0x7fff, 'pictures too');
                assert.equal(got[k].payload.length, 200);
            }
        }
        sizes.push(memory());
    }
    t.diagnostic(`${sent} packets so far; ${sizes.map((s) => (s / 1e6).toFixed(1)).join(', ')} MB`);
    if (!process.env.SANITIZE) assert.ok(sizes[1] - sizes[0] < GROWN, `${sizes}`);
}

const mid = (id = video.mid) => [MID, Buffer.from(id)];
const rid = (name, id = RID) => [id, Buffer.from(name)];

test('rids that appear and vanish, on more sources than there can be', (t) =>
    undisturbed(t, async () => {
        await flood(video.track, 3000, (i) => rtp({ ssrc: u32(), exts: extensions([mid(), rid(one([...RIDS, 'zz', '', 'q'.repeat(40)]))]) }));
        await flood(video.track, 1000, (i) => rtp({ ssrc: 1000 + (i % 3), exts: extensions([mid(), rid(RIDS[Math.floor(i / 50) % 3])]), timestamp: 3000 * i }));
        await flood(video.track, 1000, () => rtp({ ssrc: u32(), exts: extensions([mid(), rid(one(RIDS), REPAIRED)]) }));
    }));

test('payload types that were never agreed on, sections that there are not', (t) =>
    undisturbed(t, async () => {
        await flood(video.track, 2000, (i) => rtp({ pt: i % 128, ssrc: one([video.ssrc, u32()]) }));
        await flood(video.track, 1000, () => rtp({ ssrc: u32(), exts: extensions([mid(one(['0', '99', 'nobody', ''])), rid('q')]) }));
    }));

test('descriptors and extensions that are cut short, too long, or noise', (t) =>
    undisturbed(t, async () => {
        const described = (value) => rtp({ ssrc: 2000, exts: extensions([mid(), rid('h'), [DEPENDENCY, value]]) });
        await flood(video.track, 2000, (i) => {
            const value = randomBytes(randomInt(1, 120));
            if (i % 2) value[0] |= 0xc0; // a frame's begin and end
            if (i % 4 === 1 && value.length > 3) value[3] |= 0x80; // a template structure
            return described(value);
        });
        await flood(video.track, 1000, () => rtp({ payload: randomBytes(randomInt(0, 12)) }));
        await flood(video.track, 1000, (i) => {
            const exts = extensions([mid(), [DEPENDENCY, randomBytes(20)]]);
            exts[5] = randomInt(256); // the length of the first
            if (i % 3 === 0) exts.writeUInt16BE(0xbede, 0); // read in the other form
            return rtp({ exts, payload: randomBytes(30) });
        });
        await flood(video.track, 500, () => rtp({ first: 0xa0, payload: Buffer.concat([randomBytes(20), Buffer.from([randomInt(256)])]) })); // padding
    }));

test('another codec and another size with every frame', async (t) => {
    const came = () => call.bob.incomingTrack(video.sid)?.rtp.length ?? 0;
    const before = came();
    await undisturbed(t, () =>
        flood(video.track, 2000, (i) => {
            const payload = vp8Payload(i, true, 60);
            payload.writeUInt16LE(1 + (i % 4000), 10);
            return rtp({ ssrc: 3000 + (i % 2), timestamp: 3000 * i, exts: extensions([mid(), rid(RIDS[i % 3])]), payload });
        }),
    );
    t.diagnostic(`${came() - before} packets forwarded`);
    assert.ok(came() - before > 200, 'and what can be read is forwarded');
});

test('feedback that is forged, absurd, and too much', (t) => {
    const incoming = eve.incomingTrack(call.ada.sent[1].sid);
    const media = incoming.rtp.at(-1).ssrc;
    const about = () => one([media, media, u32()]);
    return undisturbed(t, async () => {
        const { track } = incoming;
        await flood(track, 2000, (i) => {
            const rest = randomBytes(8 + 4 * randomInt(200)); // base, count, reference time, chunks
            if (i % 3 === 0) rest.writeUInt16BE(0xffff, 2);
            return feedback(205, 15, about(), rest);
        });
        await flood(track, 1000, (i) => {
            const asked = Buffer.alloc(4 * 250); // 17 numbers each
            for (let k = 0; k < 250; k++) asked.writeUInt32BE(((((i * 250 + k) * 17) & 0xffff) * 65536 + 0xffff) >>> 0, 4 * k);
            return feedback(205, 1, about(), asked);
        });
        await flood(track, 2000, (i) => {
            if (i % 2) return feedback(206, 1, about());
            const fir = Buffer.alloc(8);
            fir.writeUInt32BE(about(), 0);
            fir[4] = i & 0xff;
            return feedback(206, 4, 0, fir);
        });
        await flood(track, 500, (i) => {
            const remb = Buffer.from('REMB\x01\xff\xff\xff\0\0\0\0', 'latin1'); // as much as can be written, or nothing
            if (i % 2) remb.fill(0, 5, 8);
            remb.writeUInt32BE(about(), 8);
            return feedback(206, 15, 0, remb);
        });
        await flood(track, 1000, () => rtcp(one([200, 201, 202, 203, 204, 207]), randomInt(32), randomBytes(4 * randomInt(1, 60))));
        await flood(track, 500, () => rtcp(one([205, 206]), randomInt(32), randomBytes(4 * randomInt(1, 60)), randomInt(65536)));
    });
});

test('and who did all that still hears them', () => eve.receives(call.ada.sent[0].sid, 20));
