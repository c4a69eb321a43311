// timeout: 240
// End-to-end encrypted calls of the stock livekit-client: whoever has the key sees and hears, through layer switches and
// when they come late; the server has only what is clear, and changes none of what is authenticated.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { begin, end } from './lib/scene.mjs';
import { token, until } from './lib/server.mjs';

const dist = dirname(createRequire(import.meta.url).resolve('livekit-client'));
const COLOUR = [30, 150, 210]; // of the picture that is sent
const NEAR = 30; // and how far what is shown may be from it

let server, chromium, pages;

before(async () => {
    pages = await mkdtemp(join(tmpdir(), 'fanlight-e2ee-'));
    await writeFile(join(pages, 'index.html'), '<!doctype html><title>e2ee</title><script src="client.js"></script>');
    await copyFile(join(dist, 'livekit-client.umd.js'), join(pages, 'client.js'));
    await copyFile(join(dist, 'livekit-client.e2ee.worker.js'), join(pages, 'worker.js'));
    ({ server, chromium } = await begin({ args: ['--set', `http.web_root=${pages}`] }));
});

after(async () => {
    await end({ server, chromium });
    await rm(pages, { recursive: true, force: true });
});

/** Runs in the page: a room with encryption, and what is seen of everybody in <video> elements by identity. */
async function enter({ url, jwt, key, size, autoSubscribe }) {
    const { Room, ExternalE2EEKeyProvider } = window.LivekitClient;
    const keyProvider = new ExternalE2EEKeyProvider();
    const encryption = { keyProvider, worker: new Worker('worker.js') };
    await keyProvider.setKey(key);
    const room = new Room({ adaptiveStream: { pixelDensity: 1 }, dynacast: true, encryption });
    window.room = room;
    window.errors = [];
    window.videos = {};
    room.on('encryptionError', (e) => window.errors.push(String(e?.message ?? e)));
    room.on('trackSubscribed', (track, pub, participant) => {
        const element = track.attach();
        document.body.append(element);
        if (track.kind !== 'video') return;
        element.style.width = `${size[0]}px`;
        element.style.height = `${size[1]}px`;
        window.videos[participant.identity] = element;
    });
    await room.setE2EEEnabled(true);
    await room.connect(url, jwt, { autoSubscribe });
}

/** Runs in the page: a moving stripe on a colour, in three sizes, and a tone. */
async function publish([codec, colour]) {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [960, 540];
    const c = canvas.getContext('2d');
    let n = 0;
    setInterval(() => {
        c.fillStyle = `rgb(${colour.join(',')})`;
        c.fillRect(0, 0, canvas.width, canvas.height);
        c.fillStyle = 'white';
        c.fillRect((n++ * 7) % canvas.width, 0, 12, canvas.height);
    }, 66);
    const { Track, VideoPresets } = window.LivekitClient;
    const me = window.room.localParticipant;
    window.camera = await me.publishTrack(canvas.captureStream(15).getVideoTracks()[0], {
        source: Track.Source.Camera,
        videoCodec: codec,
        backupCodec: false,
        simulcast: true,
        videoSimulcastLayers: [VideoPresets.h180, VideoPresets.h360],
    });
    const audio = new AudioContext();
    const [tone, out] = [audio.createOscillator(), audio.createMediaStreamDestination()];
    tone.connect(out);
    tone.start();
    await audio.resume();
    await me.publishTrack(out.stream.getAudioTracks()[0], { source: Track.Source.Microphone });
}

class Member {
    static async join(room, name, key, { size = [960, 540], autoSubscribe = true } = {}) {
        const m = new Member();
        m.name = name;
        m.page = await chromium.page();
        await m.page.goto(server.http);
        await m.page.evaluate(enter, { url: server.ws, jwt: await token(name, room), key, size, autoSubscribe });
        return m;
    }

    /** {video, audio} statistics of what is received of somebody. */
    received(from) {
        return this.page.evaluate(async (who) => {
            const out = {};
            for (const pub of window.room.remoteParticipants.get(who)?.trackPublications.values() ?? []) {
                const report = [...((await pub.track?.getRTCStatsReport())?.values() ?? [])];
                const s = report.find((each) => each.type === 'inbound-rtp');
                if (s)
                    out[pub.kind] = {
                        codec: report.find((each) => each.id === s.codecId)?.mimeType,
                        encrypted: pub.isEncrypted,
                        frames: s.framesDecoded,
                        width: s.frameWidth,
                        keys: s.keyFramesDecoded,
                        packets: s.packetsReceived,
                        energy: s.totalAudioEnergy,
                    };
            }
            return out;
        }, from);
    }

    /** The mean colour of what is shown of somebody; null: nothing. */
    colour(from) {
        return this.page.evaluate((who) => {
            const video = window.videos[who];
            if (!video?.videoWidth) return null;
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [32, 18];
            const c = canvas.getContext('2d');
            c.drawImage(video, 0, 0, 32, 18);
            const d = c.getImageData(0, 0, 32, 18).data;
            const sum = [0, 0, 0];
            for (let i = 0; i < d.length; i += 4) for (let k = 0; k < 3; k++) sum[k] += d[i + k];
            return sum.map((v) => Math.round(v / (32 * 18)));
        }, from);
    }

    /** Frames go on being decoded, they show what was sent, and the sound is there. */
    async seesAndHears(from, more = 10) {
        const start = await this.received(from);
        const frames = start.video?.frames ?? 0;
        const energy = start.audio?.energy ?? 0;
        const good = await until(`${this.name} sees and hears ${from}`, async () => {
            const now = await this.received(from);
            return now.video?.frames >= frames + more && now.audio?.energy > energy + 1e-4 && now;
        }, 30000);
        const seen = await this.colour(from);
        assert.ok(seen && COLOUR.every((v, i) => Math.abs(v - seen[i]) < NEAR), `${this.name} sees ${seen}`);
        assert.ok(good.video.encrypted && good.audio.encrypted, JSON.stringify(good));
        return good;
    }

    resize([width, height]) {
        return this.page.evaluate(
            ([w, h]) => {
                for (const v of Object.values(window.videos)) {
                    v.style.width = `${w}px`;
                    v.style.height = `${h}px`;
                }
            },
            [width, height],
        );
    }

    /** The key frames that the camera was asked for, of all layers. */
    asked() {
        return this.page.evaluate(async () => {
            const stats = [...(await window.camera.track.sender.getStats()).values()].filter((s) => s.type === 'outbound-rtp');
            return stats.reduce((n, s) => n + (s.pliCount ?? 0) + (s.firCount ?? 0), 0);
        });
    }

    /** Subscribes to all that somebody has, and waits for the first picture of it; how long that took, in ms. */
    subscribe(from) {
        return this.page.evaluate(async (who) => {
            const start = performance.now();
            for (const pub of window.room.remoteParticipants.get(who).trackPublications.values()) pub.setSubscribed(true);
            const frames = async () => {
                const pubs = [...window.room.remoteParticipants.get(who).trackPublications.values()];
                const report = await pubs.find((p) => p.kind === 'video')?.track?.getRTCStatsReport();
                return [...(report?.values() ?? [])].find((s) => s.type === 'inbound-rtp')?.framesDecoded ?? 0;
            };
            while (!(await frames())) await new Promise((r) => setTimeout(r, 10));
            return performance.now() - start;
        }, from);
    }

    unsubscribe(from) {
        return this.page.evaluate((who) => {
            for (const pub of window.room.remoteParticipants.get(who).trackPublications.values()) pub.setSubscribed(false);
        }, from);
    }

    /** Gives pictures another size, and waits until those of somebody have another; how long that took, in ms. */
    async becomes(size, from) {
        const { width } = (await this.received(from)).video;
        const start = performance.now();
        await this.resize(size);
        await until('another size', async () => (await this.received(from)).video.width !== width, 30000);
        return performance.now() - start;
    }

    /** Has the camera make a key frame of each layer, unasked; waits until they are on their way. */
    makeKeys() {
        return this.page.evaluate(async () => {
            const { sender } = window.camera.track;
            const keys = async () =>
                [...(await sender.getStats()).values()].reduce((n, s) => n + (s.keyFramesEncoded ?? 0), 0);
            const before = await keys();
            const p = sender.getParameters();
            await sender.setParameters(p, { encodingOptions: p.encodings.map(() => ({ keyFrame: true })) });
            for (let i = 0; i < 100 && (await keys()) === before; i++) await new Promise((r) => setTimeout(r, 10));
            return (await keys()) - before;
        });
    }

    errors() {
        return this.page.evaluate(() => window.errors);
    }
}

const SOON = 700; // ms: a second after it was made a key frame is too old; a machine that is so slow tries again

/** The camera makes key frames, and at once fn does what needs one: nobody asks for another. undo: before another try. */
async function young(t, ann, fn, undo) {
    for (let tries = 1; ; tries++) {
        await new Promise((r) => setTimeout(r, 1200)); // none before is held
        const before = await ann.asked();
        assert.ok((await ann.makeKeys()) > 0);
        const took = await fn();
        const asked = (await ann.asked()) - before;
        t.diagnostic(`after ${Math.round(took)} ms; the publisher was asked for ${asked} key frames`);
        if (!asked) return;
        assert.ok(took > SOON && tries < 5, `${asked} key frames were asked for, after ${took} ms`);
        await undo();
    }
}

for (const [codec, how] of [
    ['vp8', 'simulcast'],
    ['vp9', 'scalable, by the dependency descriptor'],
    ['h264', 'simulcast'],
])
    describe(`${codec}, ${how}`, () => {
        const room = `e2ee-${codec}`;
        const people = [];
        let ann, ben, late;
        const add = async (...args) => {
            people.push(await Member.join(room, ...args));
            return people.at(-1);
        };

        before(async () => {
            ann = await add('ann', 'a key that they share');
            ben = await add('ben', 'a key that they share');
            await ann.page.evaluate(publish, [codec, COLOUR]);
        });

        after(async () => {
            for (const p of people) await p.page.close();
        });

        test('who has the key sees and hears', async () => {
            const got = await ben.seesAndHears('ann');
            assert.equal(got.video.codec.toLowerCase(), `video/${codec}`);
            assert.equal(got.audio.codec, 'audio/opus');
        });

        test('who comes late begins with a key frame that was made before', async (t) => {
            late = await add('lea', 'a key that they share', { size: [160, 90], autoSubscribe: false });
            await young(t, ann, () => late.subscribe('ann'), () => late.unsubscribe('ann'));
            await late.seesAndHears('ann');
            await ben.seesAndHears('ann');
            assert.deepEqual(await late.errors(), []);
        });

        test('through switches of the layer', async (t) => {
            const width = async () => (await ben.received('ann')).video.width;
            await until('the largest layer', async () => (await width()) === 960, 40000);
            const becomes = (size) => () => ben.becomes(size, 'ann');
            await young(t, ann, becomes([160, 90]), becomes([960, 540])); // somebody else has the small one all the time
            assert.ok((await width()) <= 640);
            await ben.seesAndHears('ann');
            await ben.resize([960, 540]);
            await until('the largest layer again', async () => (await width()) === 960, 40000);
            await ben.seesAndHears('ann');
        });

        test('who has another key gets packets, and nothing else', async () => {
            const eve = await add('eve', 'a key of her own', { size: [320, 180] });
            const got = await until('packets', async () => {
                const now = await eve.received('ann');
                return now.video?.packets > 50 && now.audio?.packets > 50 && now;
            }, 30000);
            assert.equal(got.video.frames, 0);
            assert.ok(got.audio.energy < 1e-6, JSON.stringify(got));
            await until('her errors', async () => (await eve.errors()).length > 0);
        });

        test('nobody else had trouble', async () => {
            assert.deepEqual(await ann.errors(), []);
            assert.deepEqual(await ben.errors(), []);
        });
    });
