// timeout: 240
// A backup codec: who cannot decode what a camera is published with gets pictures all the same, under the same sid.
// Chromium pages with livekit-client, in one of which VP9 is missing from every description.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { begin, end } from './lib/scene.mjs';
import { slow, token, until } from './lib/server.mjs';

const library = fileURLToPath(new URL('node_modules/livekit-client/dist/livekit-client.umd.js', import.meta.url));

let server, chromium;

before(async () => {
    ({ server, chromium } = await begin({ args: ['--set', 'rtc.workers=2'] }));
});

after(() => end({ server, chromium }));

/** Leaves a codec out of what a page offers and answers to receive. */
const without = (mime) => {
    const { prototype } = RTCPeerConnection;
    for (const name of ['createOffer', 'createAnswer']) {
        const original = prototype[name];
        prototype[name] = function (...args) {
            const codecs = RTCRtpReceiver.getCapabilities('video').codecs.filter((c) => c.mimeType !== mime);
            for (const t of this.getTransceivers())
                if (t.receiver.track.kind === 'video' && !t.sender.track) t.setCodecPreferences(codecs);
            return original.apply(this, args);
        };
    }
};

/** A page that has joined as `window.room`, and counts what it subscribes to and fails to. */
async function join(room, identity, { lacks, ...options } = {}) {
    const page = await chromium.page();
    await page.goto(`${server.http}/health`); // any page of the origin will do
    await page.addScriptTag({ path: library });
    if (lacks) await page.evaluate(without, lacks);
    await page.evaluate(
        async ([url, jwt, o]) => {
            window.room = new LivekitClient.Room(o);
            window.failures = [];
            window.subscriptions = 0;
            window.room.on('trackSubscriptionFailed', (sid) => window.failures.push(sid));
            window.room.on('trackSubscribed', () => window.subscriptions++);
            await window.room.connect(url, jwt);
        },
        [server.ws, await token(identity, room), options],
    );
    return page;
}

/** The camera in VP9, with VP8 behind it. */
const publish = (page, backupCodecPolicy) =>
    page.evaluate(async (policy) => {
        const camera = await LivekitClient.createLocalVideoTrack({ resolution: { width: 640, height: 360, frameRate: 15 } });
        const pub = await window.room.localParticipant.publishTrack(camera, {
            source: 'camera',
            videoCodec: 'vp9',
            backupCodec: { codec: 'vp8', encoding: { maxBitrate: 300000, maxFramerate: 15 } },
            backupCodecPolicy: policy,
        });
        return pub.trackSid;
    }, backupCodecPolicy);

/** What is decoded of the one camera: {sid, codec, frames}. */
const decoded = (page) =>
    page.evaluate(async () => {
        const pubs = [...window.room.remoteParticipants.values()].flatMap((p) => [...p.videoTrackPublications.values()]);
        const pub = pubs.find((p) => p.track);
        const stats = [...((await pub?.track?.getRTCStatsReport())?.values() ?? [])];
        const inbound = stats.find((s) => s.type === 'inbound-rtp');
        return { sid: pub?.trackSid, codec: stats.find((s) => s.id === inbound?.codecId)?.mimeType, frames: inbound?.framesDecoded ?? 0 };
    });

/** Waits until frames of a codec are decoded; milliseconds. */
async function sees(page, codec, frames = 10) {
    const start = Date.now();
    await until(
        `pictures in ${codec}`,
        async () => {
            const first = await decoded(page);
            await new Promise((r) => setTimeout(r, 200));
            const d = await decoded(page);
            return d.codec === codec && d.frames >= frames && d.frames > first.frames;
        },
        20000,
    );
    return Date.now() - start;
}

/** Which codecs go out: {'video/VP9': frames, ...}, by every sender of the connection. */
const outbound = (page) =>
    page.evaluate(async () => {
        const pub = [...window.room.localParticipant.videoTrackPublications.values()][0];
        const senders = [pub.track.sender, ...[...pub.track.simulcastCodecs.values()].map((c) => c.sender)].filter(Boolean);
        const out = {};
        for (const sender of senders) {
            const stats = [...(await sender.getStats()).values()];
            for (const s of stats.filter((x) => x.type === 'outbound-rtp' && x.codecId)) {
                const mime = stats.find((c) => c.id === s.codecId).mimeType;
                out[mime] = (out[mime] ?? 0) + (s.framesSent ?? 0);
            }
        }
        return out;
    });

/** Which codecs go out within so many milliseconds. */
async function sending(page, ms = 700) {
    const first = await outbound(page);
    await new Promise((r) => setTimeout(r, ms));
    const second = await outbound(page);
    return Object.keys(second).filter((mime) => second[mime] > (first[mime] ?? 0)).sort().join(' ');
}

for (const singlePeerConnection of [true, false])
    test(`who lacks VP9 sees VP8, while others keep VP9 (${singlePeerConnection ? 'one connection' : 'two connections'})`, async (t) => {
        const { code } = await server.createRoom();
        const alice = await join(code, 'alice', { singlePeerConnection });
        const bob = await join(code, 'bob', { singlePeerConnection });
        const sid = await publish(alice, 1); // simulcast: both at a time
        await sees(bob, 'video/VP9');
        assert.equal(await sending(alice), 'video/VP9');

        const carol = await join(code, 'carol', { singlePeerConnection, lacks: 'video/VP9' });
        const ms = await sees(carol, 'video/VP8');
        t.diagnostic(`carol sees pictures after ${ms} ms`);
        assert.ok(ms < 6000 * slow, `${ms} ms`);
        assert.equal((await decoded(carol)).sid, sid);
        const before = await decoded(bob);
        assert.equal(before.codec, 'video/VP9');
        assert.equal(await sending(alice), 'video/VP8 video/VP9');
        const after = await decoded(bob);
        assert.ok(after.frames > before.frames && after.codec === 'video/VP9', JSON.stringify({ before, after }));
        assert.equal(await bob.evaluate(() => window.subscriptions), 1); // he noticed nothing

        await carol.close(); // nobody needs it
        const gone = Date.now();
        await until('only VP9 goes out', async () => (await sending(alice)) === 'video/VP9', 15000);
        t.diagnostic(`VP8 stopped after ${Date.now() - gone - 700} ms`);

        const dave = await join(code, 'dave', { singlePeerConnection, lacks: 'video/VP9' });
        await sees(dave, 'video/VP8');
        assert.deepEqual(await dave.evaluate(() => window.failures), []);
        await alice.evaluate(() => window.room.localParticipant.unpublishTrack([...window.room.localParticipant.videoTrackPublications.values()][0].track));
        await until('it is gone', async () => !(await decoded(dave)).sid && !(await decoded(bob)).sid);
        for (const p of [alice, bob, dave]) await p.close();
    });

/** window.gap will be the time from the last picture of a subscription to the first one of the next, in milliseconds. */
const watch = (page) =>
    page.evaluate(() => {
        let frames = -1;
        let last = performance.now();
        window.gap = undefined;
        setInterval(async () => {
            const pubs = [...window.room.remoteParticipants.values()].flatMap((p) => [...p.videoTrackPublications.values()]);
            const stats = [...((await pubs.find((p) => p.track)?.track.getRTCStatsReport())?.values() ?? [])];
            const n = stats.find((x) => x.type === 'inbound-rtp')?.framesDecoded ?? 0;
            if (!n || n === frames) return;
            if (n < frames) window.gap = Math.round(performance.now() - last);
            frames = n;
            last = performance.now();
        }, 20);
    });

test('a publisher that encodes once: everybody moves to what all can decode', async (t) => {
    const { code } = await server.createRoom();
    const alice = await join(code, 'alice');
    const bob = await join(code, 'bob');
    const sid = await publish(alice, 2); // regression
    await sees(bob, 'video/VP9');
    await watch(bob);
    const carol = await join(code, 'carol', { lacks: 'video/VP9' });
    await sees(carol, 'video/VP8');
    await sees(bob, 'video/VP8');
    t.diagnostic(`bob misses pictures for ${await bob.evaluate(() => window.gap)} ms`);
    assert.equal((await decoded(bob)).sid, sid);
    await until('only VP8 goes out', async () => (await sending(alice)) === 'video/VP8', 15000);
    for (const p of [alice, bob, carol]) await p.close();
});
