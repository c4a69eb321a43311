// timeout: 180
// A room in which only the loudest three are heard (audio_top_n), with the stock livekit-client: everybody speaks a tone
// of his own, so that what is heard tells who.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { begin, end } from './lib/scene.mjs';
import { slow, token, until } from './lib/server.mjs';

const dist = dirname(createRequire(import.meta.url).resolve('livekit-client'));
const SLOTS = 3;
const SPEAKERS = 6;
const tone = (i) => 500 + 300 * i; // Hz, of speaker i

let server, chromium, pages, room, page, sections;

before(async () => {
    pages = await mkdtemp(join(tmpdir(), 'fanlight-topn-'));
    await writeFile(join(pages, 'index.html'), '<!doctype html><title>topn</title><script src="client.js"></script>');
    await copyFile(join(dist, 'livekit-client.umd.js'), join(pages, 'client.js'));
    ({ server, chromium } = await begin({ args: ['--set', `http.web_root=${pages}`] }));
    room = await server.createRoom({ audio_top_n: SLOTS });
    page = await chromium.page();
    await page.goto(server.http);
    await page.evaluate(prepare);
    for (let i = 0; i < SPEAKERS; i++) await enter(`speaker-${i}`, tone(i));
    await enter('listener', 0);
});

after(async () => {
    await end({ server, chromium });
    await rm(pages, { recursive: true, force: true });
});

/** Runs in the page: what the people of it need. All sit in one page, each with a connection of his own. */
function prepare() {
    const audio = new AudioContext();
    window.people = {};
    window.enter = async ({ url, jwt, identity, hz }) => {
        const { Room, Track } = window.LivekitClient;
        const me = { room: new Room(), ears: [], active: new Set(), gain: audio.createGain() };
        window.people[identity] = me;
        me.room.on('trackSubscribed', (track, _, participant) => {
            const element = track.attach(); // without one Chromium decodes nothing
            element.muted = true;
            const ear = audio.createAnalyser();
            ear.fftSize = 4096;
            ear.smoothingTimeConstant = 0;
            audio.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(ear);
            me.ears.push({ ear, from: participant.identity });
        });
        me.room.on('activeSpeakersChanged', (list) => (me.active = new Set(list.map((p) => p.identity))));
        await me.room.connect(url, jwt);
        if (!hz) return;
        const oscillator = audio.createOscillator();
        oscillator.frequency.value = hz;
        me.gain.gain.value = 0;
        const out = audio.createMediaStreamDestination();
        oscillator.connect(me.gain).connect(out);
        oscillator.start();
        await me.room.localParticipant.publishTrack(out.stream.getAudioTracks()[0], { source: Track.Source.Microphone });
    };
    window.speak = (identity, gain) => (window.people[identity].gain.gain.value = gain);
    /* The tones that somebody hears, in Hz: where the spectrum of a slot has its peak. */
    window.hears = (identity) => {
        const out = [];
        for (const { ear } of window.people[identity].ears) {
            const bins = new Float32Array(ear.frequencyBinCount);
            ear.getFloatFrequencyData(bins);
            const peak = bins.indexOf(Math.max(...bins));
            if (bins[peak] > -50) out.push((peak * audio.sampleRate) / ear.fftSize);
        }
        return out;
    };
    window.sections = (identity) => {
        const pc = window.people[identity].room.engine.pcManager.publisher._pc ?? window.people[identity].room.engine.pcManager.publisher.pc;
        return pc.getTransceivers().filter((t) => t.receiver.track.kind === 'audio' && /recv/.test(t.currentDirection)).length;
    };
    window.subscribed = (identity) => {
        const out = [];
        for (const p of window.people[identity].room.remoteParticipants.values())
            for (const pub of p.trackPublications.values())
                out.push({ from: p.identity, name: pub.trackName, subscribed: pub.isSubscribed, muted: pub.isMuted });
        return out;
    };
}

async function enter(identity, hz) {
    const jwt = await token(identity, room.code);
    await page.evaluate((o) => window.enter(o), { url: server.ws, jwt, identity, hz });
}

const speak = (i, gain) => page.evaluate(([who, g]) => window.speak(who, g), [`speaker-${i}`, gain]);

/** Which speakers somebody hears at the moment, by their tones. */
async function heard(identity) {
    const tones = await page.evaluate((who) => window.hears(who), identity);
    return [...new Set(tones.map((hz) => Math.round((hz - 500) / 300)))].sort();
}

const hears = (identity, who) =>
    until(`${identity} hears ${who}`, async () => JSON.stringify(await heard(identity)) === JSON.stringify(who), 15000 * slow);

describe('a room of six microphones and three slots', () => {
    test('three tracks of the server are received, and no microphone', async () => {
        await until('everything is subscribed', async () => {
            const all = await page.evaluate(() => window.subscribed('listener'));
            return all.length === SPEAKERS + SLOTS && all.filter((t) => t.subscribed).length === SLOTS;
        });
        const all = await page.evaluate(() => window.subscribed('listener'));
        assert.ok(all.filter((t) => t.subscribed).every((t) => t.from.startsWith('speakers_')), JSON.stringify(all));
        await until('sections', async () => (await page.evaluate(() => window.sections('listener'))) === SLOTS);
        sections = await page.evaluate(() => Object.keys(window.people).map((who) => window.sections(who)));
        assert.deepEqual(sections, new Array(SPEAKERS + 1).fill(SLOTS));
    });

    test('one speaks: all others hear him, he does not, and all are told who it is', async () => {
        await speak(2, 0.5);
        await hears('listener', [2]);
        await hears('speaker-0', [2]);
        assert.deepEqual(await heard('speaker-2'), []);
        await until('the speaker is named', () =>
            page.evaluate(() => ['listener', 'speaker-1'].every((who) => [...window.people[who].active].join() === 'speaker-2')),
        );
        await speak(2, 0);
        await hears('listener', []);
    });

    test('three speak at once; each hears the two others', async () => {
        for (const i of [0, 3, 5]) await speak(i, 0.5);
        await hears('listener', [0, 3, 5]);
        await hears('speaker-3', [0, 5]);
    });

    test('who speaks up later is heard when one of them stops', async () => {
        await speak(1, 0.5);
        await hears('speaker-1', [0, 3, 5]);
        assert.deepEqual(await heard('listener'), [0, 3, 5]);
        await speak(3, 0);
        await hears('listener', [0, 1, 5]);
    });

    test('who is muted or leaves makes room at once', async () => {
        await speak(4, 0.5);
        await page.evaluate(() => window.people['speaker-5'].room.localParticipant.setMicrophoneEnabled(false));
        await hears('listener', [0, 1, 4]);
        await until('the mute is seen', async () =>
            (await page.evaluate(() => window.subscribed('listener'))).some((t) => t.from === 'speaker-5' && t.muted),
        );
        await page.evaluate(() => window.people['speaker-0'].room.disconnect());
        await hears('listener', [1, 4]);
    });

    test('none of it took a new section', async () => {
        const now = await page.evaluate(() => Object.keys(window.people).filter((who) => who !== 'speaker-0').map((who) => window.sections(who)));
        assert.deepEqual(now, new Array(SPEAKERS).fill(SLOTS));
    });

    test('a room is told its number when it is made', async () => {
        const shown = await (await fetch(`${server.http}/api/rooms/${room.code}`)).json();
        assert.equal(shown.audio_top_n, SLOTS);
        await assert.rejects(server.createRoom({ audio_top_n: 17 }), /400/);
    });
});
