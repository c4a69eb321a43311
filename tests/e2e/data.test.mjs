// timeout: 180
// Data packets: to whom they go, what is stamped on them, and that none is lost or doubled.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DataPacket } from '@livekit/protocol';
import { DataPacketKind, Room, RoomEvent, RpcError, dispose } from '@livekit/rtc-node';
import { openChromium } from './lib/browsers.mjs';
import { Person } from './lib/call.mjs';
import { Peer, allDone } from './lib/peer.mjs';
import { Server, token, until } from './lib/server.mjs';
import { Signal } from './lib/signal.mjs';
import { rawToken } from './lib/token.mjs';

let server;
let rooms = 0;
const newRoom = () => `data-${++rooms}`;
const bye = (...people) => Promise.all(people.map((p) => p.leave()));
const all = (room, ...identities) =>
    Promise.all(identities.map((identity, i) => Peer.join(server, { room, identity, form: ['v1', 'two', 'request'][i % 3] })));
const user = (payload, more = {}) => ({ case: 'user', value: { payload: Buffer.from(payload), ...more } });

before(async () => {
    server = await Server.start({ args: ['--set', 'rtc.connect_timeout_s=90'] });
});

after(async () => {
    assert.equal((await server.stop()).code, 0, server.log);
    allDone();
});

/** Waits until a packet that was sent after all others has arrived. */
async function settled(from, to, label = '_reliable') {
    const mark = `mark ${Math.random()}`;
    from.data({ destinationIdentities: [to.identity], value: user(mark) }, label);
    await until(`${to.identity} has all of ${from.identity}`, () => to.texts().includes(mark));
    to.packets = to.packets.filter((p) => p.value.case !== 'user' || Buffer.from(p.value.value.payload).toString() !== mark);
}

describe('by hand', () => {
    test('to all others, over both channels, in one and two connections', async () => {
        const people = await all(newRoom(), 'ada', 'bob', 'eve');
        for (const label of ['_reliable', '_lossy'])
            for (const from of people) {
                const text = `${from.identity} ${label}`;
                // what the field says of its kind does not count: the channel does
                from.data({ kind: label === '_lossy' ? 0 : 1, value: user(text, { topic: 'chat', id: 'i', startTime: 5n }) }, label);
                for (const to of people.filter((p) => p !== from)) {
                    await until(`${text} at ${to.identity}`, () => to.texts().includes(text));
                    const p = to.packets.find((x) => Buffer.from(x.value.value.payload).toString() === text);
                    assert.equal(p.kind, label === '_lossy' ? 1 : 0);
                    assert.equal(p.participantSid, from.sid);
                    assert.equal(p.participantIdentity, from.identity);
                    assert.equal(p.value.value.participantSid, from.sid);
                    assert.equal(p.value.value.participantIdentity, from.identity);
                    assert.deepEqual([p.value.value.topic, p.value.value.id, p.value.value.startTime], ['chat', 'i', 5n]);
                }
            }
        for (const p of people) assert.equal(p.packets.length, 4, 'nothing twice, nothing back to the sender');
        await bye(...people);
    });

    test('to those who are named, in the new way and the old ones', async () => {
        const [ada, bob, eve] = await all(newRoom(), 'ada', 'bob', 'eve');
        for (const [packet, who] of [
            [{ destinationIdentities: ['bob'], value: user('1') }, [bob]],
            [{ destinationIdentities: ['eve', 'bob', 'nobody'], value: user('2') }, [bob, eve]],
            [{ value: user('3', { destinationIdentities: ['eve'] }) }, [eve]],
            [{ value: user('4', { destinationSids: [bob.sid] }) }, [bob]],
            [{ destinationIdentities: ['ada'], value: user('5') }, []],
            [{ destinationIdentities: ['nobody'], value: user('6') }, []],
            [{ destinationIdentities: ['bob'], value: { case: 'rpcRequest', value: { id: '7', method: 'm' } } }, [bob]],
            [{ destinationIdentities: ['eve'], value: { case: 'streamHeader', value: { streamId: '8' } } }, [eve]],
        ])
            for (const label of ['_reliable', '_lossy']) {
                for (const p of [bob, eve]) p.packets = [];
                ada.data(packet, label);
                await settled(ada, bob, label);
                await settled(ada, eve, label);
                for (const p of [bob, eve]) {
                    const what = `${label} ${packet.value.case} at ${p.identity}`;
                    assert.equal(p.packets.length, who.includes(p) ? 1 : 0, what);
                }
            }
        assert.deepEqual(ada.packets, []);
        await bye(ada, bob, eve);
    });

    test('a forged sender is overwritten; what the server does not know passes through', async () => {
        const [ada, bob] = await all(newRoom(), 'ada', 'bob');
        const forged = new DataPacket({
            participantIdentity: 'bob',
            participantSid: bob.sid,
            value: user('x', { participantIdentity: 'eve', participantSid: 'PA_eve' }),
        }).toBinary();
        const unknown = Buffer.from([0xa2, 0x06, 0x03, 1, 2, 3]); // field 100, three bytes
        ada.channels._reliable.sendMessageBinary(Buffer.concat([forged, unknown]));
        await until('the packet', () => bob.packets.length === 1);
        const [p] = bob.packets;
        assert.deepEqual(
            [p.participantIdentity, p.participantSid, p.value.value.participantIdentity, p.value.value.participantSid],
            ['ada', ada.sid, 'ada', ada.sid],
        );
        assert.ok(bob.raw[0].includes(unknown));
        await bye(ada, bob);
    });

    test('hidden senders have no name', async () => {
        const room = newRoom();
        const bob = await Peer.join(server, { room, identity: 'bob' });
        const spy = await Peer.join(server, { room, identity: 'spy', grants: { hidden: true } });
        spy.text('psst');
        await until('the packet', () => bob.texts().includes('psst'));
        assert.equal(bob.packets[0].participantIdentity, '');
        assert.equal(bob.packets[0].value.value.participantIdentity, '');
        bob.text('who?');
        await until('the answer', () => spy.texts().includes('who?'));
        await bye(bob, spy);
    });

    test('who may not publish data is not heard', async () => {
        const room = newRoom();
        const bob = await Peer.join(server, { room, identity: 'bob' });
        const eve = await Peer.join(server, { room, identity: 'eve' });
        const mute = await Peer.join(server, { room, identity: 'mute', grants: { canPublishData: false } });
        const viewer = await Peer.join(server, { room, identity: 'viewer', grants: { canPublish: false } });
        const talker = await Peer.join(server, { room, identity: 'talker', grants: { canPublish: false, canPublishData: true } });
        for (const p of [mute, viewer, talker]) for (const label of ['_reliable', '_lossy']) p.text(`${p.identity} ${label}`, {}, label);
        await until('the talker is heard', () => bob.texts().length === 2);
        for (const p of [mute, viewer]) {
            eve.text(`to ${p.identity}`);
            await until('they hear', () => p.texts().includes(`to ${p.identity}`));
        }
        await settled(eve, bob);
        assert.deepEqual(
            bob
                .texts()
                .filter((t) => !t.startsWith('to '))
                .sort(),
            ['talker _lossy', 'talker _reliable'],
        );
        await bye(bob, eve, mute, viewer, talker);
    });

    test('messages of 64,000 bytes, in order with small ones', async () => {
        const [ada, bob, eve] = await all(newRoom(), 'ada', 'bob', 'eve');
        const big = (n) => Buffer.alloc(64000 - 100, n);
        const sent = [];
        for (let i = 1; i <= 30; i++) {
            const payload = i % 3 ? Buffer.from(`small ${i}`) : big(i);
            sent.push(payload);
            ada.data({ sequence: i, value: { case: 'user', value: { payload } } });
        }
        for (const p of [bob, eve]) {
            await until(`all at ${p.identity}`, () => p.packets.length === 30);
            p.packets.forEach((x, i) => assert.ok(Buffer.from(x.value.value.payload).equals(sent[i]), `packet ${i}`));
        }
        const lossy = Buffer.alloc(15000, 7);
        ada.data({ value: { case: 'user', value: { payload: lossy } } }, '_lossy');
        await until('the lossy one', () => bob.packets.length === 31);
        assert.ok(Buffer.from(bob.packets[30].value.value.payload).equals(lossy));
        await bye(ada, bob, eve);
    });

    test('many senders at once: the order of each is kept', async () => {
        const people = await all(newRoom(), 'a', 'b', 'c', 'd');
        for (let i = 0; i < 200; i++) for (const p of people) p.data({ sequence: i + 1, value: user(`${p.identity} ${i}`) });
        for (const to of people) {
            await until(`all at ${to.identity}`, () => to.packets.length === 600);
            for (const from of people)
                if (from !== to)
                    assert.deepEqual(
                        to.texts().filter((t) => t.startsWith(from.identity)),
                        Array.from({ length: 200 }, (_, i) => `${from.identity} ${i}`),
                    );
        }
        await bye(...people);
    });

    test('whoever is still joining gets what was said since, once', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada' });
        for (const form of ['v1', 'two']) {
            ada.text('before');
            const bob = await Peer.join(server, { room, identity: `bob ${form}`, form, wait: false });
            // the join response is there, media is not
            for (let i = 0; i < 20; i++) ada.text(`${form} ${i}`);
            await bob.ready();
            await settled(ada, bob);
            assert.deepEqual(
                bob.texts(),
                Array.from({ length: 20 }, (_, i) => `${form} ${i}`),
            );
            await bob.leave();
        }
        await ada.leave();
    });

    test('after a resume: nothing twice, and the client learns what arrived', async () => {
        const room = newRoom();
        const ada = await Peer.join(server, { room, identity: 'ada' });
        const bob = await Peer.join(server, { room, identity: 'bob' });
        for (let i = 1; i <= 5; i++) ada.data({ sequence: i, value: user(`${i}`) });
        await until('five', () => bob.packets.length === 5);
        await ada.signal.drop();
        const s = await Signal.resume(server, { room, identity: 'ada', sid: ada.sid });
        assert.equal(s.first1.case, 'reconnect');
        assert.equal(s.first1.value.lastMessageSeq, 5);
        ada.adopt(s);
        for (let i = 3; i <= 8; i++) ada.data({ sequence: i, value: user(`${i}`) });
        await until('eight', () => bob.texts().includes('8'));
        assert.deepEqual(bob.texts(), ['1', '2', '3', '4', '5', '6', '7', '8']);
        await bye(ada, bob);
    });

    test('metrics and speakers are not for others, transcriptions are for agents to say', async () => {
        const room = newRoom();
        const bob = await Peer.join(server, { room, identity: 'bob' });
        const ada = await Peer.join(server, { room, identity: 'ada' });
        const jwt = rawToken({ sub: 'agent', video: { roomJoin: true, room }, kind: 'agent' });
        const agent = await Peer.join(server, { jwt, identity: 'agent' });
        for (const p of [ada, agent]) {
            p.data({ value: { case: 'metrics', value: { timestampMs: 1n } } });
            p.data({ value: { case: 'speaker', value: { speakers: [] } } });
            p.data({ value: { case: 'transcription', value: { trackId: p.identity } } });
            p.data({ participantIdentity: 'caller', value: { case: 'chatMessage', value: { id: p.identity } } });
            await settled(p, bob);
        }
        assert.deepEqual(
            bob.packets.map((p) => [p.value.case, p.value.value.trackId ?? p.value.value.id, p.participantIdentity]),
            [
                ['chatMessage', 'ada', 'ada'],
                ['transcription', 'agent', 'agent'],
                ['chatMessage', 'agent', 'caller'],
            ],
        );
        await bye(ada, bob, agent);
    });

    test('encrypted packets pass as they are', async () => {
        const [ada, bob] = await all(newRoom(), 'ada', 'bob');
        const value = { encryptionType: 1, iv: Buffer.alloc(12, 1), keyIndex: 3, encryptedValue: Buffer.alloc(500, 9) };
        ada.data({ sequence: 1, destinationIdentities: ['bob'], value: { case: 'encryptedPacket', value } });
        await until('the packet', () => bob.packets.length === 1);
        const [p] = bob.packets;
        assert.equal(p.participantIdentity, 'ada');
        assert.equal(p.sequence, 1);
        assert.equal(p.value.value.keyIndex, 3);
        assert.ok(Buffer.from(p.value.value.encryptedValue).equals(value.encryptedValue));
        await bye(ada, bob);
    });

    test('what is no packet is dropped; the sender stays', async () => {
        const [ada, bob] = await all(newRoom(), 'ada', 'bob');
        for (const label of ['_reliable', '_lossy']) {
            const send = (b) => ada.channels[label].sendMessageBinary(b);
            send(Buffer.from([0xff, 0xff, 0xff]));
            send(Buffer.alloc(65000, 0xff));
            ada.channels[label].sendMessage('a text of no meaning');
            const notUtf8 = new DataPacket({ value: user('x', { topic: 'abc' }) }).toBinary();
            notUtf8[notUtf8.length - 1] = 0xff;
            send(Buffer.from(notUtf8));
            await settled(ada, bob, label);
        }
        assert.deepEqual(bob.packets, []);
        await bye(ada, bob);
    });
});

describe('with SDKs', () => {
    let chromium, ann, node, bot;

    before(async () => {
        chromium = await openChromium();
        const room = await server.createRoom();
        ann = await Person.join(chromium, server, room, 'Ann', '&cam=0&mic=0');
        node = new Room();
        await node.connect(server.ws, await token('node', room.code), { autoSubscribe: true, dynacast: false });
        bot = node.localParticipant;
        ann.identity = await ann.page.evaluate(() => window.fanlight.room.localParticipant.identity);
        await until('they see each other', () =>
            ann.page.evaluate(() => window.fanlight.room.remoteParticipants.get('node')?.identity === 'node'),
        );
    });

    after(async () => {
        await node?.disconnect();
        await dispose();
        await chromium?.close();
    });

    test('publishData both ways, reliable and lossy, with topics', async () => {
        const got = [];
        node.on(RoomEvent.DataReceived, (payload, from, kind, topic) =>
            got.push([Buffer.from(payload).toString(), from?.identity, kind, topic]),
        );
        await ann.page.evaluate(() => {
            window.got = [];
            window.fanlight.room.on('dataReceived', (payload, from, kind, topic) =>
                window.got.push([new TextDecoder().decode(payload), from?.identity, kind, topic]),
            );
        });
        for (const reliable of [true, false]) {
            await ann.page.evaluate(
                (r) => window.fanlight.room.localParticipant.publishData(new TextEncoder().encode(`ann ${r}`), { reliable: r, topic: 't' }),
                reliable,
            );
            await bot.publishData(Buffer.from(`node ${reliable}`), { reliable, topic: 't' });
        }
        await until('node got both', () => got.length === 2);
        await until('ann got both', () => ann.page.evaluate(() => window.got.length === 2));
        assert.deepEqual(got, [
            ['ann true', ann.identity, DataPacketKind.KIND_RELIABLE, 't'],
            ['ann false', ann.identity, DataPacketKind.KIND_LOSSY, 't'],
        ]);
        assert.deepEqual(await ann.page.evaluate(() => window.got), [
            ['node true', 'node', 0, 't'],
            ['node false', 'node', 1, 't'],
        ]);
    });

    test('RPC both ways, with errors', async () => {
        bot.registerRpcMethod('double', async ({ callerIdentity, payload }) => {
            if (payload === 'no') throw new RpcError(4711, 'refused', 'because');
            return `${callerIdentity}: ${payload}${payload}`;
        });
        await ann.page.evaluate(() =>
            window.fanlight.room.registerRpcMethod('double', async ({ callerIdentity, payload }) => `${callerIdentity}: ${payload}${payload}`),
        );
        const call = (payload, method = 'double') =>
            ann.page.evaluate(
                ([p, m]) =>
                    window.fanlight.room.localParticipant.performRpc({ destinationIdentity: 'node', method: m, payload: p }).catch((e) => ({
                        code: e.code,
                        data: e.data,
                    })),
                [payload, method],
            );
        assert.equal(await call('ab'), `${ann.identity}: abab`);
        const long = 'x'.repeat(14000);
        assert.equal(await call(long), `${ann.identity}: ${long}${long}`);
        assert.deepEqual(await call('no'), { code: 4711, data: 'because' });
        assert.equal((await call('x', 'unknown')).code, 1400);
        assert.equal(
            await bot.performRpc({ destinationIdentity: ann.identity, method: 'double', payload: 'cd' }),
            'node: cdcd',
        );
    });

    test('text streams both ways', async () => {
        const text = Array.from({ length: 20000 }, (_, i) => String.fromCodePoint(0x21 + (i * 7919) % 0x2000)).join('');
        const got = new Promise((resolve) =>
            node.registerTextStreamHandler('long', async (reader, from) => resolve([await reader.readAll(), from.identity])),
        );
        await ann.page.evaluate(() => {
            window.texts = [];
            window.fanlight.room.registerTextStreamHandler('long', async (reader, from) =>
                window.texts.push([await reader.readAll(), from.identity]),
            );
        });
        await ann.page.evaluate((t) => window.fanlight.room.localParticipant.sendText(t, { topic: 'long' }), text);
        assert.deepEqual(await got, [text, ann.identity]);
        await bot.sendText(text, { topic: 'long' });
        await until('ann has the text', () => ann.page.evaluate(() => window.texts.length === 1));
        assert.deepEqual(await ann.page.evaluate(() => window.texts[0]), [text, 'node']);
    });

    test('one that is addressed to somebody else is not heard', async () => {
        const room = node.name;
        const other = await Peer.join(server, { room, identity: 'other' });
        await ann.page.evaluate(() => (window.got = []));
        await bot.publishData(Buffer.from('for other'), { reliable: true, destination_identities: ['other'] });
        await until('other has it', () => other.texts().includes('for other'));
        await bot.publishData(Buffer.from('for all'), { reliable: true });
        await until('ann has the second', () => ann.page.evaluate(() => window.got.length > 0));
        assert.deepEqual(
            await ann.page.evaluate(() => window.got.map((g) => g[0])),
            ['for all'],
        );
        await other.leave();
    });

    test('a dropped signal loses and doubles nothing', async () => {
        const got = [];
        node.on(RoomEvent.DataReceived, (payload, from, kind, topic) => topic === 'count' && got.push(Number(Buffer.from(payload).toString())));
        await ann.page.evaluate(async () => {
            const room = window.fanlight.room;
            const send = (n) => room.localParticipant.publishData(new TextEncoder().encode(String(n)), { reliable: true, topic: 'count' });
            for (let i = 0; i < 50; i++) {
                if (i === 20) room.simulateScenario('signal-reconnect');
                await send(i);
                await new Promise((r) => setTimeout(r, 20));
            }
        });
        await until('all fifty', () => got.includes(49));
        assert.deepEqual(
            got,
            Array.from({ length: 50 }, (_, i) => i),
        );
        await until('connected again', () => ann.page.evaluate(() => window.fanlight.room.state === 'connected'));
    });
});
