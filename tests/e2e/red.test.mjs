// timeout: 240
// Redundant audio (RED): who can take it gets it, who cannot gets the plain Opus in it, and everybody hears everybody.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { binary, slow, until } from './lib/server.mjs';

const LISTEN_MS = 3000; // how long the sound is looked at
const CONCEALED_MAX = 0.25; // the part of it that may be made up: on a machine under load packets come late

let server, chromium, firefox;

before(async () => {
    ({ server, chromium, firefox } = await begin({ firefox: true, args: ['--set', 'rtc.workers=1'] }));
});

after(() => end({ server, chromium, firefox }));

/**
 * Counts in the page the encoded audio frames of each received track by payload type. It is the only place that tells:
 * the statistics of Chromium name the codec inside of RED.
 */
function countFrames() {
    const Native = window.RTCPeerConnection;
    window.frames = new Map(); // receiver: {payload type: frames}
    window.RTCPeerConnection = class extends Native {
        constructor(config, ...more) {
            super({ ...config, encodedInsertableStreams: true }, ...more);
            this.addEventListener('track', ({ receiver }) => {
                if (window.frames.has(receiver)) return;
                const seen = {};
                window.frames.set(receiver, seen);
                const { readable, writable } = receiver.createEncodedStreams();
                const count = new TransformStream({
                    transform(frame, controller) {
                        const { payloadType } = frame.getMetadata();
                        seen[payloadType] = (seen[payloadType] ?? 0) + 1;
                        controller.enqueue(frame);
                    },
                });
                readable.pipeThrough(count).pipeTo(writable);
            });
        }

        setConfiguration(config) {
            super.setConfiguration({ ...config, encodedInsertableStreams: true }); // may not be changed
        }
    };
}

/** Leads the media of the page to a port of this machine: that of a link in front of the server. */
function leadMedia(port) {
    const Native = window.RTCPeerConnection;
    const own = `a=candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host\r\n`;
    window.RTCPeerConnection = class extends Native {
        setRemoteDescription(d) {
            let first = true;
            const sdp = d.sdp.replace(/a=candidate:.*\r\n/g, () => (first ? ((first = false), own) : ''));
            return super.setRemoteDescription({ type: d.type, sdp });
        }

        addIceCandidate() {
            return Promise.resolve();
        }
    };
}

/** A link in front of the server's media, which is as `down` says towards the viewer. */
async function openLink(down) {
    const udp = Number(/ udp=(\d+)/.exec(server.log)[1]);
    const program = join(dirname(binary), 'tests/net/fanlight-link');
    const child = spawn(program, ['--listen', '127.0.0.1:0', '--to', `127.0.0.1:${udp}`, '--down', down, '--stdin'], {
        stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    return { port: Number(line.split(':').at(-1)), close: () => child.stdin.end() };
}

/** Joins as somebody who only listens, and whose frames are counted. */
async function joinCounting(room, name, query, port) {
    const page = await chromium.page();
    if (port) await page.addInitScript(leadMedia, port);
    await page.addInitScript(countFrames);
    await page.goto(`${server.http}${room.link}?name=${name}&auto=1&cam=0&mic=0${query}`);
    return Person.of(page, name);
}

/** The codec of the microphone as agreed: what is sent is the first of the list. */
function sends(person) {
    return person.page.evaluate(() => {
        const { sender } = window.fanlight.room.localParticipant.getTrackPublication('microphone').track;
        return sender.getParameters().codecs[0].mimeType;
    });
}

/** The sound of somebody: {samples, concealed, packets, bytes, discarded, energy, codec} so far. */
function sound(person, name) {
    return person.page.evaluate(async (who) => {
        const p = [...window.fanlight.room.remoteParticipants.values()].find((each) => each.name === who);
        const stats = [...(await p.getTrackPublication('microphone').track.getRTCStatsReport()).values()];
        const s = stats.find((each) => each.type === 'inbound-rtp');
        return {
            codec: stats.find((each) => each.id === s.codecId)?.mimeType,
            samples: s.totalSamplesReceived,
            concealed: s.concealedSamples,
            packets: s.packetsReceived,
            bytes: s.bytesReceived,
            energy: s.totalAudioEnergy,
            discarded: s.packetsDiscarded,
        };
    }, name);
}

/** What was received of somebody's microphone, by name of the payload: {"audio/red": 150}. */
function framesOf(person, name) {
    return person.page.evaluate((who) => {
        const p = [...window.fanlight.room.remoteParticipants.values()].find((each) => each.name === who);
        const { receiver } = p.getTrackPublication('microphone').track;
        const { codecs } = receiver.getParameters();
        const named = ([pt, n]) => [codecs.find((c) => c.payloadType === Number(pt))?.mimeType ?? `payload type ${pt}`, n];
        return Object.fromEntries(Object.entries(window.frames.get(receiver) ?? {}).map(named));
    }, name);
}

/** Listens for a while: somebody is heard, and what is heard was sent. Returns what came in that time. */
async function listens(person, name) {
    await person.hears(name);
    const before = await sound(person, name);
    const end = before.packets + LISTEN_MS / 20;
    await until(`${person.name} gets sound of ${name}`, async () => (await sound(person, name)).packets >= end);
    const now = await sound(person, name);
    const grown = Object.fromEntries(Object.keys(now).filter((k) => k !== 'codec').map((k) => [k, now[k] - before[k]]));
    const told = `${person.name} hears ${name}: ${JSON.stringify(grown)}`;
    assert.ok(grown.energy > 1e-4, told);
    assert.ok(grown.concealed < CONCEALED_MAX * slow * grown.samples, told);
    return { ...grown, codec: now.codec, size: grown.bytes / grown.packets, told };
}

for (const [form, query] of [
    ['one connection', ''],
    ['two connections', '&single=0'],
])
    describe(form, () => {
        let people, ann, ben, finn;

        before(async () => {
            const room = await server.createRoom();
            ann = await Person.join(chromium, server, room, 'Ann', `&cam=0${query}`);
            finn = await Person.join(firefox, server, room, 'Finn', `&cam=0${query}`);
            ben = await joinCounting(room, 'Ben', query);
            people = [ann, ben, finn];
            await Promise.all([ann.publishes(1), finn.publishes(1)]);
        });

        after(async () => {
            for (const p of people ?? []) await p.page.close();
        });

        test('Chromium sends RED', async () => {
            assert.equal(await sends(ann), 'audio/red');
            await until('the track is known as RED', () =>
                ben.page.evaluate(() => {
                    const all = [...window.fanlight.room.remoteParticipants.values()];
                    const pub = all.find((p) => p.name === 'Ann')?.getTrackPublication('microphone');
                    return pub?.trackInfo?.mimeType === 'audio/red' && !pub.trackInfo.disableRed;
                }),
            );
        });

        test('Chromium gets RED as it was sent, Firefox the Opus in it', async () => {
            const [red, opus] = await Promise.all([listens(ben, 'Ann'), listens(finn, 'Ann')]);
            const frames = await framesOf(ben, 'Ann');
            assert.deepEqual(Object.keys(frames), ['audio/red'], red.told);
            assert.ok(frames['audio/red'] >= LISTEN_MS / 20, JSON.stringify(frames));
            // each packet repeats the one before, which then is thrown away, because nothing was lost
            assert.ok(red.discarded > red.packets / 2, red.told);
            assert.equal(opus.codec, 'audio/opus');
            assert.ok(opus.size < 0.75 * red.size, `${red.told}; ${opus.told}`);
        });

        test('Firefox sends Opus, which Chromium gets as it was sent', async () => {
            await Promise.all([listens(ann, 'Finn'), listens(ben, 'Finn')]);
            assert.deepEqual(Object.keys(await framesOf(ben, 'Finn')), ['audio/opus']);
        });

        test('nothing went wrong in the pages', () => {
            for (const p of people) assert.deepEqual(p.errors, []);
        });
    });

// Opus of Firefox, which makes no RED, over a path that loses every twelfth packet
test('who loses packets gets redundancy that the server made', async () => {
    const room = await server.createRoom();
    const link = await openLink('loss=8%');
    const finn = await Person.join(firefox, server, room, 'Finn', '&cam=0');
    const ben = await joinCounting(room, 'Ben', '', link.port);
    await finn.publishes(1);
    await ben.hears('Finn');
    await until('RED comes', async () => (await framesOf(ben, 'Finn'))['audio/red'] > 100, 40000);
    const before = await framesOf(ben, 'Finn');
    await listens(ben, 'Finn');
    const now = await framesOf(ben, 'Finn');
    assert.ok(now['audio/red'] - before['audio/red'] > LISTEN_MS / 40, JSON.stringify({ before, now }));
    assert.deepEqual(ben.errors, []);
    for (const p of [finn, ben]) await p.page.close();
    link.close();
});
