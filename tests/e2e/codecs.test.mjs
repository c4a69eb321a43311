// timeout: 240
// Every codec is forwarded as it comes; simulcast layers switch without a broken picture.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { until } from './lib/server.mjs';

let server, chromium, firefox;

before(async () => {
    ({ server, chromium, firefox } = await begin({ firefox: true }));
});

after(() => end({ server, chromium, firefox }));

/** Turns the camera on with a codec, and waits until the call knows it. */
function publish(person, videoCodec, more = {}) {
    return person.page.evaluate(
        async ([codec, options]) => {
            const me = window.fanlight.room.localParticipant;
            const pub = await me.setCameraEnabled(true, undefined, { videoCodec: codec, backupCodec: false, ...options });
            return pub.mimeType;
        },
        [videoCodec, more],
    );
}

/** The codec that the picture of somebody is decoded with: "video/VP9". */
function codecSeen(person, name) {
    return person.page.evaluate(async (who) => {
        for (const p of window.fanlight.room.remoteParticipants.values()) {
            const track = p.name === who && p.getTrackPublication('camera')?.track;
            const stats = track ? [...(await track.getRTCStatsReport()).values()] : [];
            const inbound = stats.find((s) => s.type === 'inbound-rtp');
            if (inbound) return stats.find((s) => s.id === inbound.codecId)?.mimeType;
        }
        return undefined;
    }, name);
}

describe('video codecs', () => {
    for (const codec of ['VP8', 'H264', 'VP9', 'AV1'])
        test(`${codec} from Chromium`, async () => {
            const room = await server.createRoom();
            const from = await Person.join(chromium, server, room, 'Vera', '&cam=0&mic=0');
            const to = await Person.join(chromium, server, room, 'Otto', '&cam=0&mic=0');
            await publish(from, codec.toLowerCase());
            await to.sees('Vera', 'camera', 20);
            assert.equal(await codecSeen(to, 'Vera'), `video/${codec}`);
            const stats = (await to.received()).Vera.camera;
            assert.ok(stats.width > 0, JSON.stringify(stats));
            // somebody who comes later gets a key frame
            const late = await Person.join(chromium, server, room, 'Lena', '&cam=0&mic=0');
            await late.sees('Vera', 'camera', 20);
            for (const p of [from, to, late]) {
                assert.deepEqual(p.errors, []);
                await p.page.close();
            }
        });

    test('VP9 from Chromium is decoded by Firefox, which cannot take H.264 and is told so', async () => {
        const room = await server.createRoom();
        const from = await Person.join(chromium, server, room, 'Vera', '&cam=0&mic=0');
        const fox = await Person.join(firefox, server, room, 'Finn', '&cam=0&mic=0');
        await publish(from, 'vp9');
        await fox.sees('Vera', 'camera', 20);
        await from.page.evaluate(() => window.fanlight.room.localParticipant.setCameraEnabled(false));
        await from.page.evaluate(async () => {
            const me = window.fanlight.room.localParticipant;
            await me.unpublishTrack(me.getTrackPublication('camera').track);
        });
        await until('no camera', async () => !(await fox.received()).Vera?.camera);
        await fox.page.evaluate(() => {
            window.failures = [];
            window.fanlight.room.on('trackSubscriptionFailed', (sid) => window.failures.push(sid));
        });
        await publish(from, 'h264');
        await until('the failure is told', () => fox.page.evaluate(() => window.failures.length === 1));
        for (const p of [from, fox]) await p.page.close();
    });

    test('H.264 from Chromium with VP8 behind it: Firefox gets VP8', async () => {
        const room = await server.createRoom();
        const from = await Person.join(chromium, server, room, 'Vera', '&cam=0&mic=0');
        const to = await Person.join(chromium, server, room, 'Otto', '&cam=0&mic=0');
        await publish(from, 'h264', { backupCodec: true, backupCodecPolicy: 1 });
        await to.sees('Vera', 'camera', 20);
        const fox = await Person.join(firefox, server, room, 'Finn', '&cam=0&mic=0');
        await fox.sees('Vera', 'camera', 20);
        assert.equal(await codecSeen(fox, 'Vera'), 'video/VP8');
        await to.sees('Vera', 'camera', 20);
        assert.equal(await codecSeen(to, 'Vera'), 'video/H264');
        for (const p of [from, to, fox]) {
            assert.deepEqual(p.errors, []);
            await p.page.close();
        }
    });
});

for (const [codec, how] of [
    ['vp8', 'simulcast'],
    ['vp9', 'scalable'],
])
    test(`${codec}, ${how}: the layer follows the size of the tile, without freezes`, async () => {
        const room = await server.createRoom();
        const from = await Person.join(chromium, server, room, 'Sina', '&cam=0&mic=0');
        const to = await Person.join(chromium, server, room, 'Timo', '&cam=0&mic=0');
        await publish(from, codec);
        await to.sees('Sina', 'camera', 20);
        const width = async () => (await to.received()).Sina?.camera?.width;
        await to.page.setViewportSize({ width: 1400, height: 1000 });
        await until('the largest layer', async () => (await width()) >= 1280, 30000);
        const before = (await to.received()).Sina.camera;
        await to.page.setViewportSize({ width: 340, height: 600 });
        await until('a smaller layer', async () => (await width()) < 1280, 30000);
        await to.sees('Sina', 'camera', 20);
        await to.page.setViewportSize({ width: 1400, height: 1000 });
        await until('the largest layer again', async () => (await width()) >= 1280, 30000);
        await to.sees('Sina', 'camera', 20);
        const now = (await to.received()).Sina.camera;
        assert.ok(now.freezes - before.freezes <= 1, `froze: ${JSON.stringify({ before, now })}`);
        assert.deepEqual(to.errors, []);
        for (const p of [from, to]) await p.page.close();
    });

/** How long a frame of somebody's camera waits before it is shown, in seconds, in the time that `wait` takes. */
async function shownLate(people, name, wait) {
    const look = () =>
        Promise.all(
            people.map((person) =>
                person.page.evaluate(async (who) => {
                    const p = [...window.fanlight.room.remoteParticipants.values()].find((x) => x.name === who);
                    const report = await p.getTrackPublication('camera').track.getRTCStatsReport();
                    const s = [...report.values()].find((x) => x.type === 'inbound-rtp');
                    return { delay: s.jitterBufferDelay, frames: s.jitterBufferEmittedCount };
                }, name),
            ),
        );
    const start = await look();
    await wait();
    return (await look()).map((now, i) => (now.delay - start[i].delay) / (now.frames - start[i].frames));
}

test('who begins with a key frame of some time ago does not stay behind', async (t) => {
    const room = await server.createRoom();
    const from = await Person.join(chromium, server, room, 'Vera', '&cam=0&mic=0');
    const early = await Person.join(chromium, server, room, 'Otto', '&cam=0&mic=0');
    await publish(from, 'vp8');
    await early.sees('Vera', 'camera', 100);
    const late = await Person.join(chromium, server, room, 'Lena', '&cam=0&mic=0');
    await late.sees('Vera', 'camera', 75);
    const [first, second] = await shownLate([early, late], 'Vera', () => late.sees('Vera', 'camera', 40));
    t.diagnostic(`frames wait ${(1000 * first).toFixed(0)} ms, those of who came late ${(1000 * second).toFixed(0)} ms`);
    assert.ok(second < first + 0.5, `${second} s, and ${first} s for who came early`);
    for (const p of [from, early, late]) await p.page.close();
});

test('a hidden tile pauses its video, and it comes back', async () => {
    const room = await server.createRoom();
    const from = await Person.join(chromium, server, room, 'Sina', '&mic=0');
    const to = await Person.join(chromium, server, room, 'Timo', '&cam=0&mic=0');
    await to.sees('Sina', 'camera', 10);
    const enable = (on) =>
        to.page.evaluate((value) => {
            for (const p of window.fanlight.room.remoteParticipants.values())
                p.getTrackPublication('camera').setEnabled(value);
        }, on);
    const packets = async () => (await to.received()).Sina.camera.packets;
    await enable(false);
    let last = -1;
    await until('no more packets', async () => {
        const n = await packets();
        const still = n === last;
        last = n;
        if (still) return true;
        await new Promise((r) => setTimeout(r, 700));
        return false;
    });
    await enable(true);
    await to.sees('Sina', 'camera', 20);
    for (const p of [from, to]) await p.page.close();
});
