// timeout: 180
// Signalling that makes no sense, during a call of others: who sends it is told and closed, and the call goes on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { SignalRequest } from '@livekit/protocol';
import { Bystanders } from './lib/bystanders.mjs';
import { closedWith, frame, upgrade } from './lib/frames.mjs';
import { Peer } from './lib/peer.mjs';
import { offer as negotiate, publishOffer } from './lib/publish.mjs';
import { recorded, sections } from './lib/sdp.mjs';
import { until } from './lib/server.mjs';
import { Signal } from './lib/signal.mjs';

const STATE_MISMATCH = 6; // DisconnectReason
const LIMIT_EXCEEDED = 3; // RequestResponse.Reason
const INVALID_REQUEST = 11;

let call;
before(async () => (call = await Bystanders.start({ args: ['--set', 'rtc.connect_timeout_s=120'] })));
after(() => call.stop());

describe('messages', () => {
    const ping = Buffer.from(new SignalRequest({ message: { case: 'ping', value: 1n } }).toBinary());
    const cases = [
        ['bytes that are no message', [Buffer.from('ffffffffffff', 'hex')], 1002],
        ['a message cut short', [Buffer.from([0x0a, 0x10, 0x0a])], 1002],
        ['a length beyond all bounds', [Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])], 1002],
        ['a group without end', [Buffer.from([0x0b, 0x0b, 0x0b])], 1002],
        ['a string that is not UTF-8', [Buffer.from([0x0a, 4, 0x0a, 2, 0xc3, 0x28])], 1007], // offer.type
        ['JSON that is none', ['{"ping":'], 1002],
        ['JSON of another type', ['{"ping": {"no": "number"}}'], 1002],
        ['JSON, but a list', ['[]'], 1002],
        ['JSON too deep', [`{"x":${'['.repeat(10000)}${']'.repeat(10000)}}`], 1009],
        ['JSON of too many values', [`{"x":[${'0,'.repeat(100000)}0]}`], 1009],
        ['more than 2 MiB', [Buffer.alloc((2 << 20) + 1)], 1009],
        ['more than 2 MiB of text', ['x'.repeat((2 << 20) + 1)], 1009],
        ['more than 2 MiB in pieces', Array(40).fill(Buffer.alloc(65536)), 1009],
    ];
    for (const [name, pieces, code] of cases)
        test(`${name}: ${code}`, () =>
            call.harmless(async () => {
                const s = await call.stranger();
                pieces.forEach((p, i) => s.ws.send(p, { fin: i === pieces.length - 1 }));
                assert.equal((await s.closed).code, code);
            }));

    test('from the middle of a call: the others notice nothing', () =>
        call.harmless(async () => {
            const { server, ada } = call;
            const eve = await Peer.join(server, { room: 'call', identity: 'eve' });
            await ada.signal.knows('eve', (p) => p.state === 2);
            const heard = ada.signal.messages.length;
            eve.signal.ws.send(Buffer.from([0xff]));
            assert.equal((await eve.signal.closed).code, 1002);
            await ada.signal.settled();
            const since = ada.signal.messages.slice(heard).map((m) => m.case);
            assert.ok(!since.includes('update'), `${since}`);
            // she may come back
            const s = await Signal.resume(server, { room: 'call', identity: 'eve', sid: eve.sid });
            assert.equal(s.first1.case, 'reconnect');
            eve.adopt(s);
            await eve.leave();
        }));

    test('repeated to absurdity', () =>
        call.harmless(async () => {
            const s = await call.stranger({ grants: { canUpdateOwnMetadata: true } });
            const refused = () => s.next('requestResponse', (r) => r.reason === LIMIT_EXCEEDED);
            for (let i = 0; i < 2000; i++) s.ws.send(ping);
            s.ws.send(Buffer.concat(Array(100000).fill(ping))); // one message: the last one counts
            await s.settled();
            assert.equal(s.all('pong').length, 2001);
            s.send('trackSetting', { trackSids: Array.from({ length: 4000 }, (_, i) => `TR_${i}`), disabled: true });
            await s.settled();
            assert.deepEqual(s.all('requestResponse'), []);
            s.send('trackSetting', { trackSids: Array.from({ length: 5000 }, (_, i) => `TR_${i}`), disabled: true });
            await refused();
            const attributes = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, 'v']));
            s.send('updateMetadata', { attributes });
            await refused();
            await s.leave();
        }));
});

describe('frames', () => {
    const path = () => Signal.joinPath({ room: 'strangers', identity: `raw${Math.random()}` });
    const huge = Buffer.from([0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]); // header, mask, the first byte
    const inside = Buffer.concat([frame(0x02, Buffer.from([1])), frame(0x82, Buffer.from([1]))]);
    const long = Buffer.concat([Buffer.from([0x82, 0xfe, 0, 1]), Buffer.alloc(5)]);
    const cases = [
        ['without mask', frame(0x82, Buffer.from([1]), { masked: false }), 1002],
        ['a reserved bit', frame(0xc2, Buffer.from([1])), 1002],
        ['a reserved opcode', frame(0x83, Buffer.from([1])), 1002],
        ['a reserved control opcode', frame(0x8b), 1002],
        ['a ping in pieces', frame(0x09, Buffer.from([1])), 1002],
        ['a ping of 126 bytes', frame(0x89, Buffer.alloc(126)), 1002],
        ['a continuation of nothing', frame(0x80, Buffer.from([1])), 1002],
        ['a new message inside another', inside, 1002],
        ['a length that needs fewer bytes', long, 1002],
        ['text that is not UTF-8', frame(0x81, Buffer.from([0xff, 0xfe])), 1007],
        ['a close of one byte', frame(0x88, Buffer.from([3])), 1002],
        ['a close with a code that nobody may send', frame(0x88, Buffer.from([3, 0xed])), 1002], // 1005
        ['a close with a reason that is not UTF-8', frame(0x88, Buffer.from([3, 0xe8, 0xff])), 1007],
        ['a frame of 2^62 bytes', huge, 1009],
    ];
    for (const [name, bytes, code] of cases)
        test(`${name}: ${code}`, () =>
            call.harmless(async () => assert.equal(await closedWith(call.server, await path(), bytes), code)));

    test('a handshake that is none: plain errors', async () => {
        for (const [headers, status] of [
            [{ 'Sec-WebSocket-Version': '8' }, 426],
            [{ 'Sec-WebSocket-Key': 'short' }, 400],
        ]) {
            const s = connect(call.server.port, '127.0.0.1');
            let got = '';
            s.on('data', (d) => (got += d));
            await once(s, 'connect');
            s.write(upgrade(await path(), headers));
            await until('an answer', () => got.includes('\r\n\r\n'));
            assert.equal(Number(got.split(' ')[1]), status);
            s.destroy();
        }
    });
});

describe('descriptions', () => {
    const section = (s, n) => s.split(/(?=m=)/)[n];
    const without = (s, lines) => s.replace(new RegExp(`${lines.source}.*\\r\\n`, 'g'), '');
    const send = (s, sdp, id = 1) => s.send('offer', { type: 'offer', sdp, id });

    /** What becomes of an offer: ['refused', why] or ['answered', the answer's sections]. */
    const outcome = (s, id = 1) =>
        Promise.any([
            s.next('requestResponse', (r) => r.reason === INVALID_REQUEST).then((r) => ['refused', r.message]),
            s.next('answer', (a) => a.id === id).then((a) => ['answered', sections(a.sdp)]),
        ]);

    /** Refused, with a reason, and sent away. */
    const refused = async (s, id) => {
        const [what, why] = await outcome(s, id);
        assert.equal(what, 'refused');
        assert.ok(why.length > 5, why);
        assert.equal((await s.next('leave')).reason, STATE_MISMATCH);
        await s.closed;
    };

    const impossible = [
        ['nothing', () => ''],
        ['no description', () => 'hello'],
        ['lines of no meaning', () => 'v=0\r\nx\r\n=\r\na=\r\n'.repeat(1000)],
        ['no sections', (s) => section(s, 0)],
        ['no fingerprint', (s) => without(s, /a=fingerprint/)],
        ['no credentials', (s) => without(s, /a=ice-(ufrag|pwd)/)],
        ['no mids', (s) => without(s, /a=mid/)],
        ['the same mid twice', (s) => s.replace(/a=mid:\d+/g, 'a=mid:0')],
        ['three hundred sections', (s) => s + section(s, 1).repeat(300)],
        ['a fingerprint of the wrong length', (s) => s.replace(/(a=fingerprint:sha-256 ).*\r\n/g, '$1AA:BB\r\n')],
        ['an unknown role', (s) => s.replace(/a=setup:actpass/g, 'a=setup:nobody')],
    ];
    for (const [name, make] of impossible)
        test(`${name}: an error to who sent it`, () =>
            call.harmless(async () => {
                const s = await call.stranger();
                send(s, make(publishOffer));
                await refused(s);
            }));

    // RFC 9143, section 9.3: BUNDLE implies rtcp-mux. RFC 8866, section 5.13: unknown attributes are read over.
    const odd = [
        ['no BUNDLE: one section has a transport', (s) => without(s, /a=group/), 1],
        ['no multiplexing of RTCP', (s) => without(s, /a=rtcp-mux/), 3],
        ['an attribute of a megabyte', (s) => `${s}a=x:${'y'.repeat(1 << 20)}\r\n`, 3],
    ];
    for (const [name, make, accepted] of odd)
        test(`${name}: answered`, () =>
            call.harmless(async () => {
                const s = await call.stranger();
                send(s, make(publishOffer));
                const [what, answer] = await outcome(s);
                assert.equal(what, 'answered');
                assert.equal(answer.filter((x) => x.port !== 0).length, accepted);
                await s.leave();
            }));

    test('inside the join: the same', () =>
        call.harmless(async () => refused(await call.stranger({ offer: 'hello' }))));

    const contradictions = [
        ['a section less', (s) => without(s.split(/(?=m=)/).slice(0, -1).join(''), /a=group/)],
        ['another certificate', (s) => s.replace(/(a=fingerprint:sha-256 )..:../g, '$100:00')],
    ];
    for (const [name, change] of contradictions)
        test(`an offer that contradicts the one before, ${name}: the same`, () =>
            call.harmless(async () => {
                const s = await call.stranger();
                await negotiate(s, 1);
                send(s, change(publishOffer), 2);
                await refused(s, 2);
            }));

    test('a section that becomes another kind is rejected', () =>
        call.harmless(async () => {
            const s = await call.stranger();
            await negotiate(s, 1);
            send(s, publishOffer.replace('m=video', 'm=audio'), 2);
            const [what, answer] = await outcome(s, 2);
            assert.equal(what, 'answered');
            assert.deepEqual(answer.map((x) => x.port === 0), [false, true, false]);
            await s.leave();
        }));

    test('answers to nothing, answers that are none', () =>
        call.harmless(async () => {
            const one = await call.stranger({ offer: recorded('chromium-156-join-offer') });
            await one.next('answer');
            one.send('answer', { type: 'answer', sdp: recorded('chromium-156-dual-answer'), id: 1 });
            await refused(one);
            const two = await call.stranger({ form: 'two' });
            await two.next('offer');
            two.send('answer', { type: 'answer', sdp: 'v=0\r\n', id: 1 });
            await refused(two);
        }));

    test('random damage to a real offer', () =>
        call.harmless(async () => {
            let seed = 7; // mulberry32
            const random = (n) => {
                seed = (seed + 0x6d2b79f5) | 0;
                let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
                t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
                return ((t ^ (t >>> 14)) >>> 0) % n;
            };
            const seen = { refused: 0, answered: 0 };
            for (let round = 0; round < 60; round++) {
                const lines = publishOffer.split('\r\n');
                for (let k = 0; k < 4; k++) {
                    const i = random(lines.length);
                    const kind = random(4);
                    if (kind === 0) lines.splice(i, 1);
                    else if (kind === 1) lines.splice(i, 0, lines[random(lines.length)]);
                    else if (kind === 2) lines[i] = lines[i].slice(0, random(lines[i].length + 1));
                    else lines[i] = lines[i].replace(/\d+/, String(random(1 << 30)));
                }
                const s = await call.stranger();
                send(s, lines.join('\r\n'));
                const [what] = await outcome(s);
                seen[what]++;
                await s.drop();
            }
            assert.ok(seen.refused > 5 && seen.answered > 5, JSON.stringify(seen));
        }, 500));
});

test('who stops reading is closed when the queue is full; the others hear everything', async () => {
    const join = (identity, grants) => Signal.join(call.server, { room: 'slow', identity, grants });
    const [reader, deaf] = [await join('reader'), await join('deaf')];
    const talker = await join('talker', { canUpdateOwnMetadata: true });
    deaf.ws._socket.pause();
    const closed = new RegExp(`signal\\.closed participant=${deaf.sid} code=1006 cause="slow"`);
    let n = 0;
    while (!closed.test(call.server.log)) {
        assert.ok(n < 100, 'at most 50 MB fit into 4 MiB, and what the kernel takes');
        const metadata = `${++n} ${'m'.repeat(500000)}`;
        talker.send('updateMetadata', { metadata, requestId: n });
        await talker.next('requestResponse', (r) => r.requestId === n && r.reason === 0);
        await reader.knows('talker', (p) => p.metadata === metadata);
    }
    assert.ok(n > 5, 'not before');
    deaf.ws._socket.resume();
    await deaf.closed;
    assert.equal(reader.end, undefined);
    await Promise.all([talker.leave(), reader.leave()]);
    await call.unharmed();
});
