// timeout: 180
// Datagrams that make no sense, or come from nobody, during a call of others: they get an error or nothing, and the
// call goes on. ICE-TCP and data channels likewise.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { DataPacket } from '@livekit/protocol';
import { Bystanders } from './lib/bystanders.mjs';
import { Peer } from './lib/peer.mjs';
import { Relay } from './lib/relay.mjs';
import { until } from './lib/server.mjs';
import { reply, request } from './lib/stun.mjs';

let call, server, ada, bob, ports, socket, replies;

before(async () => {
    call = await Bystanders.start();
    ({ server, ada, bob } = call);
    const workers = Number(/ workers=(\d+)/.exec(server.log)[1]);
    ports = Array.from({ length: workers }, (_, i) => server.port + 2 + i);
    replies = [];
    socket = createSocket('udp4');
    socket.on('message', (b) => replies.push(Buffer.from(b)));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
});

after(async () => {
    socket.close();
    await call.stop();
});

const send = (b, port) => new Promise((resolve) => socket.send(b, port, '127.0.0.1', resolve));
const everywhere = async (b) => {
    for (const port of ports) await send(b, port);
};
const port = (p) => Number(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/.exec(p.answer.sdp)[1]);
const ufrag = (p) => /a=ice-ufrag:(\S+)/.exec(p.answer.sdp)[1];
const ofBob = (more) => request({ user: `${ufrag(bob)}:abcd`, ...more });

/** Sends a request until it is answered. */
async function ask(sent, at) {
    const id = sent.subarray(8, 20);
    const found = () => replies.find((b) => reply(b).id.equals(id));
    await until('an answer', async () => found() ?? void (await send(sent, at)));
    return found();
}

/** Nothing that fn sends is answered. Workers answer in order: what they had to say to it comes before what follows. */
async function unanswered(fn) {
    replies.length = 0;
    await fn();
    const last = ports.map(() => request({ user: 'nobody:here', key: 'x' }));
    for (const [i, port] of ports.entries()) await ask(last[i], port);
    const known = (b) => last.some((r) => r.subarray(8, 20).equals(reply(b).id));
    assert.deepEqual(replies.filter((b) => !known(b)), []);
}

test('junk of all kinds and sizes', () =>
    call.harmless(() =>
        unanswered(async () => {
            for (let first = 0; first < 256; first++)
                for (const size of [1, 2, 11, 12, 20, 100, 1200, 1472]) {
                    const b = randomBytes(size);
                    b[0] = first;
                    await everywhere(b);
                }
            await everywhere(Buffer.alloc(0));
        }),
    ));

test('STUN that is cut short, or lies about its length', () =>
    call.harmless(async () => {
        const good = ofBob({ key: 'x' });
        await unanswered(async () => {
            for (let n = 1; n < good.length; n++) await everywhere(good.subarray(0, n));
            for (const length of [0, 1, 4, good.length - 20 + 4, 0xffff]) {
                const b = Buffer.from(good);
                b.writeUInt16BE(length, 2);
                await everywhere(b);
            }
        });
        for (let i = 0; i < good.length; i++) {
            const b = Buffer.from(good);
            b[i] ^= 0xff;
            await everywhere(b);
        }
        for (const b of replies) assert.ok(b.length <= good.length);
    }));

test('an unknown user and a wrong integrity: 401, no larger than the request, nothing changes', () =>
    call.harmless(async () => {
        for (const [what, r, at] of [
            ['nobody', { user: 'Anobody:abcd', key: 'secret' }, ports[0]],
            ['a wrong key', { user: `${ufrag(bob)}:abcd`, key: 'wrong' }, port(bob)],
            ['a long name', { user: `A${'n'.repeat(200)}:abcd`, key: 'secret' }, ports[0]],
        ]) {
            const sent = request(r);
            const got = reply(await ask(sent, at));
            assert.deepEqual([got.type, got.error], [0x0111, 401], what);
            assert.ok(got.length <= sent.length, `${what}: ${got.length} for ${sent.length}`);
        }
        for (let i = 0; i < 2000; i++) await send(ofBob({ key: `wrong ${i}` }), port(bob));
    }));

test('a request without integrity: 400', async () => {
    const sent = ofBob({});
    const got = reply(await ask(sent, port(bob)));
    assert.deepEqual([got.type, got.error], [0x0111, 400]);
    assert.ok(got.length <= sent.length);
});

test('what is no request gets no answer', () =>
    call.harmless(() =>
        unanswered(async () => {
            for (const type of [0x0011, 0x0101, 0x0111, 0x0002, 0x0003]) await everywhere(ofBob({ key: 'x', type }));
            for (const b of [request({ user: 'a:b', key: 'x', fingerprint: false }), request({})]) await everywhere(b);
        }),
    ));

test('handshakes and media from an address that proved nothing, and from one that tried', () =>
    call.harmless(async () => {
        const hello = readFileSync(new URL('../vectors/clienthello/chromium-156-first-0.bin', import.meta.url));
        const media = [0x80, 0xc8].map((second) => {
            const b = randomBytes(200);
            b[0] = 0x80;
            b[1] = second;
            return b;
        });
        for (const tried of [false, true]) {
            if (tried) assert.equal(reply(await ask(ofBob({ key: 'wrong' }), port(bob))).error, 401);
            await unanswered(async () => {
                for (let i = 0; i < 200; i++) for (const b of [hello, ...media]) await everywhere(b);
            });
        }
    }));

test('every datagram of a call again, from its own address and from another one', async () => {
    const relay = await Relay.start();
    const eve = await Peer.join(server, {
        room: 'call',
        identity: 'eve',
        publish: ['opus'],
        through: (sdp) => relay.lead(sdp),
    });
    eve.stream();
    const mic = eve.sent[0].sid;
    await bob.receives(mic, 50);
    replies.length = 0;
    await call.harmless(async () => {
        const seen = relay.toServer.slice();
        assert.ok(seen.length > 60, `${seen.length}`);
        for (let round = 0; round < 3; round++)
            for (const b of seen) {
                await relay.again(b);
                await send(b, relay.port);
            }
        await Promise.all([bob.receives(mic, 50), eve.receives(ada.sent[0].sid, 50)]);
    });
    const numbers = bob.incomingTrack(mic).rtp.map((p) => p.seq);
    assert.equal(new Set(numbers).size, numbers.length, 'no packet twice');
    assert.equal(replies.filter((b) => b[0] >= 128).length, 0, 'no media for whoever repeats');
    await eve.leave();
    relay.stop();
});

test('ICE-TCP: junk, frames without end, connections that say nothing', () =>
    call.harmless(async () => {
        const framed = (b) => Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]);
        const sent = [
            [],
            [randomBytes(5000)],
            [Buffer.from([0xff, 0xff]), randomBytes(100)],
            [Buffer.from([0, 0, 0, 0, 0, 0])],
            [framed(request({ user: 'Anobody:x', key: 'y' }))],
            [framed(ofBob({ key: 'wrong' }))],
            [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
        ];
        const closed = sent.map(async (pieces, i) => {
            const s = connect(server.port + 1, '127.0.0.1');
            s.on('error', () => {});
            s.resume();
            await once(s, 'connect');
            for (const p of pieces) s.write(p);
            await until(`the end of connection ${i}`, () => s.destroyed);
        });
        await Promise.all(closed);
    }));

test('too much junk on the data channels', () =>
    call.harmless(async () => {
        const eve = await Peer.join(server, { room: 'elsewhere', identity: 'eve' });
        const value = { case: 'user', value: { payload: Buffer.alloc(1000) } };
        const packet = Buffer.from(new DataPacket({ value }).toBinary());
        for (let i = 0; i < 3000; i++) eve.channels._lossy.sendMessageBinary(i % 2 ? packet : randomBytes(300));
        await eve.signal.settled();
        await eve.leave();
    }));
