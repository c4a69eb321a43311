// timeout: 240
// Layers that nobody watches are not sent, and come back when somebody looks: two Chromium pages with livekit-client,
// one with dynacast, the other with adaptive streams.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openChromium } from './lib/browsers.mjs';
import { end } from './lib/scene.mjs';
import { Server, slow, token, until } from './lib/server.mjs';

const library = fileURLToPath(new URL('node_modules/livekit-client/dist/livekit-client.umd.js', import.meta.url));

let server, chromium;

before(async () => {
    [server, chromium] = await Promise.all([Server.start({ args: ['--set', 'rtc.workers=1'] }), openChromium()]);
});

after(() => end({ server, chromium }));

/** A page that has joined as `window.room`. */
async function join(room, identity, options) {
    const page = await chromium.page();
    await page.goto(`${server.http}/health`); // any page of the origin will do
    await page.addScriptTag({ path: library });
    await page.evaluate(
        async ([url, jwt, o]) => {
            window.room = new LivekitClient.Room(o);
            await window.room.connect(url, jwt);
        },
        [server.ws, await token(identity, room), options],
    );
    return page;
}

/** The smallest picture that livekit-client sends in three layers, and few frames of it. */
const publish = (page) =>
    page.evaluate(async () => {
        const preset = (w, h, rate) => new LivekitClient.VideoPreset(w, h, rate, 10);
        const camera = await LivekitClient.createLocalVideoTrack({ resolution: { width: 960, height: 540, frameRate: 10 } });
        await window.room.localParticipant.publishTrack(camera, {
            source: 'camera',
            videoCodec: 'vp8',
            simulcast: true,
            degradationPreference: 'maintain-resolution',
            videoEncoding: { maxBitrate: 600000, maxFramerate: 10 },
            videoSimulcastLayers: [preset(240, 135, 60000), preset(480, 270, 200000)],
        });
    });

/** What goes out, by rid: {q: {active, bytes, frames}, ...}. */
const outbound = (page) =>
    page.evaluate(async () => {
        const track = [...window.room.localParticipant.videoTrackPublications.values()][0]?.track;
        const out = {};
        for (const s of (await track?.sender?.getStats())?.values() ?? [])
            if (s.type === 'outbound-rtp' && s.kind === 'video') out[s.rid] = { active: s.active, bytes: s.bytesSent, frames: s.framesSent };
        return out;
    });

/** Which rids send something within so many milliseconds, as 'qhf'. */
async function sending(page, ms = 700) {
    const first = await outbound(page);
    await new Promise((r) => setTimeout(r, ms));
    const second = await outbound(page);
    return ['q', 'h', 'f'].filter((rid) => second[rid]?.frames > (first[rid]?.frames ?? 0)).join('');
}

/** The viewer's tile, made so large; 0: hidden. */
const size = (page, width) =>
    page.evaluate((w) => {
        let video = document.querySelector('video');
        if (!video) {
            const all = [...window.room.remoteParticipants.values()].flatMap((p) => [...p.videoTrackPublications.values()]);
            video = all.find((p) => p.track).track.attach();
            document.body.append(video);
        }
        video.style.display = w ? 'block' : 'none';
        video.style.width = `${w}px`;
        video.style.height = `${(w * 9) / 16}px`;
    }, width);

/** Makes the tile so large; milliseconds until a frame of this width is shown. */
const grow = (page, width, wanted) =>
    page.evaluate(
        ([w, expected]) =>
            new Promise((done) => {
                const video = document.querySelector('video');
                const begin = performance.now();
                const look = (now, frame) => {
                    if (frame.width === expected) done(Math.round(now - begin));
                    else video.requestVideoFrameCallback(look);
                };
                video.requestVideoFrameCallback(look);
                video.style.display = 'block';
                video.style.width = `${w}px`;
                video.style.height = `${(w * 9) / 16}px`;
            }),
        [width, wanted],
    );

/** Milliseconds until just these rids send. */
async function stops(page, rids) {
    const begin = Date.now();
    await until(`only "${rids}" goes out`, async () => (await sending(page)) === rids, 15000);
    return Date.now() - begin - 700; // it was so at the beginning of the last look
}

test('layers follow the tiles of those who watch', async () => {
    const { code } = await server.createRoom();
    const alice = await join(code, 'alice', { dynacast: true });
    await publish(alice);
    const bob = await join(code, 'bob', { adaptiveStream: { pixelDensity: 1 } });
    await until('the picture', () =>
        bob.evaluate(() => [...window.room.remoteParticipants.values()].some((p) => [...p.videoTrackPublications.values()].some((t) => t.track))),
    );
    const figures = {};

    await size(bob, 960);
    await until('all layers', async () => (await sending(alice)) === 'qhf', 20000);
    await until('the large picture', () => bob.evaluate(() => document.querySelector('video').videoWidth === 960), 20000);

    await size(bob, 240); // a small tile
    figures['two layers off, ms'] = await stops(alice, 'q');
    const [before, later] = [await outbound(alice), (await new Promise((r) => setTimeout(r, 1500)), await outbound(alice))];
    assert.equal(before.f.active, false);
    assert.equal(before.h.active, false);
    assert.equal(later.f.bytes, before.f.bytes);
    assert.equal(later.h.bytes, before.h.bytes);
    assert.ok(later.q.frames > before.q.frames);

    figures['to the top layer, ms'] = await grow(bob, 960, 960);
    assert.equal(await sending(alice), 'qhf');

    await size(bob, 0); // out of sight
    figures['all layers off, ms'] = await stops(alice, '');

    figures['to the first frame again, ms'] = await grow(bob, 960, 960);
    await until('all layers', async () => (await sending(alice)) === 'qhf');

    await bob.evaluate(() => {
        for (const p of window.room.remoteParticipants.values()) for (const t of p.videoTrackPublications.values()) t.setSubscribed(false);
    });
    figures['off after the last viewer, ms'] = await stops(alice, '');

    // a viewer who says nothing of sizes wants the best, and waits for no more than a key frame
    const begin = Date.now();
    const carol = await join(code, 'carol', { adaptiveStream: false });
    await until('her picture', async () =>
        carol.evaluate(async () => {
            for (const p of window.room.remoteParticipants.values())
                for (const t of p.videoTrackPublications.values())
                    for (const s of (await t.track?.getRTCStatsReport())?.values() ?? [])
                        if (s.type === 'inbound-rtp' && s.framesDecoded > 0) return true;
            return false;
        }),
    );
    figures['a new viewer, page to picture, ms'] = Date.now() - begin;
    await until('all layers', async () => (await sending(alice)) === 'qhf');

    console.log(figures);
    for (const name of ['two layers off, ms', 'all layers off, ms', 'off after the last viewer, ms'])
        assert.ok(figures[name] <= 5000 * slow, `${name}: ${figures[name]}`);
    await Promise.all([alice, bob, carol].map((p) => p.close()));
});
